"""The documentation says what holds: tables, links, commands, settings and names."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

import pytest
import typer
from typer.core import TyperGroup

from proxy.cli.serving_commands import app
from proxy.config.settings import load_settings
from proxy.config.toml_source import TomlSource
from proxy.exchange.shadow import Skipped
from proxy.simulator.fault_headers import Misbehaviour
from proxy.traffic import TrafficRecord
from tests import docs

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted(
    path
    for folder in (".", ".changes", ".github", ".github/decisions", "deploy")
    for path in (ROOT / folder).glob("*.md")
)
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS: Final = re.compile(
    r"(?<![\w/.-])((?:proxy|translators|tests|deploy|\.github|\.ci)/[\w./-]*\w/?)"
)
MOST_LINES_OF_README: Final = 160

EVERY_PAGE: Final = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in FENCE.findall(page.read_text()) if name == language]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: page.name)
def test_tables_of_a_page_are_what_the_code_says(page):
    assert docs.filled_in(page.read_text()) == page.read_text(), "run `python -m tests.docs`"


def test_every_table_stands_in_a_page():
    text = "".join(page.read_text() for page in docs.pages())

    assert [name for name in docs.tables() if f"<!-- table {name} -->" not in text] == []


@EVERY_PAGE
def test_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?://)([^)\s]+)\)", FENCE.sub("", page.read_text()))
    broken = []
    for target in targets:
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)

    assert broken == []


@EVERY_PAGE
def test_files_that_a_page_names_are_there(page):
    names = {name for name in OURS.findall(page.read_text()) if page.name != "CHANGELOG.md"}

    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []


@EVERY_PAGE
def test_settings_that_a_page_shows_are_good(page):
    for example in blocks(page, "toml"):
        context = "" if "legacy_url" in example else 'legacy_url = "http://127.0.0.1:9001"\n'
        settings = load_settings(TomlSource(Path("example.toml"), context + example))

        assert settings.model_fields_set


@EVERY_PAGE
def test_commands_that_a_page_shows_are_those_of_holdover(page):
    for block in blocks(page, "sh"):
        for words in commands_in(block):
            command = typer.main.get_command(app)
            while isinstance(command, TyperGroup):
                command = command.commands[words.pop(0)]
            # Raises `UsageError` for an option, a value or a number of arguments that is wrong.
            command.make_context(command.name, words)


@EVERY_PAGE
def test_modules_that_a_page_runs_are_there(page):
    names = set(re.findall(r"python -m ([\w.]+)", page.read_text()))

    assert [name for name in names if find_spec(name) is None] == []


def commands_in(block: str) -> list[list[str]]:
    """The arguments of each `holdover` in some lines for a shell."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for is_command, words in groupby(lexer, key=lambda word: not set(word) <= set(";&|()<>")):
            command = [word for word in words if is_command and word not in {"uv", "run", "do"}]
            if command and Path(command[0]).name == "holdover":
                found.append(command[1:])
    return found


@pytest.mark.parametrize("package", ["proxy", "translators"])
def test_the_map_has_every_room_of_the_house(package):
    page = (ROOT / ".github/CONTRIBUTING.md").read_text()
    rooms = [path.parent.name + "/" for path in (ROOT / package).glob("*/__init__.py")]
    rooms += [path.name for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]

    assert [room for room in sorted(rooms) if f"`{room}`" not in page] == []


def test_decisions_are_numbered_and_listed():
    names = sorted(path.name for path in (ROOT / ".github/decisions").glob("*.md"))
    page = (ROOT / ".github/CONTRIBUTING.md").read_text()

    assert [int(name.partition("-")[0]) for name in names] == [*range(1, len(names) + 1)]
    assert re.findall(r"\(decisions/(.*?)\)", page) == names


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES_OF_README


def test_every_event_of_the_log_is_explained():
    page = (ROOT / "deploy/README.md").read_text()
    sources = [path.read_text() for path in (ROOT / "proxy").rglob("*.py")]
    events = {
        event
        for text in sources
        for event in re.findall(r"\blog\.(?:info|warning|error)\(\s*\"(\w+)\"", text)
    }

    assert "exchange" in events
    assert sorted(event for event in events if f"`{event}`" not in page) == []


def test_every_field_of_a_record_is_explained():
    page = (ROOT / "deploy/TRAFFIC.md").read_text()
    section = page.partition("### A record")[2].partition("\n### ")[0]

    assert [name for name in TrafficRecord.__struct_fields__ if f"`{name}`" not in section] == []


def test_every_reason_to_skip_a_shadow_is_explained():
    page = (ROOT / "deploy/MIGRATING.md").read_text()

    assert [reason for reason in get_args(Skipped) if f"| `{reason}` |" not in page] == []


def test_failures_to_rehearse_are_those_of_the_simulator():
    named = re.findall(r"\bsimulate-([a-z-]+):", (ROOT / "deploy/MIGRATING.md").read_text())

    assert named
    assert {name.replace("-", "_") for name in named} <= set(Misbehaviour.__dataclass_fields__)
