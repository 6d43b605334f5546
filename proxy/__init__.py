"""
The proxy around the translators: everything that touches the world.

A request goes from `endpoints/` to `exchange/`, which asks `rollout/` what to do with it and
`upstream/` for an answer; what is known of it at its end goes to `traffic/` and `observability/`.

* `cli/` -- one module per command; `server/` -- the process that serves.
* `endpoints/` -- raw ASGI in and out, no policy.
* `exchange/` -- one completion request, from its headers to its record.
* `rollout/` -- the rules, as plain functions; `config/` -- the settings that they come from.
* `upstream/` -- everybody who is asked for an answer; alone in speaking httpx.
* `traffic/` -- records and bodies: journal, loader and store; alone in knowing databases.
* `security/` -- keys, hosts, and what may not be kept; `workers/` -- what processes share.
* `comparison/`, `replay/`, `report/` -- what is made of the answers and of the records.

`app.py` builds them all, once. `simulator/` stands apart: it plays the
upstream, is written from the facts, and imports nothing from here.
"""
