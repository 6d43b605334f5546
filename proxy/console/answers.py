"""Texts of the client's answer and a shadow's side by side, with marks on what differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.comparison.word_diff import DiffPiece, comparing_work, mark_text_differences

LONGEST: Final = 8_000
"""Characters that are shown of a text."""
MOST_WORK: Final = 25_000_000
"""Limit on the work of marking what differs on one page: hostile texts take 0.25 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownText:
    """The text of an answer, in pieces that are marked or not."""

    title: str
    css: str
    """Class of the marks."""
    pieces: list[DiffPiece]
    characters: int
    """Length of the whole text, of which the beginning is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BothAnswers:
    """The texts of two answers, or of the one that was kept."""

    texts: tuple[ShownText, ...]
    missing: str | None
    """Words for the texts that are not kept."""
    work: int
    """Work that marking took."""
    is_too_long: bool
    """True if there are too many words to mark what differs."""

    @property
    def has_marks(self) -> bool:
        """True if anything is marked."""
        return any(piece.is_marked for text in self.texts for piece in text.pieces)


def both_answers(
    client: object, other: object, leg: str = "shadow", *, most_work: int
) -> BothAnswers:
    """Return the texts of the client's answer and of a leg's, as they were stored, or of one."""
    said = (_text_of(client), _text_of(other))
    one, another = ((text or "")[:LONGEST] for text in said)
    work = 0 if None in said else comparing_work(one, another)
    is_too_long = work > most_work
    pieces = [DiffPiece(one)], [DiffPiece(another)]
    if None not in said and not is_too_long:
        pieces = mark_text_differences(one, another)
    titles = (("What the client got", "lacks"), (f"What the {leg} answered", "gains"))
    texts = tuple(
        ShownText(title=title, css=css, pieces=some, characters=len(text))
        for (title, css), some, text in zip(titles, pieces, said, strict=True)
        if text is not None
    )
    return BothAnswers(
        texts=texts,
        missing=_missing(leg, has_client=said[0] is not None, has_other=said[1] is not None),
        work=0 if is_too_long else work,
        is_too_long=is_too_long,
    )


def _text_of(answer: object) -> str | None:
    text = answer.get("completion") if isinstance(answer, dict) else None
    return text if isinstance(text, str) else None


def _missing(leg: str, *, has_client: bool, has_other: bool) -> str | None:
    match has_client, has_other:
        case True, True:
            return None
        case False, False:
            return "Neither text is kept."
        case _:
            return f"The text of the {leg if has_client else 'client'}'s answer is not kept."
