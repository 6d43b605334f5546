"""Programs run by their old SDKs through Holdover, and rewritten ones by the newest SDK."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.harness import scripted_proxy
from tests.clients.sdks import (
    KEY,
    LANGCHAIN_JS_0_0_92,
    LANGCHAIN_JS_0_1_37,
    NEWEST_LANGCHAIN_JS,
    NEWEST_NODE,
    NEWEST_PYTHON,
    NODE_0_4_4,
    NODE_0_20_9,
    PYTHON_0_2_10,
    PYTHON_0_18_1,
    Client,
)
from tests.proxy.migrate.programs_under_test import PROGRAMS, names
from tests.waiting import PATIENCE_SECONDS

NODE_PROGRAMS: Final = PROGRAMS.parent / "typescript" / "programs"


def old_client_of(name: str) -> Client:
    return PYTHON_0_2_10 if "old_client" in name else PYTHON_0_18_1


def run(client: Client, program: Path, url: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(client.environment.folder),
        "ANTHROPIC_API_KEY": KEY,
        "NO_KEY": KEY,
        "BASE_URL": url,
    }
    done = subprocess.run(
        client.environment.command(program),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bodies(received: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["body"] for each in received]


def run_beside_packages(client: Client, program: Path, url: str) -> str:
    """Run a program where an ES module finds the packages of its SDK."""
    copy = client.environment.folder / f"{program.parent.name}-{os.getpid()}{program.suffix}"
    copy.write_text(program.read_text())
    try:
        return run(client, copy, url)
    finally:
        copy.unlink()


def run_and_ask(client: Client, program: Path, *, is_new: bool) -> tuple[str, list[dict[str, Any]]]:
    """Return what a program prints, and what upstream is asked for it: through Holdover if old."""
    with scripted_proxy() as proxy:
        printed = run_beside_packages(client, program, proxy.upstream_url if is_new else proxy.url)
        return printed, bodies(proxy.received())


PAIRS: Final = [pytest.param(name, old_client_of(name), id=name) for name in names()]


@pytest.mark.parametrize("newest", [NEWEST_PYTHON], ids=["newest"])
@pytest.mark.parametrize(("name", "client"), PAIRS)
def test_a_rewritten_program_asks_what_holdover_asks_for_the_old_one_and_prints_the_same(
    name: str, client: Client, newest: Client
):
    with scripted_proxy() as proxy:
        old = run(client, PROGRAMS / name / "before.py", proxy.url)
        asked_by_holdover = bodies(proxy.received())
    with scripted_proxy() as proxy:
        # What posts by itself needs no SDK, but the library that the old SDK has brought.
        runner = client if "post" in name else newest
        new = run(runner, PROGRAMS / name / "after.py", proxy.upstream_url)
        asked = bodies(proxy.received())

    assert asked == asked_by_holdover
    assert new == old


NODE_PAIRS: Final = [
    pytest.param(before, NODE_0_4_4 if "old_client" in name else NODE_0_20_9, id=name)
    for before in sorted(NODE_PROGRAMS.glob("*/before.*"))
    if "langchain" not in (name := before.parent.name)
]


@pytest.mark.parametrize("newest", [NEWEST_NODE], ids=["newest"])
@pytest.mark.parametrize(("before", "client"), NODE_PAIRS)
def test_a_rewritten_program_for_node_asks_and_prints_what_the_old_one_did(
    before: Path, client: Client, newest: Client
):
    old, asked_by_holdover = run_and_ask(client, before, is_new=False)
    new, asked = run_and_ask(newest, before.with_stem("after"), is_new=True)

    assert asked
    assert asked == asked_by_holdover
    assert new == old
    assert old.strip()


LANGCHAIN_PAIRS: Final = [
    pytest.param(before, LANGCHAIN_JS_0_0_92 if "early" in name else LANGCHAIN_JS_0_1_37, id=name)
    for before in sorted(NODE_PROGRAMS.glob("*langchain*/before.*"))
    if (name := before.parent.name)
]


@pytest.mark.parametrize("newest", [NEWEST_LANGCHAIN_JS], ids=["newest"])
@pytest.mark.parametrize(("before", "client"), LANGCHAIN_PAIRS)
def test_a_rewritten_program_with_langchain_asks_and_prints_what_the_old_one_did(
    before: Path, client: Client, newest: Client
):
    old, asked_by_holdover = run_and_ask(client, before, is_new=False)
    new, asked = run_and_ask(newest, before.with_stem("after"), is_new=True)

    assert asked
    # LangChain says of each answer whether it is a stream, and put a space before instructions.
    assert [
        {name: value for name, value in body.items() if (name, value) != ("stream", False)}
        for body in asked
    ] == [
        body | ({"system": body["system"].removeprefix(" ")} if "system" in body else {})
        for body in asked_by_holdover
    ]
    assert new == old
    assert old.strip()
