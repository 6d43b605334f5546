"""Workers that take their time to begin, as on a machine that has a lot to do."""

import pytest

from tests.fleet import running_fleet

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured]

SLOWLY = """
import pathlib
import sys
import threading

if "--multiprocessing-fork" in sys.orig_argv:
    with pathlib.Path(__file__).with_name("begun").open("a") as begun:
        begun.write("a worker\\n")
    threading.Event().wait(7)
"""


def test_a_worker_that_begins_slowly_is_waited_for(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SLOWLY)
    with running_fleet(tmp_path, "", workers=2, PYTHONPATH=str(tmp_path)) as fleet:
        assert (tmp_path / "begun").read_text().split("\n") == ["a worker", "a worker", ""]
        assert len(fleet.lines("Application startup complete.")) == 2
        assert "died" not in fleet.log.read_text()
