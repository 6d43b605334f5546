import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from proxy.cli.traffic.log import require_bounded_search, run_log
from proxy.time_options import InvalidTime
from proxy.traffic import default_url
from proxy.traffic.store.filter_options import filter_of
from proxy.traffic.store.filters import Filter, InvalidFilter
from tests.proxy.cli.harness import settings_with
from tests.ready_store import open_ready
from tests.record_factory import record
from tests.recorded_exchanges import exchange, moment

NOW = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)


def numbered(*numbers: int, **fields: Any) -> list[Any]:
    return [record(id=f"req_{n:04}", received=moment(n), **fields) for n in numbers]


def log(config: Path, *, limit: int = 50, as_json: bool = True, **words: str) -> None:
    run_log(config, None, words, demo=False, limit=limit, follow=False, as_json=as_json)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_records_come_out_as_they_were_logged(tmp_path: Path, capsys):
    [given] = numbered(1, features=("system",))
    log(settings_with(tmp_path, [given]))

    assert logged(capsys) == [json.loads(json.dumps(given.as_fields()))]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, range(11, 61)),
        ({"limit": 2}, [59, 60]),
        ({"limit": 0}, range(61)),
        ({"rule": "x"}, [60]),
        ({"rule": "x", "limit": 0}, [60]),
        ({"since": "2026-11-23T00:00:58"}, [58, 59, 60]),
        ({"until": "2026-11-22"}, []),
        ({"until": "2026-11-23", "limit": 1}, [60]),
    ],
)
def test_the_last_ones_are_shown_or_all_that_meet_the_filters(
    tmp_path: Path, capsys, options: dict[str, Any], numbers: Iterable[int]
):
    log(settings_with(tmp_path, [*numbered(*range(60)), *numbered(60, rule="x")]), **options)

    assert [each["id"] for each in logged(capsys)] == [f"req_{n:04}" for n in numbers]


def test_exchanges_from_before_a_caller_had_its_name_are_its_own(tmp_path: Path, capsys):
    config = settings_with(tmp_path, [*numbered(1), *numbered(2, caller_name="bot")])
    digest = '[callers.bot]\ndigest = "0123456789abcdef"\n'
    config.write_text(f'{config.read_text()}digest_key = "of a test"\n{digest}')
    log(config, caller="bot")

    assert [each["id"] for each in logged(capsys)] == ["req_0001", "req_0002"]


def test_it_says_that_a_text_can_be_found_in_records_only(tmp_path: Path, capsys):
    bare = numbered(1, rule="bare", user_agent="needle")
    config = settings_with(tmp_path, [*bare, *exchange(2, rule="kept", prompt="a needle")])

    log(config, text="Needle", rule="bare")
    alone = capsys.readouterr()
    log(config, text="Needle")
    both = capsys.readouterr()

    assert "no contents were kept for these exchanges (see the setting `capture`)" in alone.err
    assert "only their records are searched" in alone.err
    assert '"req_0001"' in alone.out
    assert len(both.out.splitlines()) == 2
    assert both.err == ""


@pytest.mark.parametrize("ahead", [None, "1"])
def test_a_table_is_for_people(tmp_path: Path, capsys, monkeypatch, ahead: str | None):
    """On a terminal too, or what says it is one."""
    if ahead:
        monkeypatch.setenv("FORCE_COLOR", ahead)
        monkeypatch.setenv("COLUMNS", "80")
    config = settings_with(tmp_path, numbered(1, asked_model="\x1b[2Jclaude-2"))

    log(config, as_json=False)

    out = capsys.readouterr().out
    assert "\x1b[2J" not in out
    assert "\\u001b[2J" in out
    assert ("2026-11-23 UTC" in out) == bool(ahead)


def test_it_says_that_there_is_nothing_of_the_kind(tmp_path: Path, capsys):
    config = settings_with(tmp_path, numbered(1))

    log(config, rule="x")
    log(config)

    said = capsys.readouterr()
    assert said.err == "holdover: no such exchange is recorded\n"
    assert len(said.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"since": "yesterday"}, "'yesterday' is not a valid time; write 15m, "),
        ({"status": "600"}, "'600' is not a valid status; write 400, "),
        (
            {"adjustment": "trim"},
            "'trim' is not a kind of adjustment; use one of replace_r",
        ),
        ({"feature": "x"}, "'x' is not a feature of the legacy API; use one of system, prefill,"),
        ({"route": "x"}, "'x' is not a route; use one of translate, forward, refuse"),
    ],
)
def test_what_cannot_be_asked_for_is_said(tmp_path: Path, capsys, words, message: str):
    with pytest.raises(typer.Exit) as exit_:
        log(tmp_path / "nowhere.toml", **words)

    assert exit_.value.exit_code == 2
    assert message in capsys.readouterr().err


def test_options_become_a_filter():
    words = {"caller": "nightly", "model": None, "rule": "", "since": "1h", "until": "2026-11-23"}
    now = int(NOW.timestamp() * 1000)

    assert filter_of(words, NOW) == Filter(
        caller="nightly", since=now - 3_600_000, until=now + 15 * 3_600_000
    )
    assert filter_of({"adjustment": "trim_prefill"}, NOW).adjustment == "trim_prefill"
    assert filter_of({"text": "\udcff"}, NOW).text == "?"


def test_what_is_wrong_with_a_filter_has_a_type():
    with pytest.raises(InvalidFilter):
        filter_of({"adjustment": "x"}, NOW)
    with pytest.raises(InvalidTime):
        filter_of({"until": "x"}, NOW)


def test_too_many_bodies_are_searched_only_since_a_time_that_is_given(tmp_path: Path, capsys):
    settings_with(tmp_path, [entry for n in range(3) for entry in exchange(n, prompt="needle")])
    store = open_ready(default_url(tmp_path))
    for allowed in (Filter(), Filter(text="needle", since=0)):
        require_bounded_search(store, allowed, most=2)
    require_bounded_search(store, Filter(text="needle"), most=3)
    with pytest.raises(typer.Exit) as ended:
        require_bounded_search(store, Filter(text="needle"), most=2)
    store.close()

    assert ended.value.exit_code == 2
    assert "more than 2 exchanges" in (said := capsys.readouterr().err)
    assert "--since" in said
    assert "traffic_text_index" in said
