"""What makes a start fail says so in one line that names it, with a status, as a real command."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import HOLDOVER, run_process
from tests.fleet import running_fleet
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.unmeasured

SERVE = ("serve", "--port", "0")
UNSET = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "NO_PROXY": "", "no_proxy": ""}
NO_PROXY = (
    "is not the address of a proxy: write http://HOST:PORT, or put api.anthropic.com into NO_PROXY"
)
NO_SOCKS = (
    "names a SOCKS proxy, which Holdover does not speak to: name an HTTP proxy, "
    "or put api.anthropic.com into NO_PROXY"
)
NO_FILE = "No such file or directory"


def stopped(*arguments: str, **environment: str) -> str:
    """What a command says that does not get any further: one line, if all is well."""
    done = run_process(*arguments, **UNSET | environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    return done.stderr.removeprefix("holdover: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SSL_CERT_FILE", "/nowhere", f"/nowhere: {NO_FILE}: name a file of certificates (PEM)"),
        ("SSL_CERT_FILE", "/dev/null", "/dev/null: [X509"),
        ("SSL_CERT_DIR", "/nowhere", f"/nowhere: {NO_FILE}: name a directory of certificates"),
        ("SSLKEYLOGFILE", "/no/where", f"/no/where: {NO_FILE}: name a file that can be written"),
        ("HTTPS_PROXY", "socks5h://user:secret@127.0.0.1:1", NO_SOCKS),
        ("ALL_PROXY", "socks5://127.0.0.1:1", NO_SOCKS),
        ("https_proxy", "http://user:secret@host:99999", NO_PROXY),
    ],
)
def test_what_the_environment_says_of_the_way_to_upstream_is_followed_or_named(
    variable: str, value: str, said: str
):
    line = stopped(*SERVE, **{variable: value})

    assert line.startswith(f"{variable}: {said}")
    assert "secret" not in line


@pytest.mark.parametrize(
    "verb", [("models", "--refresh"), ("demo", "--once"), ("replay", "--demo")]
)
def test_other_verbs_that_ask_somebody_say_the_same(verb: tuple[str, ...]):
    line = stopped(*verb, SSL_CERT_FILE="/nowhere")

    assert line.startswith(f"SSL_CERT_FILE: /nowhere: {NO_FILE}")


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no-such-host.invalid", ""),
        ("a..b", "this is not a valid host name"),
        ("192.0.2.1", "Cannot assign requested address"),
    ],
)
def test_a_host_that_is_not_this_machine_is_named(host: str, reason: str):
    line = stopped(*SERVE, "--host", host)

    assert line.startswith(f"cannot listen on {host}, port ")
    assert line.endswith(reason)


@pytest.mark.measured
def test_workers_that_would_import_from_the_working_directory_are_not_started():
    command = [sys.executable, "-E", "-m", "proxy", *SERVE]
    environment = os.environ | {"HOLDOVER_WORKERS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("holdover: Python was started with -E")


@pytest.mark.measured
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (r'"a\u0000b"', "contains a null character, which no path can have"),
        ("{ a = 1 }", ""),
    ],
)
def test_a_directory_that_there_cannot_be_is_named(tmp_path: Path, setting: str, said: str):
    config = tmp_path / "holdover.toml"
    config.write_text(f"state_dir = {setting}")

    line = stopped(*SERVE, "--config", str(config))

    assert line.startswith(f"{config}, line 1: state_dir: {said}")


@pytest.mark.measured
def test_so_is_one_whose_name_is_no_text():
    done = subprocess.run(
        [*HOLDOVER, *SERVE],
        env=os.environb | {b"XDG_STATE_HOME": b"/tmp/\xff"},
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, b"holdover: state_dir: is not UTF-8\n")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.mkdir(), "is not a file"),
        (os.mkfifo, "is not a file"),
        (lambda file: file.symlink_to("nowhere"), "no such file"),
        (lambda file: file.write_bytes(b"\xff"), "is not UTF-8"),
    ],
    ids=["directory", "pipe", "link", "bytes"],
)
def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path, make, said: str):
    make(tmp_path / "HOLDOVER_ADMIN_TOKEN")

    line = stopped(*SERVE, "--secrets", str(tmp_path))

    assert line == f"{tmp_path / 'HOLDOVER_ADMIN_TOKEN'}: {said}"


@pytest.mark.one_in(3)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("place", ["state", "state/traffic", "state/traffic/journal"])
def test_a_server_without_a_place_for_its_state_does_not_start(
    tmp_path: Path, workers: int, place: str
):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("in the way")
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}/state"\nworkers = {workers}\n')

    line = stopped(*SERVE, "--config", str(config))

    assert line.startswith(f"state_dir: {tmp_path}/state")
    assert "cannot be used: " in line
    assert line.endswith("or set state_dir to another directory")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_loses_the_place_for_its_state_goes_on_and_says_so(
    tmp_path: Path, workers: int
):
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    with running_fleet(tmp_path, "", workers=workers) as fleet:
        state.rename(elsewhere)
        state.write_text("in the way")
        answer = fleet.ask("any")
        wait_for(lambda: fleet.lines("journal_failed"))

        assert answer.status_code == 200
        state.unlink()
        elsewhere.rename(state)
        fleet.ask("any")
        wait_for(lambda: any(state.glob("traffic/traffic.db")))
        log = fleet.log.read_text()

    assert "Traceback" not in log


def test_variables_that_are_for_other_servers_do_not_matter():
    process = subprocess.Popen(
        [*HOLDOVER, *SERVE],
        env=os.environ | {"WEB_CONCURRENCY": "many", "FORWARDED_ALLOW_IPS": "nobody"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    running = any("Uvicorn running" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_SECONDS)

    assert running
