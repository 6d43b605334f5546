"""The command: what a person sees, and what an operator greps for."""

import json
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from proxy.cli.serving_commands import Language
from proxy.simulator import create_simulator
from tests.command_line import HOLDOVER, run, run_process, running
from tests.harness import KEY, V2, body
from tests.servers import fetch, serving
from tests.waiting import PATIENCE_SECONDS
from translators import KNOWN_MODELS, LANGUAGES


@pytest.mark.measured
@pytest.mark.unmeasured
@pytest.mark.parametrize("module", ["holdover", "proxy"])
def test_it_says_its_version_and_what_it_runs_on(module: str):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith(f"holdover {version('holdover')} (CPython 3.")


@pytest.mark.parametrize("arguments", [["-h"], ["serve", "-h"], ["rollout", "share", "-h"]])
def test_help_is_a_short_word_away(arguments: list[str]):
    done = run(*arguments)

    assert done.returncode == 0
    assert "Usage: holdover" in done.stdout


@pytest.mark.unmeasured
def test_serve_writes_one_json_line_per_exchange_without_key_or_prompt():
    with (
        serving(create_simulator()) as upstream_url,
        running("serve", "--port", "0", HOLDOVER_UPSTREAM_URL=upstream_url) as (url, process),
    ):
        request = body(model="claude-2", prompt="canary\n\nHuman: canary-prompt\n\nAssistant:")
        headers = (
            KEY | V2 | {"user-agent": "old-app/1.0", "anthropic-sdk": "anthropic-python/0.2.10"}
        )
        answer = fetch("POST", f"{url}/v1/complete", json=request, headers=headers)
        assert process.stderr is not None
        line = process.stderr.readline()

    record = json.loads(line)
    assert "canary" not in line
    assert KEY["x-api-key"] not in line
    expected = {
        "event": "exchange",
        "path": "/v1/complete",
        "user_agent": "old-app/1.0",
        "sdk": "python 0.2.10",
        "version": "2023-06-01",
        "dialect": "2023-06-01",
        "streamed": False,
        "asked_model": "claude-2",
        "sent_model": "claude-opus-4-8",
        "answered_model": "claude-opus-4-8",
        "features": ["system"],
        "turns": 2,
        "prompt_characters": len(request["prompt"]),
        "adjustments": [
            {
                "kind": "replace_retired_model",
                "field": "model",
                "asked": "claude-2",
                "sent": "claude-opus-4-8",
            }
        ],
        "request_bytes": len(answer.request.content),
        "reply_bytes": len(answer.content),
        "status": 200,
        "stop_reason": "stop_sequence",
        "upstream_stop_reason": "end_turn",
        "error_type": None,
        "blame": "nobody",
        "client_gone": False,
        "level": "info",
    }
    assert {name: record[name] for name in expected} == expected
    assert record["input_tokens"] > 0
    assert record["output_tokens"] > 0
    assert 0 < record["first_byte_ms"] <= record["total_ms"]
    assert record["request_id"].startswith("req_")
    assert len(record["caller"]) == 16


@pytest.mark.unmeasured
def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text(
        'upstream_url = "http://127.0.0.1:1"\nhost = "256.0.0.1"\nleading_space = "raw"\n'
    )
    with (
        serving(create_simulator()) as upstream_url,
        running(
            *("serve", "--config", str(file), "--port", "0", "--upstream-url", upstream_url),
            HOLDOVER_HOST="127.0.0.1",
            HOLDOVER_UPSTREAM_URL="http://127.0.0.1:2",
        ) as (url, _),
    ):
        answer = fetch("POST", f"{url}/v1/complete", json=body(), headers=KEY | V2)

    assert answer.json()["completion"].startswith("You")


@pytest.mark.unmeasured
@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('colour = "red"', "unknown setting `colour`"),
        ('port = "many"', "port: must be a whole number"),
        ('upstream_url = "ftp://x"', "upstream_url: "),
        ("port = = 1", "holdover.toml"),
    ],
)
def test_settings_that_cannot_be_used_are_named_and_stop_the_start(
    tmp_path: Path, text: str, message: str
):
    file = tmp_path / "holdover.toml"
    file.write_text(text)

    result = run_process("serve", "--config", str(file))

    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "max_queue_size must be a positive integer"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "must be a non-negative integer but got -1"),
    ],
)
def test_a_variable_that_opentelemetry_cannot_use_stops_the_start(
    tmp_path: Path, variable: str, message: str
):
    environment = {"HOLDOVER_TRACES": "true", "HOLDOVER_STATE_DIR": str(tmp_path), variable: "-1"}
    result = run_process("serve", "--port", "0", **environment)
    line, end = result.stderr.split("\n")

    assert (result.returncode, end) == (2, "")
    assert line.startswith("holdover: traces: OpenTelemetry finds fault with one of its variables")
    assert message in line


