"""`holdover replay`, as a real process: what is said first, what is sent, and what is kept."""

import asyncio
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proxy.simulator import create_simulator
from proxy.traffic import default_url, open_store
from tests.command_line import HOLDOVER, run_process
from tests.proxy.replay.harness import Scripted
from tests.recorded_exchanges import exchange
from tests.servers import fetch, serving
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.unmeasured

ALWAYS = ("--since", "2000-01-01")
HEADERS = """
[[rollout]]
name = "by-header"
match = { header = { x-team = "search" } }
action = "refuse"
"""


@pytest.fixture
def state_dir(tmp_path):
    """With six exchanges, of which one was not captured and one came to nothing."""
    with_evidence(tmp_path, 6)
    store = open_store(default_url(tmp_path))
    store.add([exchange(100)[0], *exchange(101, status=529)])
    store.close()
    return tmp_path


def with_evidence(state_dir: Path, count: int) -> None:
    store = open_store(default_url(state_dir))
    for number in range(count):
        store.add(exchange(number, prompt=f"\n\nHuman: {number}\n\nAssistant:"))
    store.close()


def replay(
    state_dir: Path, upstream_url: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return run_process(
        *("replay", *ALWAYS, *arguments),
        HOLDOVER_STATE_DIR=str(state_dir),
        HOLDOVER_UPSTREAM_URL=upstream_url,
        **{"ANTHROPIC_API_KEY": ""} | environment,
    )


@pytest.mark.measured
def test_nothing_is_sent_to_a_real_upstream_without_leave_and_the_estimate_says_what_would_be(
    state_dir,
):
    upstream = Scripted()
    with serving(upstream) as url:
        done = replay(state_dir, url)

    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was sent; add --yes" in done.stderr
    assert [path for path, *_ in upstream.received] == ["/simulator/requests"]
    for line in [
        f"asks {url}\n",
        "found             8 requests",
        "1 got no answer",
        "1 have no content",
        "to ask            6 requests",
        "input tokens      about 36",
        "output tokens     about 84, at most 1,800",
        "6 of claude-opus-4-8",  # not the model that the records name
        "at most $",
        "redacted",
    ]:
        assert line in done.stderr


@pytest.mark.measured
def test_with_leave_it_is_sent_with_the_key_of_the_environment(state_dir):
    upstream = Scripted()
    with serving(upstream) as url:
        done = replay(
            *(state_dir, url, "--yes", "--format", "json", "--name", "mine"),
            ANTHROPIC_API_KEY="sk-ant-api03-real",
        )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["name"], report["asked"], report["equal"]) == ("mine", 6, 6)
    probe, *asked = upstream.received
    assert "x-api-key" not in probe[1]
    assert {headers["x-api-key"] for _, headers, _ in asked} == {"sk-ant-api03-real"}
    assert len(asked) == 6


@pytest.mark.measured
def test_with_leave_but_without_a_key_nothing_is_sent(state_dir):
    upstream = Scripted()
    with serving(upstream) as url:
        done = replay(state_dir, url, "--yes")

    assert done.returncode == 2
    assert "there is no key to ask with" in done.stderr
    assert [path for path, *_ in upstream.received] == ["/simulator/requests"]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("held", ["", "sk-ant-api03-held"])
def test_no_key_of_the_settings_goes_to_an_upstream_that_only_the_rules_name(
    state_dir, tmp_path, held
):
    usual, other = Scripted(), Scripted()
    rules = tmp_path / "rules.toml"
    with serving(usual) as usual_url, serving(other) as url:
        rules.write_text(f'upstream_url = "{url}"\n')
        # In a file, because the environment goes before the file of rules, too.
        settings = tmp_path / "holdover.toml"
        settings.write_text(f'upstream_url = "{usual_url}"\nstate_dir = "{state_dir}"\n')
        done = run_process(
            *("replay", *ALWAYS, "--config", str(settings), "--rules", str(rules), "--yes"),
            ANTHROPIC_API_KEY="sk-ant-api03-real",
            **({"HOLDOVER_UPSTREAM_KEY": held} if held else {}),
        )

    assert done.returncode == 2
    assert "write upstream_key into that file" in done.stderr
    assert [path for path, *_ in other.received] == ["/simulator/requests"]


def test_the_simulator_needs_neither_leave_nor_key_and_a_second_time_asks_nothing(state_dir):
    with serving(create_simulator()) as url:
        first = replay(state_dir, url, "--model", "claude-sonnet-4-6", ANTHROPIC_API_KEY="real")
        again = replay(state_dir, url, "--model", "claude-sonnet-4-6")
        received = fetch("GET", f"{url}/simulator/requests").json()

    assert first.returncode == again.returncode == 0, first.stderr
    assert "(a simulator)" in first.stderr
    assert "holdover: 6 of 6 replayed, 0 failed\n" in first.stderr
    assert "6 answers of claude-sonnet-4-6:" in first.stdout
    assert again.stdout == first.stdout
    assert "6 were done before" in again.stderr
    assert [asked["body"]["model"] for asked in received] == ["claude-sonnet-4-6"] * 6
    assert "real" not in str(received)


