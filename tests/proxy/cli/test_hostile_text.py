"""
Whatever somebody else's text says, no verb lets a terminal act on it.

Each verb that quotes what clients, upstreams, stores and files say is given
hostile text in every field of it, and prints to a pipe and to a terminal.
"""

import io
import json
import os
import pty
import subprocess
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, get_args, get_type_hints

import msgspec
import pytest
import typer

from proxy.cli.serving_commands import app
from proxy.simulator import create_simulator
from proxy.traffic import Content, ShadowRecord, TrafficRecord
from proxy.traffic.record import MadeAdjustment
from proxy.workers.guards import Trip
from proxy.workers.shared_state import TRIPS, SharedState, directory_for
from tests.command_line import HOLDOVER, run_process
from tests.harness import body
from tests.hostile import TEXT, obeyed
from tests.proxy.cli.harness import settings_with
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import kept
from tests.servers import serving

EVERYWHERE = ("--since", "2000-01-01")
MADE = MadeAdjustment(TEXT, TEXT, TEXT, TEXT)  # type: ignore[arg-type] # as it was recorded
ID = "req_000000000000000000000001"

Run = Callable[[TextIO], object]
Shown = Callable[..., str]


def hostile_fields(struct: type[msgspec.Struct], *but: str) -> dict[str, str]:
    """Hostile text for every field that takes text."""
    hints = get_type_hints(struct)
    return {
        name: TEXT
        for name in struct.__struct_fields__
        if name not in but and str in (hints[name], *get_args(hints[name]))
    }


def hostile_exchange() -> list[Any]:
    """All that is recorded as text is hostile, but for when it was and the id to find it by."""
    fields = hostile_fields(TrafficRecord, "id", "received")
    comparison = {"equal": False, "similarity": 0.5, TEXT: TEXT}
    hostile = record(**fields | {"adjustments": (MADE,), "features": (TEXT,)})
    shadow = hostile_fields(ShadowRecord, "id", "ended")
    asked = body(model=TEXT, prompt=f"\n\nHuman: {TEXT}\n\nAssistant:")
    bodies = {
        "legacy_in": asked,
        "messages_out": {TEXT: TEXT, "system": TEXT, "messages": [{"content": TEXT}]},
        "messages_back": TEXT.encode(),
        "legacy_back": {"completion": TEXT, "stop_reason": TEXT},
    }
    said = tuple(kept(part, value) for part, value in bodies.items())
    return [
        hostile,
        shadow_record(**shadow, comparison=comparison),
        Content(id=hostile.id, received=hostile.received, bodies=said),
    ]


@pytest.fixture(params=["pipe", "terminal"])
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """All that a verb prints, to a pipe or to a terminal without end."""
    monkeypatch.setenv("COLUMNS", "100000")
    monkeypatch.setenv("TERM", "xterm")
    through = through_a_terminal if request.param == "terminal" else through_a_pipe

    def shown(*arguments: str, status: int = 0) -> str:
        ended: list[int] = []

        def run(stream: TextIO) -> None:
            with redirect_stdout(stream), redirect_stderr(stream):
                ended.append(status_of(arguments))

        said = through(run)
        assert ended == [status], said
        assert said
        return said

    return shown


def status_of(arguments: tuple[str, ...]) -> int:
    try:
        return app(list(arguments), standalone_mode=False) or 0
    except typer.Exit as exc:
        return exc.exit_code


def through_a_pipe(run: Run) -> str:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="utf-8", newline="")
    run(stream)
    stream.flush()
    return written.getvalue().decode()


