"""How `holdover console` starts, what it says, why it refuses to, and how it stops."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from proxy.cli.console import console_for
from proxy.config.sources import load_settings
from proxy.console.site import SettingsReader
from proxy.errors import InvalidSettings
from proxy.server.listening import listen_on
from tests.command_line import run, running
from tests.proxy.console.harness import enter, settings_file, shown
from tests.servers import new_client, taken_port
from tests.waiting import PATIENCE_SECONDS

TOKEN = "an-admin-token-of-some-length"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - it refuses to, or nobody asks


@contextmanager
def lines_for(config: Path, host: str = "127.0.0.1", **flags: Any) -> Iterator[list[str]]:
    """Build the console of a settings file for sockets that listen; yield what it would say."""
    settings = load_settings(config, console_host=host, **flags)
    listeners = listen_on(host, 0)
    try:
        reader = SettingsReader(path=config, load=lambda file: load_settings(file, **flags))
        yield console_for(settings, reader, listeners)[1]
    finally:
        for each in listeners:
            each.close()


def address_in(said: IO[str]) -> str:
    """Return the address in the first line that a console prints."""
    found = re.match(r"The console is at (\S+)\n", said.readline())
    assert found is not None
    return found[1]


@pytest.mark.unmeasured
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_shows_an_address_that_opens_it_and_stops_when_told_to(tmp_path, number):
    config = settings_file(tmp_path)
    with (
        running("console", "--config", str(config), "--port", "0") as (url, process),
        new_client(base_url=url, follow_redirects=True) as client,
    ):
        assert process.stdout is not None
        address, about = address_in(process.stdout), process.stdout.readline()
        assert address.startswith(f"{url}/enter?once=")
        assert about.startswith("This address works once")
        enter(client, address)
        another = process.stdout.readline()
        process.send_signal(number)
        said, log = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0
    assert f"For the next person: {url}/enter?once=" in another
    assert said == ""
    assert "once=" not in log


@pytest.mark.thorough
def test_it_stops_while_somebody_sends_a_form_slowly(tmp_path):
    config = settings_file(tmp_path, f'admin_token = "{TOKEN}"')
    with running("console", "--config", str(config), "--port", "0") as (url, process):
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(
                b"POST /sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n"
                b"content-type: application/x-www-form-urlencoded\r\n\r\na"
            )
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--config", "{tmp}/nowhere.toml"], "{tmp}/nowhere.toml: no such file"),
        (["--config", "{tmp}"], "{tmp}: is not a file"),
        (["--config", "{tmp}/bad.toml"], "{tmp}/bad.toml, line 1: console_port: "),
        (["--host", EVERYWHERE, "--port", "0"], "console_host: other machines reach {everywhere}"),
        (["--host", "", "--port", "0"], "console_host: other machines reach all addresses"),
        (["--port", "{taken}"], "cannot listen on 127.0.0.1, port {taken} (`console_host`, "),
        (["--host", "no-such-host.invalid"], "cannot listen on no-such-host.invalid, port 8081 ("),
        (["--config", "{tmp}/prefix.toml", "--port", "0"], "console_prefix: the console has a "),
    ],
)
def test_it_says_why_it_does_not_start(tmp_path, flags, said):
    (tmp_path / "bad.toml").write_text("console_port = 70000\n")
    (tmp_path / "prefix.toml").write_text('console_prefix = "/sign-in"\n')
    with taken_port(listens=True) as taken:
        words = {"tmp": tmp_path, "everywhere": EVERYWHERE, "taken": taken.getsockname()[1]}
        done = run("console", *(flag.format(**words) for flag in flags))

    assert done.returncode == 2
    assert done.stderr.startswith(f"holdover: {said.format(**words)}")
    assert done.stdout == ""


@pytest.mark.parametrize(("text", "says"), [("", "host"), ('console_prefix = "/enter"', "prefix")])
def test_the_demos_console_reads_the_file_of_the_demo(tmp_path, text, says):
    """It is refused, so that nothing has to be stopped."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "holdover.toml").write_text(text)
    host = EVERYWHERE if says == "host" else "127.0.0.1"
    flags = ["--demo", "--host", host, "--port", "0"]
    done = run("console", *flags, HOLDOVER_STATE_DIR=str(tmp_path))

    assert done.returncode == 2
    assert done.stderr.startswith(f"holdover: console_{says}: ")


def test_before_the_first_demo_its_console_is_started_without_a_file(tmp_path):
    flags = ["--demo", "--host", EVERYWHERE, "--port", "0"]
    done = run("console", *flags, HOLDOVER_STATE_DIR=str(tmp_path))

    assert (done.returncode, done.stderr[:23]) == (2, "holdover: console_host:")


def test_other_machines_are_let_in_where_there_is_a_token(tmp_path):
    config = settings_file(tmp_path, f'admin_token = "{TOKEN}"')
    with lines_for(config, EVERYWHERE) as lines:
        assert re.fullmatch(r"The console is at http://127\.0\.0\.1:\d+", lines[0])
        assert TOKEN not in "".join(lines)


def test_a_name_that_means_this_machine_and_others_needs_a_token(tmp_path):
    config = settings_file(tmp_path)
    with pytest.raises(InvalidSettings, match="other machines reach"), lines_for(config, "::"):
        pass


def test_an_address_of_version_six_is_written_in_brackets(tmp_path):
    with lines_for(settings_file(tmp_path), "::1") as lines:
        assert re.match(r"The console is at http://\[::1\]:\d+/enter", lines[0])


def test_the_address_has_the_prefix_under_which_the_console_is(tmp_path):
    with lines_for(settings_file(tmp_path), console_prefix="/ops") as lines:
        assert re.search(r":\d+/ops/enter\?once=", lines[0])


def test_it_says_that_nothing_can_be_changed_and_why(tmp_path):
    config = settings_file(tmp_path, "console_readonly = true")
    with lines_for(config) as lines:
        assert lines[-1].startswith("Nothing can be changed there. This console only shows")


@pytest.mark.unmeasured
def test_a_store_that_is_not_there_yet_is_said_on_the_page(tmp_path):
    state = str(tmp_path / "state")
    with (
        running("console", "--port", "0", HOLDOVER_STATE_DIR=state) as (url, process),
        new_client(base_url=url, follow_redirects=True) as client,
    ):
        assert process.stdout is not None
        answer = client.get(address_in(process.stdout))

    assert answer.status_code == 503
    assert "no traffic has been recorded there yet" in shown(answer.text)
