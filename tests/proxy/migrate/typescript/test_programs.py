"""Programs for Node are rewritten to what is written beside them; the SDK matrix runs both."""

from pathlib import Path

import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.typescript import examine_javascript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
PROGRAMS = Path(__file__).parent / "programs"
BEFORE = sorted(PROGRAMS.glob("*/before.*"))


@pytest.mark.parametrize("before", BEFORE, ids=lambda path: path.parent.name)
def test_a_program_becomes_what_is_written_beside_it(before: Path):
    text = before.read_text()
    after = before.with_stem("after").read_text()

    examined = examine_javascript(text, TARGET)

    assert apply_edits(text, examined.edits) == after
    assert Verdict.BY_HAND not in {finding.verdict for finding in examined.findings}
    assert examine_javascript(after, TARGET).edits == ()
