"""
Removal of the working directory from the import path, here and in child processes.

With `-m` and `-c`, Python searches the working directory first, and `multiprocessing`
starts its processes with `-c`. Anyone who can write to that directory could run code
with Holdover's rights. An empty entry of PYTHONPATH also means the working directory.
Absolute entries of PYTHONPATH and the user's site-packages stay: the operator chose them.

If Holdover runs from a checkout, that directory is needed to import Holdover itself. It
comes last, so that no other file in it hides the standard library or a dependency.
"""

from __future__ import annotations

# Python's own start imports these three; other imports have to wait until the path is clean.
import os
import site
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_RUN_MAIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from {} import main; main()"
)


def forget_working_directory() -> None:
    """Remove the working directory from the import path, also for processes started later."""
    given = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    named = [entry for entry in given if os.path.isabs(entry)]
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)
    os.environ["PYTHONSAFEPATH"] = "1"  # for children that libraries start
    try:
        found = {os.getcwd(), *(os.path.abspath(entry) for entry in given if entry not in named)}
    except OSError:  # the working directory has been removed
        found = set()
    found -= {*named, *site.getsitepackages()}
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry) and entry not in found]
    if _ROOT not in sys.path:
        sys.path.append(_ROOT)


def program_command(module: str) -> list[str]:
    """
    Return the command for `main` of a module of ours, with the import path of this process.

    The process is isolated (`-I`): it ignores Python's environment variables, and sees the
    user's site-packages only if this process does.
    """
    import json  # noqa: PLC0415 - the path is clean by now

    bytecode = ["-B"] if sys.dont_write_bytecode else []
    program = _RUN_MAIN.format(module)
    return [sys.executable, "-I", *bytecode, "-c", program, json.dumps(sys.path)]


def children_heed_the_environment() -> bool:
    """Return False if `multiprocessing` is unsafe: under `-E`, children ignore PYTHONSAFEPATH."""
    return bool(sys.flags.safe_path) or not sys.flags.ignore_environment
