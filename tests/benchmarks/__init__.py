"""
How fast, side by side, in one run: Holdover, and what else could stand in its place.

    uv run python -m tests.benchmarks                # compare: whole answers, bursts, paced streams
    uv run python -m tests.benchmarks check          # every target; exit status 1 on a miss
    uv run python -m tests.benchmarks check --only size --only blocking
    uv run python -m tests.benchmarks check --soak 10 --json run.json --plot run.png

Needs `nginx` and `wrk` (Debian: `apt-get install nginx-light wrk`) and two cores: the proxies are
pinned to one, the load and the upstream to the other. A picture needs `uv sync --group bench`.
`--litellm EXECUTABLE` and `--portkey EXECUTABLE` add those two where they are installed.

*naive* is Starlette and httpx, *bare* raw ASGI and aiohttp, *nginx* its `proxy_pass`; all three
pass bytes through and look at nothing. Holdover runs as `holdover serve` does, with everything on.
All serve at once, and one at a time is under load, in rounds; what is compared is compared within
a round. Figures of one run compare with each other and with nothing else: machines are noisy.

Processor time is the kernel's account of the serving process; that of its children (Holdover's
loader of evidence) is told beside it, and was used on the same core. "core busy" is the share of
its core that the serving process used: well below 100 % in a load that asks as fast as it can,
the load or the upstream was what was slow, and requests/s say little. "kept waiting" is the share
of the time that it could have run and its core was taken: much of it, and the machine is not quiet.
"""