@pytest.mark.unmeasured
def test_a_settings_file_that_is_not_there_is_said_so():
    result = run_process("serve", "--config", "nowhere.toml")

    assert (result.returncode, result.stderr) == (2, "holdover: nowhere.toml: no such file\n")


@pytest.mark.thorough
def test_a_port_that_is_taken_stops_the_start():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        port = taken.getsockname()[1]
        for verb in ("serve", "simulate"):
            result = run_process(verb, "--port", str(port))

            said = f"holdover: cannot listen on 127.0.0.1, port {port} (`host`, `port`): "
            assert (result.returncode, result.stderr) == (2, f"{said}Address already in use\n")


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_secrets_are_read_from_files(tmp_path: Path):
    (tmp_path / "HOLDOVER_DIGEST_KEY").write_text("a key")
    callers = []
    with serving(create_simulator()) as upstream_url:
        for _ in range(2):
            flags = ["--port", "0", "--upstream-url", upstream_url, "--secrets", str(tmp_path)]
            with running("serve", *flags) as (url, process):
                fetch("POST", f"{url}/v1/complete", json=body(), headers=KEY | V2)
                assert process.stderr is not None
                callers.append(json.loads(process.stderr.readline())["caller"])

    assert callers[0] == callers[1]


@pytest.mark.without_coverage
@pytest.mark.measured
@pytest.mark.unmeasured
def test_simulate_serves_the_stand_in_alone():
    with running("simulate", "--port", "0") as (url, _):
        assert fetch("GET", f"{url}/simulator/health").status_code == 200


@pytest.mark.unmeasured
def test_demo_shows_every_step_and_needs_nothing():
    result = run_process("demo", "--once", "--port", "0")

    assert result.returncode == 0, result.stderr
    for shown in [
        '"max_tokens_to_sample": 300',
        '"model": "claude-opus-4-8"',
        "replace_retired_model: The model is retired",
        '"stop_reason": "stop_sequence"',
        "run `holdover demo` without --once",
    ]:
        assert shown in result.stdout


@pytest.mark.thorough
def test_a_demo_that_stops_offers_no_server():
    result = run_process("demo", "--once", "--port", "0")

    assert "127.0.0.1" not in result.stdout
    assert "Serving" not in result.stdout


