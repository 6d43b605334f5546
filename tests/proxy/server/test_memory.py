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