def through_a_terminal(run: Run) -> str:
    ours, theirs = pty.openpty()
    pieces: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the end of a terminal is an error
            while piece := os.read(ours, 65_536):
                pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        run(stream)
    reader.join()
    os.close(ours)
    return b"".join(pieces).decode()


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "verb",
    [
        ("log", "-n", "0"),
        ("log", "--format", "json"),
        ("show", ID),
        ("show", ID, "--format", "json"),
        *(
            ("report", *EVERYWHERE, "--format", form)
            for form in ("terminal", "markdown", "json", "html")
        ),
    ],
    ids=" ".join,
)
def test_what_is_in_a_store_is_shown_and_not_obeyed(tmp_path, monkeypatch, shown, verb):
    monkeypatch.chdir(tmp_path)  # a page for a terminal is a file there
    config = settings_with(tmp_path, hostile_exchange())

    assert obeyed(shown(*verb, "--config", str(config))) == []


def test_what_ids_are_like_each_other_is_shown_and_not_obeyed(tmp_path, shown):
    one, other = record(id="req_1", asked_model=TEXT), record(id=f"req_2{TEXT}")
    config = str(settings_with(tmp_path, [one, other]))

    assert obeyed(shown("show", "req_", "--config", config, status=2)) == []
    assert obeyed(shown("show", f"req_3{TEXT}", "--config", config, status=1)) == []


@pytest.mark.unmeasured
@pytest.mark.one_in(4)
@pytest.mark.parametrize("form", ["terminal", "json"])
@pytest.mark.parametrize("through", ["pipe", "terminal"])
def test_what_is_asked_again_is_shown_and_not_obeyed(tmp_path, form, through):
    """In a process of its own: that verb sets up logging, which is global."""
    settings_with(tmp_path, answered_exchange())
    verb = ("replay", *EVERYWHERE, "--name", f"{form}{TEXT}".replace("\0", ""), "--format", form)
    with serving(create_simulator()) as url:
        environment = {"HOLDOVER_STATE_DIR": str(tmp_path), "HOLDOVER_UPSTREAM_URL": url}
        if through == "pipe":
            done = run_process(*verb, **environment)
            said = done.stdout + done.stderr
        else:
            said = through_a_terminal(
                lambda stream: subprocess.run(
                    [*HOLDOVER, *verb],
                    stdout=stream,
                    stderr=stream,
                    env=os.environ | environment | {"COLUMNS": "100000", "TERM": "xterm"},
                    check=True,
                )
            )

    assert "1 request" in said
    assert obeyed(said) == []


def answered_exchange() -> list[Any]:
    """A hostile one that is asked again."""
    hostile, shadow, content = hostile_exchange()
    plain = {"route": "translate", "error_type": None, "failure": None}
    return [msgspec.structs.replace(hostile, **plain), shadow, content]


@pytest.mark.without_coverage
def test_what_settings_say_is_shown_and_not_obeyed(tmp_path, shown):
    text = json.dumps(TEXT)  # as TOML spells it, too
    config = tmp_path / "holdover.toml"
    config.write_text(
        f"[models]\n{text} = {text}\n[model_facts.{text}]\nretires = 2024-01-01\n"
        f'successor = {text}\n[model_facts."x"]\nretires = 2099-01-01\nsuccessor = {text}\n'
        f'[[rollout]]\nname = "a"\naction = "translate"\nmodel = {text}\n'
        f"match = {{ model = {text}, caller = {text}, header = {{ x = {text} }} }}\n"
    )
    request = tmp_path / "request.json"
    request.write_text(json.dumps(body(model=TEXT)))

    for verb in (
        ("check", str(config)),
        ("check", str(config), "--request", str(request), "-H", f"x-api-key: {TEXT}"),
        ("models", "--config", str(config)),
        ("rollout", "status", "--config", str(config)),
    ):
        assert obeyed(shown(*verb)) == []


