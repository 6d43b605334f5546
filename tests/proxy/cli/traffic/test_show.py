import json
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec.structs import replace

from proxy.cli.traffic.log import run_log
from proxy.cli.traffic.show import run_show
from proxy.traffic import Body, compress
from proxy.traffic.content import Content
from tests.proxy.cli.harness import settings_with
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import kept, moment

ASKED = {"prompt": "\n\nHuman: Hello\n\nAssistant:", "model": "claude-2"}
SENT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
SAID = {"content": [{"type": "text", "text": "Hi. More"}], "stop_reason": "end_turn"}
BACK = {"completion": " Hi.", "stop_reason": "stop_sequence"}
ANSWERS = {"shadow_back": " Hi!", "control_back": " Hi."}
TIMING = [[1.0, "message_start", 0], [5.0, "content_block_delta", 3]]


def exchange(name: str, *bodies: Body, **fields: Any) -> list[Any]:
    content = Content(id=name, received=moment(1), bodies=bodies)
    return [record(id=name, received=moment(1), **fields), content]


def whole(name: str) -> list[Any]:
    timing = compress(json.dumps(TIMING).encode())
    return exchange(
        name,
        kept("legacy_in", ASKED),
        kept("messages_out", SENT),
        replace(kept("messages_back", SAID), timing=timing),
        kept("legacy_back", BACK),
        request_id=f"of_upstream_{name}",
    )


def show(config: Path, name: str, *, as_json: bool = False) -> None:
    run_show(config, None, demo=False, name=name, as_json=as_json)


def exit_code(config: Path, name: str) -> int:
    with pytest.raises(typer.Exit) as exit_:
        show(config, name)
    return exit_.value.exit_code


