"""What can be imported, by us and by what we start, in processes of their own."""

import json
import os
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, os, sys
sys.path.append({root!r})
from proxy.import_path import forget_working_directory
before = list(sys.path)
{first}
forget_working_directory()
forget_working_directory()
print(json.dumps([before, sys.path, os.environ.get("PYTHONPATH"), os.environ["PYTHONSAFEPATH"]]))
"""


def paths(
    directory: Path, *flags: str, first: str = "", root: Path = ROOT, **environment: str
) -> Any:
    """What the path was and is, and what a child would be told."""
    program = PROGRAM.format(root=str(root), first=first)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *flags, "-c", program],
        cwd=directory,
        capture_output=True,
        text=True,
        env=clean | environment,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_working_directory_is_taken_off_the_path(tmp_path: Path):
    before, after, python_path, safe = paths(tmp_path)

    assert before[0] == ""
    assert after == [entry for entry in before if entry != ""]
    assert (python_path, safe) == (None, "1")


def test_so_is_what_an_entry_of_pythonpath_means_there(tmp_path: Path):
    named = str(tmp_path / "named")
    given = os.pathsep.join(["", "lib", named, "."])
    before, after, python_path, _ = paths(tmp_path, PYTHONPATH=given)

    assert {str(tmp_path), str(tmp_path / "lib"), named} <= set(before)
    assert {str(tmp_path), str(tmp_path / "lib"), named} & set(after) == {named}
    assert python_path == named


def test_what_the_operator_names_from_the_root_on_stays(tmp_path: Path):
    _, after, python_path, _ = paths(tmp_path, PYTHONPATH=str(tmp_path))

    assert str(tmp_path) in after
    assert python_path == str(tmp_path)


def test_a_checkout_in_which_we_are_comes_last():
    _, after, _, _ = paths(ROOT, first=f"sys.path.insert(0, {str(ROOT)!r})")

    assert after.index(str(ROOT)) == len(after) - 1


def test_site_packages_stay_wherever_one_is():
    for directory in site.getsitepackages():
        assert directory in paths(Path(directory))[1]


def test_where_there_is_no_working_directory_any_more_nothing_is_found_in_it(tmp_path: Path):
    gone = tmp_path / "gone"
    gone.mkdir()
    _, after, python_path, _ = paths(gone, first="os.rmdir(os.getcwd())", PYTHONPATH="")

    assert "" not in after
    assert python_path is None


@pytest.mark.without_coverage
@pytest.mark.parametrize("flags", [["-P"], ["-I"], ["-E", "-P"], []], ids=" ".join)
def test_processes_that_python_starts_for_us_are_safe(flags: list[str]):
    assert heeded(*flags)


def test_with_minus_e_alone_they_are_not():
    assert not heeded("-E")


def heeded(*flags: str) -> bool:
    program = (
        f"import sys; sys.path.append({str(ROOT)!r}); import proxy.import_path as ours; "
        "print(ours.children_heed_the_environment())"
    )
    done = subprocess.run(
        [sys.executable, *flags, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout == "True\n"
