"""Edits count only together, whatever the language."""

from __future__ import annotations

import pytest

from proxy.migrate import Edit, Finding, Verdict, apply_edits
from proxy.migrate.outcomes import fitting

TEXT = "show(1);\r\n"
FOUND = [
    Finding(line=1, shape="a call", verdict=verdict, reasons=("as it was",))
    for verdict in (Verdict.REWRITTEN, Verdict.BY_HAND)
]


@pytest.mark.parametrize(
    ("edits", "parses"),
    [([Edit(0, 3, "x"), Edit(1, 4, "y")], True), ([Edit(0, 0, "const = ")], False)],
    ids=["meet", "no code"],
)
def test_changes_that_do_not_fit_together_are_left_to_a_person(edits: list[Edit], parses: bool):
    examined = fitting(TEXT, "\r\n", FOUND, edits, parses=lambda _: parses)

    assert examined.edits == ()
    assert [each.verdict for each in examined.findings] == [Verdict.BY_HAND] * 2
    assert ["fit together" in each.reasons[0] for each in examined.findings] == [True, False]


def test_changes_that_fit_have_the_line_ends_of_the_file():
    seen: list[str] = []

    def parses(new: str) -> bool:
        seen.append(new)
        return True

    examined = fitting(TEXT, "\r\n", FOUND, [Edit(0, 0, "a;\nb;\r\n")], parses=parses)

    assert list(examined.findings) == FOUND
    assert [apply_edits(TEXT, examined.edits)] == seen == ["a;\r\nb;\r\nshow(1);\r\n"]