@pytest.fixture
def wide(monkeypatch):
    """What says that it is a terminal with room for two bodies."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def test_all_of_it_is_one_object(tmp_path: Path, capsys):
    shadow = shadow_record(id="req_a")
    config = settings_with(tmp_path, [*whole("req_a"), shadow])

    show(config, "req_a", as_json=True)

    [line] = capsys.readouterr().out.splitlines()
    shown = json.loads(line)
    assert shown["record"]["request_id"] == "of_upstream_req_a"
    assert shown["shadows"] == [
        {
            "id": "req_a",
            "ended": shadow.ended,
            "leg": "shadow",
            "rule": "risky",
            "failure": None,
            "comparison": {"equal": True, "similarity": 1.0},
        }
    ]
    assert list(shown["bodies"]) == ["legacy_in", "messages_out", "messages_back", "legacy_back"]
    assert shown["bodies"]["messages_back"] == {
        "size": len(json.dumps(SAID)),
        "digest": "00",
        "content": SAID,
        "timing": TIMING,
    }
    assert shown["bodies"]["legacy_in"]["timing"] is None


def test_a_page_has_the_record_its_shadows_and_what_was_said(tmp_path: Path, capsys):
    show(settings_with(tmp_path, [*whole("req_a"), shadow_record(id="req_a")]), "req_a")

    page = capsys.readouterr().out
    places = [
        page.index(shown)
        for shown in (
            "exchange\n  id          req_a\n",
            "answered\n  status  ",
            "shadow\n  rule  ",
            f"legacy in, {len(json.dumps(ASKED))} bytes on the wire\n{{\n",
            '  "prompt": "[-\\n\n     \\n\n     Human: -]Hello[-\\n\n',
            "Messages out, ",
            '"content": "Hello"',
            "Messages back, ",
            "a stream of 2 events, 1 with text: the first after 5.0 ms\n",
            '"text": "Hi.[- More-]"',
            "legacy back, ",
            '"completion": "{+ +}Hi."',
        )
    ]
    assert places == sorted(places)


def test_answers_of_shadows_stand_beside_the_clients(tmp_path: Path, capsys):
    said = [kept(part, {"completion": text}) for part, text in ANSWERS.items()]
    content = Content(id="req_a", received=moment(1), bodies=tuple(said))
    shadows = [shadow_record(id="req_a", leg=leg) for leg in ("shadow", "control")]
    config = settings_with(tmp_path, [*whole("req_a"), content, *shadows])

    show(config, "req_a")
    page = capsys.readouterr().out
    show(config, "req_a", as_json=True)

    _, beside_shadow, beside_control = page.split("legacy back, ")[1:]
    assert '"completion": " Hi[-.-]"' in beside_shadow
    assert "shadow back, 22 bytes\n" in beside_shadow
    assert '"completion": " Hi{+!+}"' in beside_shadow
    assert "control back, " in beside_control
    assert "Its text is not kept" not in page
    shown = json.loads(capsys.readouterr().out)["bodies"]
    assert {part: shown[part]["content"]["completion"] for part in ANSWERS} == ANSWERS


def test_of_a_shadow_whose_text_is_missing_it_says_how_to_keep_those_to_come(
    tmp_path: Path, capsys
):
    digest = replace(kept("control_back", {"completion": ""}), data=None)
    content = Content(id="req_a", received=moment(1), bodies=(digest,))
    failed = shadow_record(id="req_a", leg="of tomorrow", failure="x", comparison=None)
    shadows = [shadow_record(id="req_a", leg=leg) for leg in ("shadow", "control")]
    show(settings_with(tmp_path, [*whole("req_a"), content, failed, *shadows]), "req_a")

    page = capsys.readouterr().out
    missing = 'Its text is not kept; those to come are, where `capture = "full"`.'
    assert page.count(missing) == 1
    assert missing in page[page.index("\nshadow\n") :]
    assert page.count("legacy back, ") == 1
    assert "control back, 18 bytes\nDigest 00;" in page


@pytest.mark.usefixtures("wide")
def test_two_bodies_stand_side_by_side_where_there_is_room(tmp_path: Path, capsys):
    show(settings_with(tmp_path, whole("req_a")), "req_a")

    lines = capsys.readouterr().out.splitlines()
    [titles] = [line for line in lines if "legacy in, " in line]
    assert titles.index("Messages out, ") > titles.index("legacy in, ") + 55
    assert any('"text": "Hi.\x1b[7;31m More\x1b[0m"' in line for line in lines)
    assert any('"completion": "\x1b[7;32m \x1b[0mHi."' in line for line in lines)


@pytest.mark.usefixtures("wide")
def test_two_bodies_stand_one_under_the_other_where_there_is_not(
    tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "119")
    show(settings_with(tmp_path, whole("req_a")), "req_a")

    page = capsys.readouterr().out
    assert not [line for line in page.splitlines() if "legacy in" in line and "Messages" in line]
    assert page.index("legacy in") < page.index("Messages out")


@pytest.mark.usefixtures("wide")
def test_a_body_that_is_alone_has_all_the_room(tmp_path: Path, capsys):
    config = settings_with(tmp_path, exchange("req_a", kept("messages_back", b"<html>[red]\x1b")))
    show(config, "req_a")

    assert '"<html>[red]\\u001b"' in capsys.readouterr().out.splitlines()


def test_it_says_that_texts_are_too_long_to_mark_what_differs(tmp_path: Path, capsys):
    long = kept("legacy_in", {"prompt": "a " * 10_001})
    both = exchange("req_both", long, kept("messages_out", SENT))
    config = settings_with(tmp_path, [*both, *exchange("req_one", long), *whole("req_short")])
    notes = []
    for name in ("req_both", "req_one", "req_short"):
        show(config, name)
        notes.append("These texts are too long to mark what differs" in capsys.readouterr().out)

    assert notes == [True, False, False]


def test_it_says_why_there_are_no_contents(tmp_path: Path, capsys):
    bare = exchange("req_bare")
    digest = exchange("req_digest", replace(kept("legacy_in", ASKED), data=None))
    config = settings_with(tmp_path, [*bare, *digest])

    show(config, "req_bare")
    none = capsys.readouterr().out
    show(config, "req_digest")
    only_digest = capsys.readouterr().out

    assert "contents\n  None are kept: `capture` was `off`, or they have been deleted" in none
    assert "Digest 00; with `capture` at `digest`, nothing more is kept." in only_digest
    assert "None are kept" not in only_digest


def test_an_id_of_upstream_or_how_one_begins_will_do(tmp_path: Path, capsys):
    config = settings_with(tmp_path, [*whole("req_ab"), *whole("req_cd")])

    for name in ("req_ab", "of_upstream_req_ab", "req_a", "of_upstream_req_a", "ab", "a"):
        show(config, name)

        assert "  id          req_ab\n" in capsys.readouterr().out


def test_the_id_in_a_log_of_eighty_columns_will_do(tmp_path: Path, capsys, monkeypatch):
    name = "req_0b9f4c21d8e7a65b43f20c19"
    config = settings_with(tmp_path, whole(name))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    run_log(config, None, {}, demo=False, limit=1, follow=False, as_json=False)
    [*_, line] = capsys.readouterr().out.splitlines()
    monkeypatch.delenv("FORCE_COLOR")

    show(config, line.split()[1])

    assert f"  id          {name}\n" in capsys.readouterr().out


def test_several_are_listed_and_none_is_said(tmp_path: Path, capsys):
    many = [record(id=f"req_{n:04}", asked_model="\x1b", status=None) for n in range(30)]
    config = settings_with(tmp_path, [*many, record(id="one_a"), record(id="one_b")])

    assert exit_code(config, "one_") == 2
    listed = capsys.readouterr()
    assert listed.out.splitlines() == [
        f"one_{n}  2026-11-23T09:00:00.000+00:00  claude-2.1  200" for n in "ab"
    ]
    assert listed.err == "holdover: 2 exchanges have an id that begins like this; give more of it\n"

    assert exit_code(config, "req") == 2
    listed = capsys.readouterr()
    assert listed.out.startswith("req_0000  2026-11-23T09:00:00.000+00:00  \\u001b  -\n")
    assert (
        listed.err
        == "holdover: 20 or more exchanges have an id that begins like this; give more of it\n"
    )

    assert exit_code(config, "nothing\x1b\udcff") == 1
    assert capsys.readouterr().err == "holdover: there is no exchange with the id nothing\\u001b?\n"
