"""
From where we import, and every Python that we start: from nowhere in the working directory.

Python looks there first with `-m` and `-c`, and `multiprocessing` starts its
processes with `-c`: who may write there would run what they like with our
rights. An empty entry of PYTHONPATH is the working directory, too. What the
operator names, PYTHONPATH from the root on or the user's own site-packages, is
the operator's.

A checkout is an exception: it is where we are. It comes last, so that nothing
else in it is taken for something of the standard library, or for what we need.
"""

from __future__ import annotations

# These three are there before any of ours; to import others the path has to be clean.
import os
import site
import sys

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_AGAIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from proxy.cli import main; main()"
)


def forget_working_directory() -> None:
    """Take it off the path, here and in every process that Python starts for us."""
    given = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    named = [entry for entry in given if os.path.isabs(entry)]
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)
    os.environ["PYTHONSAFEPATH"] = "1"  # for processes that others start for us
    found = _found_from_here([entry for entry in given if entry not in named])
    found -= {*named, *site.getsitepackages()}
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry) and entry not in found]
    if _HERE not in sys.path:
        sys.path.append(_HERE)


def _found_from_here(entries: list[str]) -> set[str]:
    """The working directory, and what these are in it."""
    try:
        return {os.getcwd(), *map(os.path.abspath, entries)}
    except OSError:  # it has been removed
        return set()


def holdover_again(*arguments: str) -> list[str]:
    """
    The command for another process of Holdover that imports what this one does.

    It is isolated (`-I`): it sees no environment variable of Python's, and no
    site-packages of its user's but those that this one sees.
    """
    import json  # noqa: PLC0415 - see above

    bytecode = ["-B"] if sys.dont_write_bytecode else []
    return [sys.executable, "-I", *bytecode, "-c", _AGAIN, *arguments, json.dumps(sys.path)]


def children_heed_the_environment() -> bool:
    """Whether processes of `multiprocessing` are safe: with `-E` alone Python does not hear us."""
    return bool(sys.flags.safe_path) or not sys.flags.ignore_environment
