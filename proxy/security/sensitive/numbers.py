"""Characters that people write between the digits of long numbers."""

from typing import Final

SPACE: Final = r" \u00a0\u2007\u2009\u202f"
DASH: Final = r"\-\u2010-\u2013"
"""Both constants are parts of a character set in a regular expression."""
