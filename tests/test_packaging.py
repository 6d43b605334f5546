"""What a release consists of: version, changelog, types, and the checks before it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def test_the_version_is_that_of_pyproject_and_has_its_part_of_the_changelog():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert version("holdover") == declared
    releases = re.findall(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", read("CHANGELOG.md"), re.MULTILINE)
    assert releases[0] == declared


def test_a_commit_that_has_a_tag_has_it_as_its_version():
    tags = subprocess.run(
        ["git", "tag", "--points-at", "HEAD", "v*"],  # noqa: S607 - wherever git is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,  # an sdist has no history
    )

    assert set(tags.stdout.split()) <= {f"v{version('holdover')}"}


def test_all_packages_say_that_they_are_typed():
    packages = ("proxy", "translators", "deploy/wheel/holdover")

    assert [(ROOT / name / "py.typed").is_file() for name in packages] == [True] * 3


def test_the_demo_installs_no_tools_of_developers():
    groups = tomllib.loads(read("pyproject.toml"))["dependency-groups"]
    tools = re.compile(r"mypy|pyright|ruff|zizmor|check-jsonschema")

    assert not [each for each in groups["dev"] if tools.match(each)]
    assert "default-groups" not in read("pyproject.toml")  # `dev` is the only one


def test_every_fragment_has_a_type_that_the_changelog_knows():
    types = tomllib.loads(read("pyproject.toml"))["tool"]["towncrier"]["type"]
    known = "|".join(each["directory"] for each in types)
    names = [path.name for path in (ROOT / ".changes").iterdir() if path.name != "README.md"]

    assert [name for name in names if not re.fullmatch(rf"\d+\.({known})(\.\d+)?\.md", name)] == []


def test_a_commit_is_checked_for_what_ci_checks_without_running_the_product():
    checks = read(".ci/run").partition("\nchecks() {")[2].partition("\n}")[0]
    wanted = set(re.findall(r"^ +(uv run .*)$", checks, re.MULTILINE))
    hooks = re.findall(r"^ +entry: (.*)$", read(".pre-commit-config.yaml"), re.MULTILINE)

    assert len(wanted) > 3
    assert wanted == set(hooks)


def test_workflows_use_actions_by_the_full_hash_of_a_commit():
    workflows = (ROOT / ".github" / "workflows").glob("*.yml")
    uses = re.findall(r"uses: (\S+)", "".join(path.read_text() for path in workflows))

    assert uses
    assert [each for each in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []


def test_pinned_packages_name_no_host_they_come_from():
    assert not re.search(r"://|--(extra-)?index|--find-links", read("deploy/constraints.txt"))


def read(name: str) -> str:
    return (ROOT / name).read_text()
