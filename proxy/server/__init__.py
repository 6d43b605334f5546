"""The serving process: uvicorn's protocol, sockets, memory, and the loader subprocess."""
