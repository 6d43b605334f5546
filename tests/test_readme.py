from pathlib import Path

from translators import AdjustmentKind

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_adjustment_is_in_the_readme_and_no_other():
    section = README.partition("## Every adjustment")[2].partition("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]

    assert sorted(rows) == sorted(kind.value for kind in AdjustmentKind)
