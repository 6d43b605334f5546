"""Memory of a process is the process's: each looks at one of its own."""

import subprocess
import sys

PROGRAM = """
import resource
from proxy.server.memory import tune_malloc
{first}
def work():
    pieces = [b"." * (8 * 1024 * 1024) for _ in range(4)]  # as many as there are of a long prompt
work(), work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first: str) -> int:
    program = [sys.executable, "-c", PROGRAM.format(first=first)]
    return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout)


def test_what_was_freed_is_there_for_the_next_long_prompt():
    pages = 5 * 4 * 8 * 1024 // 4

    assert page_faults("") > pages // 2
    assert page_faults("tune_malloc()") < pages // 100


RETURNING = """
import asyncio
from types import SimpleNamespace
from proxy.server import memory
memory.tune_malloc()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
async def main():
    before = resident()
    long, short = [], []
    for _ in range(300):  # what is short lies above what is long, and keeps the heap from shrinking
        long.append(b"." * 1_000_000)
        short.append(b"." * 100_000)
    del long
    kept = resident() - before
    bodies = SimpleNamespace(held=0, most_held=300_000_000)
    returning = asyncio.create_task(memory.return_memory(bodies, pause=0.01))
    while bodies.most_held:
        await asyncio.sleep(0)
    returning.cancel()
    await asyncio.wait([returning])
    await asyncio.to_thread(lambda: None)
    print(kept, resident() - before)
asyncio.run(main())
"""


def test_what_a_burst_of_long_prompts_has_left_goes_back_to_the_kernel():
    program = [sys.executable, "-c", RETURNING]
    output = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    kept, left = map(int, output.split())

    assert kept > 200_000_000
    assert left < 100_000_000
