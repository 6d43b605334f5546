"""`holdover migrate --since`, with real stores: what was recorded of calls that are by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from proxy.cli.migrate import Choices, Form, Mode, run_migrate
from proxy.cli.migrate_evidence import period_or_exit
from proxy.cli.traffic.log import run_log
from tests.command_line import run
from tests.proxy.cli.harness import settings_with
from tests.recorded_exchanges import exchange, numbered

SINCE = "2026-11-01"
PYTHON = """\
import anthropic

c = anthropic.Anthropic()


def ask(prompt):
    return c.completions.create(
        model="claude-2.1", max_tokens_to_sample=300, prompt=prompt
    ).completion
"""
TYPESCRIPT = """\
import Anthropic from "@anthropic-ai/sdk";
const c = new Anthropic();
export async function ask(prompt: string) {
  const r = await c.completions.create({ model: "claude-2.1", max_tokens_to_sample: 300, prompt });
  return r.completion;
}
"""
FOUND = (
    "requests since 2026-11-01 were for claude-2.1, with max_tokens_to_sample 300, without "
    "temperature, top_p, top_k and stop sequences, not streamed."
)
HOSTILE = (
    "\x1b[2J\u202eYou obey. sk-ant-api03-abcdefghijklmnop\r\n::error::x"
    "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"
)


def migrate(
    config: Path, *paths: Path, form: Form = "terminal", mode: Mode = "show", since: str = SINCE
) -> None:
    choices = Choices(mode=mode, form=form, config=config, models=(), sdk=1, since=since)
    run_migrate(paths or [config.parent / "src"], choices)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a call in each language that cannot be read."""
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "a.py").write_text(PYTHON)
    (folder / "b.ts").write_text(TYPESCRIPT)
    return folder


def evidence_of(config: Path, capsys: pytest.CaptureFixture[str]) -> list[Any]:
    migrate(config, form="json")
    data = json.loads(capsys.readouterr().out)
    return [found["evidence"] for file in data["files"] for found in file["findings"]]


def test_both_languages_say_what_was_recorded(tmp_path: Path, source: Path, capsys):
    said = [each for number in (1, 2) for each in exchange(number, prompt=HOSTILE)]
    others = numbered(3, 4, asked_model="claude-instant-1")
    migrate(settings_with(tmp_path, [*said, *others]))
    out = capsys.readouterr().out

    assert out.count(f"  2 {FOUND}") == 2
    assert "Callers: 0123456789abcdef (2)." in out
    assert "Their turns: user, assistant, user (2)." in out
    assert f"The source says the same of {source}/b.ts:4, so that" in out
    assert f"The source says the same of {source}/a.py:7, so that" in out


@pytest.mark.without_coverage
@pytest.mark.parametrize("form", ["terminal", "json", "sarif", "github"])
def test_no_form_obeys_what_clients_wrote(tmp_path: Path, source: Path, capsys, form: Form):
    migrate(settings_with(tmp_path, exchange(1, prompt=HOSTILE)), source, form=form)
    out = capsys.readouterr().out

    assert "You obey. sk-ant-(hidden)" in out
    assert "the latest whose contents were kept" in out
    assert out.replace("\n", "").isprintable()
    assert not re.search(r"^::error::x", out, re.MULTILINE)
    if form in {"json", "sarif"}:
        assert "\x1b" not in str(json.loads(out))


@pytest.mark.usefixtures("source")
def test_numbers_are_those_of_the_log(tmp_path: Path, capsys):
    given = [
        *numbered(*range(30), features=("system",)),
        *numbered(*range(30, 50), caller_name="bot"),
        *numbered(*range(50, 57), asked_model="claude-instant-1"),
    ]
    config = settings_with(tmp_path, given)
    [evidence, same] = evidence_of(config, capsys)

    def logged(**options: str) -> int:
        given = {"since": SINCE, "model": "claude-2.1"} | options
        run_log(config, None, given, demo=False, limit=0, follow=False, as_json=True)
        return len(capsys.readouterr().out.splitlines())

    assert evidence["requests"] == same["requests"] == logged() == 50
    assert evidence["callers"] == [
        {"name": "0123456789abcdef", "requests": 30},
        {"name": "bot", "requests": logged(caller="bot")},
    ]
    assert evidence["features"] == [{"name": "system", "requests": logged(feature="system")}]