def test_no_key_that_opens_anything_is_sent_to_a_simulator(state_dir):
    with serving(create_simulator()) as url:
        done = replay(state_dir, url, HOLDOVER_UPSTREAM_KEY="sk-ant-api03-real")
        received = fetch("GET", f"{url}/simulator/requests").text

    assert done.returncode == 0, done.stderr
    assert "6 requests replayed, 0 failed" in done.stdout
    assert "sk-ant-api03-real" not in received


@pytest.mark.measured
def test_other_rules_are_followed_and_what_they_cannot_see_is_said(state_dir, tmp_path):
    rules = tmp_path / "candidate.toml"
    rules.write_text(HEADERS + '\n[[rollout]]\nname = "end"\naction = "refuse"\n')
    with serving(create_simulator()) as url:
        done = replay(state_dir, url, "--rules", str(rules))

    assert done.returncode == 0, done.stderr
    assert "Replay candidate-" in done.stderr
    assert "Rule by-header matches headers" in done.stderr
    assert "6 refused by a rule" in done.stdout


@pytest.mark.measured
def test_a_budget_ends_it_and_says_so(state_dir):
    with serving(Scripted()) as url:
        done = replay(
            *(state_dir, url, "--yes", "--budget-tokens", "27", "--concurrency", "1"),
            ANTHROPIC_API_KEY="k",
        )

    assert done.returncode == 0, done.stderr
    assert "might exceed the budget of 27 tokens" in done.stderr
    assert "2 requests replayed" in done.stdout  # of 5 tokens each, and 20 are expected


@pytest.mark.measured
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "m", "--rules", "r.toml"), "--model and --rules exclude each other"),
        (("--until", "soon"), "'soon' is not a valid time"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(state_dir, arguments, said):
    done = replay(state_dir, "http://127.0.0.1:9", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.measured
def test_the_demo_is_asked_of_a_simulator_whatever_the_settings_say(tmp_path):
    with_evidence(tmp_path / "demo", 3)
    upstream = Scripted()
    with serving(upstream) as url:
        done = replay(tmp_path, url, "--demo")

    assert done.returncode == 0, done.stderr
    assert "3 requests replayed, 0 failed" in done.stdout
    assert '"event"' not in done.stderr  # of uvicorn, or of a store that is made
    assert upstream.received == []


class Hanging(Scripted):
    """Answers so many, and then nobody any more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(scope, receive, send if len(self.received) < self._most else _never)


async def _never(_: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.measured
def test_an_interrupted_replay_goes_on_with_the_rest(tmp_path):
    with_evidence(tmp_path, 40)
    environment = {
        "HOLDOVER_STATE_DIR": str(tmp_path),
        "ANTHROPIC_API_KEY": "k",
    }
    with serving(Hanging(21)) as url:
        command = [*HOLDOVER, "replay", *ALWAYS, "--yes", "--name", "n"]
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment | {"HOLDOVER_UPSTREAM_URL": url},
        )
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("holdover: 16 of 40"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    upstream = Scripted()
    with serving(upstream) as url:
        done = replay(tmp_path, url, "--yes", "--name", "n", ANTHROPIC_API_KEY="k")

    assert process.returncode == 130
    assert "interrupted. Results so far are kept" in said
    assert "Traceback" not in said
    assert 16 <= 40 - (len(upstream.received) - 1) <= 20
    assert "40 requests replayed, 0 failed" in done.stdout


@pytest.mark.measured
def test_whoever_watches_sees_a_bar(state_dir):
    ours, theirs = pty.openpty()
    with serving(create_simulator()) as url:
        process = subprocess.Popen(
            [*HOLDOVER, "replay", *ALWAYS],
            stderr=theirs,
            stdout=subprocess.PIPE,
            env=os.environ
            | {"HOLDOVER_STATE_DIR": str(state_dir), "HOLDOVER_UPSTREAM_URL": url, "TERM": "xterm"},
        )
        os.close(theirs)
        seen = b"".join(iter(lambda: _read(ours), b""))
        process.communicate(timeout=PATIENCE_SECONDS)
    os.close(ours)

    assert process.returncode == 0
    assert b"6/6" in seen
    assert b"0 failed" in seen


def _read(terminal: int) -> bytes:
    """The end of a terminal is an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
