"""
The proxy around the translators: everything that does I/O.

A request goes from `endpoints/` to `exchange/`, which asks `rollout/` what to do with it and
`upstream/` for an answer. The finished exchange goes to `traffic/` and `observability/`.

* `cli/` -- one module per command; `server/` -- the process that serves.
* `endpoints/` -- the ASGI endpoints, which decide nothing.
* `exchange/` -- one completion request, from its headers to its record.
* `rollout/` -- the rules, as plain functions; `config/` -- settings, and the rules in them.
* `upstream/` -- connections to the upstreams; only this package imports httpx.
* `traffic/` -- records and bodies: journal, loader and store; only this package uses databases.
* `security/` -- keys, hosts and redaction; `workers/` -- state that processes share.
* `comparison/`, `replay/`, `report/` -- answers compared, requests repeated, records summed up.

`app.py` builds all objects. `simulator/` plays the upstream for tests and trials; it is
written from the recorded facts and imports nothing from the other packages.
"""