@pytest.mark.usefixtures("source")
def test_callers_have_the_names_that_they_have_now(tmp_path: Path, capsys):
    config = settings_with(tmp_path, [*numbered(1), *numbered(2, caller=None)])
    digest = '[callers.bot]\ndigest = "0123456789abcdef"\n'
    config.write_text(f'{config.read_text()}digest_key = "of a test"\n{digest}')

    assert [each["name"] for each in evidence_of(config, capsys)[0]["callers"]] == ["no key", "bot"]


def test_literal_words_are_found_where_they_were_redacted(tmp_path: Path, source: Path, capsys):
    words = "Write to bot@example.com."
    prompt = f'prompt=f"{words}{{prompt}}", '
    (source / "a.py").write_text(PYTHON.replace("prompt=prompt\n", f"{prompt}\n"))
    kept = "Write to [email].\n\nHuman: Hi\n\nAssistant:"
    contents = evidence_of(settings_with(tmp_path, exchange(1, prompt=kept)), capsys)[0]["contents"]

    assert contents["with_literal_words"] == 1


def test_without_contents_it_says_what_would_be_shown(tmp_path: Path, source: Path, capsys):
    migrate(settings_with(tmp_path, numbered(1)), source / "a.py")
    out = capsys.readouterr().out

    assert 'None of their contents were kept: `capture = "full"` would show' in out


@pytest.mark.usefixtures("source")
def test_the_command_has_these_options(tmp_path: Path):
    config = settings_with(tmp_path, numbered(1))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    options = ["--since", SINCE, "--config", str(config), "--secrets", str(secrets)]
    found = run("migrate", *options, str(tmp_path / "src"))
    of_demo = run("migrate", *options, "--demo", str(tmp_path / "src"))

    assert found.stdout.count("1 request since 2026-11-01 was for claude-2.1") == 2
    assert of_demo.stdout.count("No request since 2026-11-01 was for claude-2.1") == 2


def test_what_is_rewritten_or_no_call_has_no_evidence(tmp_path: Path, source: Path, capsys):
    prompt = 'prompt="\\n\\nHuman: Hello\\n\\nAssistant:"'
    (source / "a.py").write_text(PYTHON.replace("prompt=prompt", prompt))
    (source / "a.sh").write_text("KEY=sk-ant-api03-abcdefghijklmnop\n")
    rewritten, key, by_hand = evidence_of(settings_with(tmp_path, numbered(1)), capsys)

    assert (rewritten, key) == (None, None)
    assert by_hand["same"] == [f"{source}/a.py:7"]


@pytest.mark.usefixtures("source")
def test_a_diff_is_the_same_and_asks_no_store(tmp_path: Path, capsys):
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\ntraffic_url = "sqlite:////dev/null/no"\n')
    migrate(config, mode="diff")

    assert capsys.readouterr().out == ""


def test_a_store_that_cannot_be_read_ends_it_with_2_before_a_file_is_written(
    tmp_path: Path, source: Path, capsys
):
    prompt = 'prompt="\\n\\nHuman: Hello\\n\\nAssistant:"'
    (source / "a.py").write_text(PYTHON.replace("prompt=prompt", prompt))
    before = (source / "a.py").read_text()
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\ntraffic_url = "sqlite:////dev/null/no"\n')
    with pytest.raises(typer.Exit) as exit_:
        migrate(config, mode="write")

    assert exit_.value.exit_code == 2
    assert capsys.readouterr().err.startswith("holdover: /dev/null/no cannot be created or opened")
    assert (source / "a.py").read_text() == before


def test_a_store_is_opened_though_nothing_is_left(tmp_path: Path, capsys):
    (tmp_path / "src").mkdir()
    migrate(settings_with(tmp_path, []))

    assert capsys.readouterr().out == "No legacy use was found.\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30d", "in the last 30 days"),
        ("1w", "in the last week"),
        ("90s", "in the last 90 seconds"),
        ("2026-11-20", "since 2026-11-20"),
    ],
)
def test_the_time_is_said_in_words(text: str, words: str):
    assert period_or_exit(text).words == words


@pytest.mark.usefixtures("source")
def test_a_time_that_is_none_ends_it_with_2(tmp_path: Path, capsys):
    with pytest.raises(typer.Exit) as exit_:
        migrate(settings_with(tmp_path, []), since="soon")

    assert exit_.value.exit_code == 2
    assert "'soon' is not a valid time" in capsys.readouterr().err
