"""Everybody who is asked: dispatch, HTTP/1.1 client, connections, what upstream teaches."""
