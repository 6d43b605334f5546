"""Text that a terminal would act on, and how to see whether it got there."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

INJECTED: Final = "INJECTED"
"""Stands at the beginning of a line if somebody else's text can begin one."""

_LAST: Final = 0xFFFF
"""Of the characters beyond, which are a million, none is the first of its category."""
_ONE_OF_EACH: Final = {
    unicodedata.category(character): character
    for character in map(chr, range(_LAST, -1, -1))
    if not character.isprintable()
}
"""The first of each category that Unicode does not call printable, but for surrogates."""
_ONE_OF_EACH.pop("Cs")

TEXT: Final = (
    "\x1b[2J\x1b[5mblink\x1b]0;title\x07\x9b31m\x9d0;title\x9c\x7f\b\t\x00[red]red[/red][link=http://x]"
    "\u200b\u200d\u2028\u2029\u202e\u2066\u2069\u061c\ufeff\x85\v\f\r"
    f"{''.join(_ONE_OF_EACH.values())}\n{INJECTED}\r\n{INJECTED}"
)
WORD: Final = re.sub(r"""[\s='"]""", "", TEXT)
"""Without what would make somebody put it in quotes."""
_OURS: Final = re.compile(r"\x1b\[(?!5m)[0-9;]*m|\r?\x1b\[(?:2K|1A|\?25[lh])")
"""What styles and bars of our own take; the hostile text has other sequences."""


def obeyed(shown: str) -> list[str]:
    """What a terminal would have acted on: nothing, if all is well."""
    lines = _OURS.sub("", shown).replace("\r\n", "\n").split("\n")
    acted_on = {character for line in lines for character in line if not character.isprintable()}
    # Texts on a page of ours have lines, too, but well inside of it.
    begun = {line for line in lines if re.match(rf"[^\w\s]*\s?{INJECTED}", line)}
    return sorted(map(ascii, acted_on | begun))
