"""How people write long numbers."""

from typing import Final

SPACE: Final = r" \u00a0\u2007\u2009\u202f"
DASH: Final = r"\-\u2010-\u2013"
"""Parts of a character set."""