@pytest.mark.thorough
def test_demo_keeps_serving_on_another_port_if_its_own_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = subprocess.Popen(
            [*HOLDOVER, "demo", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if line.startswith("Serving on"):
                break
        url = shown[-1].split()[2]
        answer = fetch("POST", f"{url.rstrip(';')}/v1/complete", json=body(), headers=KEY | V2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert answer.status_code == 200
    assert f"curl {url.rstrip(';')}/v1/complete \\\n" in shown
    assert f'+ client = anthropic.Anthropic(base_url="{url.rstrip(";")}")\n' in shown
    assert f"Port {port} is in use" in said
    assert process.returncode == 0


def test_explain_prints_the_plan_and_sends_nothing():
    request = body(model="claude-2.1", prompt="\n\nHuman: Hi\n\nAssistant: {", top_k=-1)

    result = run(
        *("explain", "-", "--format", "json"),
        stdin=json.dumps(request),
        HOLDOVER_UPSTREAM_URL="http://127.0.0.1:9",
    )

    assert result.stderr == ""
    plan = json.loads(result.stdout)
    assert plan["request"]["model"] == "claude-opus-4-8"
    assert [adjustment["kind"] for adjustment in plan["adjustments"]] == [
        *("replace_retired_model", "continue_prefill", "drop_no_effect_value")
    ]
    assert plan["answer"]["removed_echo"] == "{"


def test_explain_names_what_is_sent_as_it_is_given():
    request = body(model="claude-haiku-4-5", temperature=0.5, metadata={"user_id": "u"})

    lines = run("explain", "-", stdin=json.dumps(request)).stdout.split("\n")

    assert {"  temperature: 0.5", "  metadata, as they are given"} <= set(lines)


def test_explain_speaks_prose():
    request = body(
        model="claude-2.1",
        prompt="You are X.\n\nHuman: Hi\n\nAssistant: {",
        top_k=-1,
        stop_sequences=["\n\n", "END"],
        stream=True,
    )

    result = run("explain", "-", stdin=json.dumps(request))

    assert result.stderr == ""
    lines = result.stdout.split("\n")
    for line in [
        "The request asks for claude-2.1, which becomes claude-opus-4-8.",
        "What is sent to the Messages API:",
        '  system: "You are X."',
        '  user: "Hi"',
        '  assistant: "{"',
        '  stop at: "END"',
        "  replace_retired_model (model: claude-2.1 -> claude-opus-4-8)",
        "    The model is retired; its official successor answered. Ask for a model that is served"
        " today.",
        "What the client gets back, in the form of 2023-06-01:",
        "  a completion that names claude-2.1",
        '  its text up to "\\n\\n", where Holdover cuts it',
        '  without the prefill, should the model repeat it: "{"',
    ]:
        assert line in lines
    assert any(line.endswith("tokens, streamed") for line in lines)
    assert lines[-2].startswith("Nothing was sent.")


def test_explain_says_that_nothing_has_to_be_adjusted_and_cuts_long_texts(tmp_path: Path):
    file, config = tmp_path / "request.json", tmp_path / "holdover.toml"
    prompt = f"\n\nHuman: {'x' * 300}\n\nAssistant:"
    file.write_text(json.dumps(body(model="claude-opus-4-8", prompt=prompt)))
    config.write_text('echoed_model = "answered"')

    said = run("explain", str(file), "--config", str(config)).stdout

    assert said.startswith("The request asks for claude-opus-4-8.\n")
    assert "\nNothing has to be adjusted.\n" in said
    assert f'  user: "{"x" * 200}..."\n' in said
    assert "a completion that names the model that has answered\n" in said
    assert "a space at its beginning" in said


@pytest.mark.parametrize(
    ("model", "nearest"),
    [("claude-haiku-4-6", "; did you mean `claude-haiku-4-5`?"), ("gpt-oss", "")],
)
@pytest.mark.parametrize("form", [[], ["--format", "json"], ["--code", "python"]])
def test_explain_warns_of_a_model_that_it_does_not_know(form: list[str], model: str, nearest: str):
    result = run("explain", "-", *form, stdin=json.dumps(body(model=model)))

    assert result.returncode == 0
    assert result.stderr.startswith(
        f"holdover: warning: Holdover does not know the model {model!r}{nearest}\n"
    )
    assert model in result.stdout


def test_a_name_that_the_settings_map_to_a_known_model_needs_no_warning(tmp_path: Path):
    config = tmp_path / "holdover.toml"
    config.write_text('[models]\nhouse = "claude-haiku-4-5"\n')

    result = run("explain", "-", "--config", str(config), stdin=json.dumps(body(model="house")))

    assert result.stderr == ""
    assert "asks for house, which becomes claude-haiku-4-5." in result.stdout


def test_explain_says_what_is_wrong_with_a_request(tmp_path: Path):
    file = tmp_path / "request.json"
    file.write_text("{}")

    assert run("explain", str(file)).stderr == "holdover: model: field required\n"
    assert run("explain", str(file)).returncode == 1


def test_explain_says_that_there_is_no_file():
    result = run("explain", "nowhere.json")

    assert result.returncode == 2
    assert result.stderr == "holdover: cannot read nowhere.json: No such file or directory\n"


def test_explain_writes_the_call_that_replaces_the_old_one():
    result = run("explain", "-", "--code", "curl", stdin=json.dumps(body(model="claude-2")))

    comment, call = result.stdout.split("\n", 1)
    assert comment.startswith("# model: claude-2 -> claude-opus-4-8. The model is retired;")
    assert call.startswith('curl "${ANTHROPIC_BASE_URL:-https://api.anthropic.com}/v1/')


def test_every_language_that_can_be_written_can_be_asked_for():
    assert tuple(language.value for language in Language) == LANGUAGES


def test_models_shows_what_is_served_what_names_become_and_what_retires():
    result = run("models")

    assert result.returncode == 0, result.stderr
    for shown in [
        "claude-haiku-4-5-20251001 = claude-haiku-4-5",
        "claude-2.1 ",
        "Within 90 days:",
        "claude-haiku-4-5-20251001 may retire at any time from 2026-10-15 on.",
    ]:
        assert shown in result.stdout


def test_models_knows_what_the_operator_knows(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    soon = datetime.now(UTC).date() + timedelta(days=10)
    file.write_text(
        f'[model_facts."claude-opus-5"]\nretires = {soon}\nsuccessor = "claude-opus-9"\n'
        '[model_facts."claude-new"]\nprefill = true\nmax_output_tokens = 5\n'
    )

    shown = run("models", "--config", str(file)).stdout

    assert f"claude-opus-5 retires on {soon}; claude-opus-9 takes its place." in shown
    assert "claude-new" in shown


def test_models_refresh_says_what_upstream_says_differently(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text('[model_facts."claude-opus-4-7"]\nmax_output_tokens = 5\n')
    with serving(create_simulator()) as upstream_url:
        environment = {"HOLDOVER_UPSTREAM_URL": upstream_url, "ANTHROPIC_API_KEY": "k"}
        same = run("models", "--refresh", **environment)
        other = run("models", "--refresh", "--config", str(file), **environment)
    nobody = run("models", "--refresh", HOLDOVER_UPSTREAM_URL="http://127.0.0.1:9")
    no_key = run("models", "--refresh", ANTHROPIC_API_KEY="sk-\t1")

    assert (no_key.returncode, no_key.stderr) == (
        2,
        "holdover: ANTHROPIC_API_KEY: contains a control character or another that is invisible\n",
    )
    assert "claude-opus-4-7: max output tokens is 128000 upstream, 5 in our table" in other.stdout
    assert "claude-opus-4-7" not in same.stdout
    assert nobody.returncode == 1
    assert "The upstream cannot be reached: it refuses connections." in nobody.stderr


@pytest.mark.unmeasured
def test_what_is_logged_meanwhile_is_not_part_of_what_a_command_prints():
    nobody = run_process("models", "--refresh", HOLDOVER_UPSTREAM_URL="http://127.0.0.1:9")

    assert "upstream_unreachable" in nobody.stderr
    assert "upstream_unreachable" not in nobody.stdout


def test_models_check_asks_as_the_server_does_and_says_by_its_status_if_somebody_must_act(
    tmp_path: Path,
):
    asked: list[dict[str, str]] = []
    listed: list[dict[str, object]] = [
        {"id": f"us.anthropic.{model.id}"} for model in KNOWN_MODELS.models
    ]

    async def pages(request: Request) -> JSONResponse:
        asked.append(dict(request.headers) | dict(request.query_params))
        if request.headers.get("authorization") != "Bearer sk-of-ours":
            return JSONResponse({"message": "No such key."}, 401)
        is_first = "after_id" not in request.query_params
        page = listed[:9] if is_first else listed[9:]
        return JSONResponse({"data": page, "has_more": is_first, "last_id": page[-1]["id"]})

    file = tmp_path / "holdover.toml"
    with serving(Starlette(routes=[Route("/v1/models", pages)])) as url:
        settings = (
            f'upstream_url = "{url}"\nupstream_key = "sk-of-ours"\nupstream_auth = "bearer"\n'
        )
        file.write_text(f'{settings}upstream_headers = {{ x-team = "search" }}\n')
        agrees = run("models", "--check", "--config", str(file), ANTHROPIC_API_KEY="sk-other")
        listed[3] |= {"max_tokens": 5}
        differs = run("models", "--check", "--config", str(file))
        file.write_text(settings.replace("of-ours", "wrong"))
        refused = run("models", "--check", "--config", str(file))

    assert (agrees.returncode, agrees.stderr) == (0, "")
    assert differs.returncode == 1
    assert "max output tokens is 5 upstream" in differs.stdout
    assert refused.returncode == 1
    assert "No such key." in refused.stderr
    assert {one.get("x-team") for one in asked[:2]} == {"search"}
    assert "sk-other" not in str(asked)


@pytest.mark.unmeasured
def test_an_adjustment_that_does_not_exist_cannot_be_refused(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text('refuse = ["drop_everything"]\n')

    for verb, execute in [("serve", run_process), ("models", run)]:
        result = execute(verb, "--config", str(file))

        assert result.returncode == 2
        assert "line 1: refuse.0: must be one of `add_assistant_turn`, " in result.stderr
