"""Workers that take their time to begin, as on a machine that has a lot to do."""

from tests.faults.fleet_under_fault import fleet
from tests.waiting import wait_for

SLOWLY = """
import sys
import threading

if "--multiprocessing-fork" in sys.orig_argv:
    threading.Event().wait(7)
"""


def test_a_worker_that_begins_slowly_is_waited_for(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SLOWLY)
    with fleet(tmp_path, "", workers=2, PYTHONPATH=str(tmp_path)) as home:
        workers = home.both_workers()
        wait_for(lambda: len(home.lines("Application startup complete.")) == 2)

        assert home.both_workers() == workers
        assert not [line for line in home.said if "died" in line]
