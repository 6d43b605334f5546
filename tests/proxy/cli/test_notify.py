"""`holdover notify`: a test notice, and what is said where it does not arrive."""

from __future__ import annotations

from pathlib import Path

from tests.command_line import run
from tests.servers import free_port
from tests.webhook import SECRET, Webhook, receiving


def notify(directory: Path, webhook: Webhook | None, **environment: str) -> tuple[int, str]:
    """The exit status, and what is printed."""
    config = directory / "holdover.toml"
    config.write_text(webhook.toml if webhook else "")
    done = run("notify", "--config", str(config), **environment)
    assert SECRET not in done.stdout + done.stderr
    assert "hidden" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_test_notice_is_sent_and_its_id_printed(tmp_path: Path):
    with receiving() as webhook:
        status, said = notify(tmp_path, webhook)

    (received,) = webhook.received
    assert received.is_signed
    assert (received.notice["type"], received.notice["data"]["state"]) == ("test", "test")
    assert status == 0
    assert said == f"http://127.0.0.1:{webhook.port} has taken the notice {webhook_id(webhook)}.\n"


def webhook_id(webhook: Webhook) -> str:
    return webhook.received[0].headers["webhook-id"]


def test_an_answer_that_is_no_success_is_printed(tmp_path: Path):
    with receiving(Webhook(statuses=[301])) as webhook:
        status, said = notify(tmp_path, webhook)

    taken = f"http://127.0.0.1:{webhook.port} answered 301"
    assert (status, said) == (1, f"holdover: the notice was not taken: {taken}\n")
    assert [each.path for each in webhook.received] == ["/hidden/path?and=query"]


def test_a_receiver_that_is_not_there_is_said(tmp_path: Path):
    status, said = notify(tmp_path, Webhook(port=free_port()))

    assert status == 1
    assert "it refuses connections" in said


def test_without_a_receiver_there_is_nothing_to_send(tmp_path: Path):
    assert notify(tmp_path, None) == (
        2,
        "holdover: notify_url: is not set, so that nobody gets notices; set it\n",
    )


def test_an_environment_that_keeps_it_from_being_asked_is_named(tmp_path: Path):
    status, said = notify(tmp_path, Webhook(port=1), SSL_CERT_FILE="/nowhere.pem")

    assert status == 2
    assert "SSL_CERT_FILE: /nowhere.pem" in said


def test_a_name_that_no_host_can_have_is_said():
    address = {"HOLDOVER_NOTIFY_URL": "http://\u2603.invalid/x", "HOLDOVER_NOTIFY_SECRET": SECRET}
    done = run("notify", **address)

    assert done.returncode == 2
    assert "http://xn--n3h.invalid: no host can have this name: Codepoint U+2603" in done.stderr