@pytest.mark.without_coverage
@pytest.mark.parametrize(
    "line",
    [
        f"{json.dumps(TEXT)} = 1",
        f"host = [{json.dumps(TEXT)}]",
        f"refuse = [{json.dumps(TEXT)}]",
        f"[callers.{json.dumps(TEXT)}]\ntoken = 1",
        f"[models]\n{json.dumps(TEXT)} = 1",
        f"upstream_url = {json.dumps(TEXT)}",
        f"upstream_url = {json.dumps('http://x/?' + TEXT)}",
        f"[redact]\nword = {json.dumps('(' + TEXT)}",
        f"[a]\n[a.{json.dumps(TEXT)}]\nb = 1\n[a.{json.dumps(TEXT)}]",
    ],
    ids=range(9),
)
def test_what_is_wrong_with_settings_is_said_and_not_obeyed(tmp_path, shown, line):
    place = tmp_path / TEXT.replace("/", "").replace("\0", "")[:60]
    place.mkdir()
    config = place / "holdover.toml"
    config.write_text(line)

    assert obeyed(shown("check", str(config), status=2)) == []


def test_what_trips_a_guard_is_shown_and_not_obeyed(tmp_path, shown):
    config = tmp_path / "holdover.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[[rollout]]\nname = "a"\naction = "translate"\n'
        "guard = { errors_above = 2 }\n"
    )
    shared_state = SharedState(directory_for(tmp_path, config))
    shared_state.write(f"{TRIPS}/a", msgspec.json.encode(Trip("a", TEXT, TEXT)))

    assert obeyed(shown("rollout", "status", "--config", str(config))) == []
    for verb in (("rearm", TEXT), ("share", TEXT, "5"), ("override", TEXT)):
        assert obeyed(shown("rollout", *verb, "--config", str(config), status=2)) == []


@pytest.mark.without_coverage
def test_what_a_request_says_is_shown_and_not_obeyed(tmp_path, shown):
    request = tmp_path / "request.json"
    fields = {"model": TEXT, "stop_sequences": [TEXT, " \x9b"], "metadata": {"user_id": TEXT}}
    request.write_text(json.dumps(body(prompt=f"{TEXT}\n\nHuman: {TEXT}\n\nAssistant:", **fields)))

    assert obeyed(shown("explain", str(request))) == []
    assert obeyed(shown("explain", str(request), "--format", "json")) == []
    for language in ("python", "typescript", "curl"):
        # Lines of a prompt are lines of its code, in no other way than as text in quotes.
        assert obeyed(shown("explain", str(request), "--code", language)) == []


@pytest.mark.parametrize(
    "said",
    [{"prompt": 1, TEXT: 1}, {"prompt": TEXT}, {"model": TEXT}, {"model": TEXT, "prompt": TEXT}],
    ids=range(4),
)
def test_what_is_wrong_with_a_request_is_said_and_not_obeyed(tmp_path, shown, said):
    config, request = tmp_path / "holdover.toml", tmp_path / "request.json"
    config.write_text('strictness = "strict"\n')
    request.write_text(json.dumps({"max_tokens_to_sample": 1, **said}))

    assert obeyed(shown("explain", str(request), "--config", str(config), status=1)) == []
    asked = ("check", str(config), "--request", str(request), "-H", TEXT.replace(":", ""))
    assert obeyed(shown(*asked, status=2)) == []


def test_names_that_can_be_none_are_said_and_not_obeyed(tmp_path, shown):
    missing = str(tmp_path / TEXT.replace("\0", ""))

    for verb in (
        ("keys", "new", TEXT),
        ("explain", missing),
        ("log", "--config", missing),
        ("log", "--since", TEXT),
        ("log", "--adjustment", TEXT),
        ("report", "--fail-if", TEXT),
        ("report", "--output", f"{missing}/x"),
    ):
        assert obeyed(shown(*verb, status=2)) == []


def test_what_upstream_says_of_its_models_is_shown_and_not_obeyed(monkeypatch, shown):
    async def listing(_scope: Any, _receive: Any, send: Any) -> None:
        models = [{"id": TEXT, "retires_at": TEXT}]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": msgspec.json.encode({"data": models})})

    with serving(listing) as url:
        monkeypatch.setenv("HOLDOVER_UPSTREAM_URL", url)

        assert obeyed(shown("models", "--refresh")) == []
