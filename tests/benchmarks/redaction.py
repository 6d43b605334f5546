"""How long redaction takes, by megabyte, of prose and of texts that are hostile to it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Final

from proxy.security.redaction import Redactor
from proxy.security.sensitive import KINDS
from tests.proxy.security.sensitive.hostile import COMMON, filled, hostile_to

PROSE: Final = """
The model that answered is in a header, and what was changed is in another: nobody has to guess.
However, a well-known (mostly harmless) number such as 1984, 12 or 3.5 percent stays what it is.
What do you think of it, then? In the morning they went down to the water, as people do.
"""


def texts(size: int) -> Iterator[tuple[str, str]]:
    yield "prose", filled(PROSE, size)
    parts = dict.fromkeys((*COMMON, *(part for kind in KINDS for part in hostile_to(kind))))
    yield from ((ascii(part[:40]), filled(part, size)) for part in parts)


def main() -> None:
    asked = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.redaction", description=__doc__
    )
    asked.add_argument("--kilobytes", type=int, default=100, help="of each text; default 100")
    asked.add_argument("--most", type=int, default=20, help="how many of the slowest are printed")
    given = asked.parse_args()
    redactor, found = Redactor(), []
    for name, text in texts(given.kilobytes * 1000):
        started = time.process_time()
        redactor.text(text)
        found.append(((time.process_time() - started) * 1e6 / len(text), name))
    print(f"{found[0][0]:8.3f} s/MB  prose\n{len(found) - 1} hostile texts, the slowest first")
    for seconds, name in sorted(found[1:], reverse=True)[: given.most]:
        print(f"{seconds:8.3f} s/MB  {name}")


if __name__ == "__main__":
    main()
