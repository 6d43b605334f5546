"""
Look for bytes for which something is not as it must be; needs the group `fuzz`.

    python -m tests.faults.fuzzing stream --seconds 600

What was found is kept in a directory outside of the repository, and stays for the next time. An
input that fails is written there, too; it belongs into `test_properties.py`, as an example.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import structlog

NAMES = ("prompt", "request", "stream", "response", "client")


def main() -> None:
    """Fuzz as the command line says; libFuzzer ends the process."""
    import atheris  # noqa: PLC0415 - only those who fuzz need it

    with atheris.instrument_imports(include=["translators", "proxy"]):
        from tests.faults.fuzzing.properties import CHECKS  # noqa: PLC0415 - now it is watched
        from tests.faults.fuzzing.seeds import dictionary, seeds  # noqa: PLC0415
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzzing", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--corpus", type=Path, help="default: under the temporary directory")
    asked = parser.parse_args()
    root = Path(tempfile.gettempdir()) / "holdover-fuzzing"
    directory: Path = asked.corpus or root / asked.name
    (directory / "seeds").mkdir(parents=True, exist_ok=True)
    (directory / "found").mkdir(exist_ok=True)
    for number, seed in enumerate(seeds(asked.name)):
        (directory / "seeds" / f"{number:03}").write_bytes(seed)
    words = directory / "words"
    words.write_text(dictionary(asked.name))
    options = [
        f"-dict={words}",
        f"-artifact_prefix={directory}/failed-",
        f"-max_total_time={asked.seconds}",
        "-max_len=4096",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    given = [sys.argv[0], *options, str(directory / "found"), str(directory / "seeds")]
    atheris.Setup(given, CHECKS[asked.name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
