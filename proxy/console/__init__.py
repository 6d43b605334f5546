"""
The console: pages in a browser that show the migration, move it, and take it back.

    request -> gate (host, session) -> page -> Visit -> Site: settings, store, running server

It is a process of its own beside the proxy, so that exchanges never wait for somebody who looks.
`Site` is all that pages read and change, `Visit` is one request of somebody who is signed in, and
a page is a function that answers a visit. Pages work without script.
"""
