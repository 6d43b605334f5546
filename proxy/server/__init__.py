"""The process that serves: uvicorn's protocol, sockets, memory, and the loader beside it."""
