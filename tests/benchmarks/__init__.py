"""
How fast, side by side: Holdover, a naive passthrough and a bare one, in one run.

    uv run python -m tests.benchmarks [--seconds 5] [--json FILE]

Needs `nginx` and `wrk` (Debian: `apt-get install nginx-light wrk`) and two cores: the proxy is
pinned to one, the load and nginx, which serves canned answers, to the other. Figures of one run
compare with each other and with nothing else: the machine is noisy.
"""
