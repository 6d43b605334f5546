"""
The proxy around the translators: everything that touches the world.

* `Exchange` -- one completion request from its headers to its record; the order of things.
* `Reply` -- the client's end of it; `endpoints/` provides one on raw ASGI.
* `Upstream` -- the Messages API; the only module that speaks httpx.
* `Notes` -- what is known of an exchange so far; the one value that changes.
* `TrafficRecord` -- what is kept of it; the fields of the log line.

`app.py` builds them all, once. `simulator/` stands apart: it plays the
upstream, is written from the facts, and imports nothing from here.
"""
