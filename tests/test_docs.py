"""The documentation says what holds: tables, links, commands, settings and names."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

import typer
from typer.core import TyperGroup

from proxy.cli.serving_commands import app
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.exchange.shadow import Skipped
from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.traffic import TrafficRecord
from tests import docs

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for folder in (".", ".changes", ".github", ".github/decisions", "deploy")
    for path in sorted((ROOT / folder).glob("*.md"))
}
"""Texts by the path that they have in the repository."""
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS: Final = re.compile(
    r"(?<![\w/.-])((?:proxy|translators|tests|deploy|\.github|\.ci)/[\w./-]*\w/?)"
)
MAX_LINES_OF_README: Final = 160


def blocks(page: str, language: str) -> list[str]:
    return [text for name, text in FENCE.findall(page) if name == language]


def anchors(page: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


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


def section(path: str, heading: str) -> str:
    level = heading.partition(" ")[0]
    return PAGES[path].partition(f"\n{heading}\n")[2].partition(f"\n{level} ")[0]


def test_tables_of_a_page_are_what_the_code_says():
    old = [name for name, page in PAGES.items() if docs.filled_in(page) != page]

    assert old == [], "run `python -m tests.docs`"


def test_every_table_stands_in_a_page():
    text = "".join(PAGES.values())

    assert [name for name in docs.tables() if f"<!-- table {name} -->" not in text] == []


def test_links_lead_somewhere():
    broken = []
    for name, page in PAGES.items():
        for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", FENCE.sub("", page)):
            path, _, anchor = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
                broken.append(f"{name}: {target}")

    assert broken == []


def test_files_that_are_named_are_there():
    named = {
        file
        for name, page in PAGES.items()
        if name != "CHANGELOG.md"
        for file in OURS.findall(page)
    }

    assert [file for file in sorted(named) if not (ROOT / file).exists()] == []


def test_settings_that_are_shown_are_good():
    examples = [example for page in PAGES.values() for example in blocks(page, "toml")]

    assert examples
    for example in examples:
        context = "" if "legacy_url" in example else 'legacy_url = "http://127.0.0.1:9001"\n'
        settings = load_settings(TomlSource(Path("example.toml"), context + example))
        assert settings.model_fields_set


def test_commands_that_are_shown_are_those_of_holdover():
    shown = [block for page in PAGES.values() for block in blocks(page, "sh")]
    commands = [words for block in shown for words in commands_in(block)]

    assert commands
    holdover = typer.main.get_command(app)
    for words in commands:
        command = holdover
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        # Raises `UsageError` for an option, a value or a number of arguments that is wrong.
        command.make_context(command.name, words)


def test_modules_that_are_run_are_there():
    named = {
        module for page in PAGES.values() for module in re.findall(r"python -m ([\w.]+)", page)
    }

    assert [module for module in sorted(named) if find_spec(module) is None] == []


def test_the_map_has_every_room_of_the_house():
    page = PAGES[".github/CONTRIBUTING.md"]
    rooms = [
        f"{path.parent.name}/" if path.name == "__init__.py" else path.name
        for package in ("proxy", "translators")
        for pattern in ("*/__init__.py", "[a-z]*.py")
        for path in sorted((ROOT / package).glob(pattern))
    ]

    assert [room for room in rooms if f"`{room}`" not in page] == []


def test_decisions_are_numbered_and_listed():
    names = [Path(name).name for name in PAGES if name.startswith(".github/decisions/")]

    assert [int(name.partition("-")[0]) for name in names] == [*range(1, len(names) + 1)]
    assert re.findall(r"\(decisions/(.*?)\)", PAGES[".github/CONTRIBUTING.md"]) == names


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= MAX_LINES_OF_README


def test_every_event_of_the_log_is_explained():
    said = re.compile(r"\blog\.(?:info|warning|error)\(\s*\"(\w+)\"")
    events = {
        event for path in ROOT.glob("proxy/**/*.py") for event in said.findall(path.read_text())
    }
    explained = section("deploy/README.md", "### Log lines")

    assert "exchange" in events
    assert sorted(event for event in events if f"`{event}`" not in explained) == []


def test_every_field_of_a_record_is_explained():
    explained = section("deploy/TRAFFIC.md", "### A record")

    assert [name for name in TrafficRecord.__struct_fields__ if f"`{name}`" not in explained] == []


def test_every_reason_to_skip_a_shadow_is_explained():
    page = PAGES["deploy/MIGRATING.md"]

    assert [reason for reason in get_args(Skipped) if f"| `{reason}` |" not in page] == []


def test_failures_to_rehearse_are_those_of_the_simulator():
    named = re.findall(r"\bsimulate-([a-z-]+):", PAGES["deploy/MIGRATING.md"])

    assert named
    assert {name.replace("-", "_") for name in named} <= set(SimulateOptions.__dataclass_fields__)
