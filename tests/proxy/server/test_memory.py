"""Memory of a process is the process's: each looks at one of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unmeasured

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
from proxy.server import memory
memory.tune_malloc()
async def main():
    before = memory.resident_bytes()
    busy = [True]
    returning = asyncio.create_task(memory.return_memory(lambda: bool(busy), pause=0.01))
    await asyncio.sleep(0)
    long, short = [], []
    for _ in range(300):  # what is short lies above what is long, and keeps the heap from shrinking
        long.append(b"." * 1_000_000)
        short.append(b"." * 100_000)
    del long
    kept = memory.resident_bytes() - before
    busy.clear()
    while (left := memory.resident_bytes() - before) > 100_000_000:
        await asyncio.sleep(0)
    returning.cancel()
    print(kept, left)
asyncio.run(main())
"""


def test_what_a_burst_of_long_prompts_has_left_goes_back_to_the_kernel():
    program = [sys.executable, "-c", RETURNING]
    output = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    kept, left = map(int, output.split())

    assert kept > 200_000_000
    assert left < 100_000_000
