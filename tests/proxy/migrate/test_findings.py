import pytest

from proxy.migrate import Edit, apply_edits
from proxy.migrate.findings import OverlappingEdits


def test_edits_are_made_in_the_order_of_the_text_and_once():
    edits = [Edit(4, 5, "E"), Edit(0, 1, "A"), Edit(0, 1, "A"), Edit(2, 2, "-")]

    assert apply_edits("abcdef", edits) == "Ab-cdEf"


def test_edits_that_meet_are_a_mistake():
    with pytest.raises(OverlappingEdits, match="at character 1"):
        apply_edits("abc", [Edit(0, 2, "x"), Edit(1, 3, "y")])
