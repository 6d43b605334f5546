"""What a notice says, to people and to programs, and how it is signed."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from proxy.notices.kinds import KINDS, Problem
from proxy.notices.notice import Notice, instance_name, notice_of, signed, trial_notice
from tests.webhook import KEY, SECRET, Received


def test_people_read_what_happened_why_and_what_to_do():
    problem = Problem("guard_tripped", "The guard of canary has taken its share to zero: x.", "b")
    notice = notice_of("guard_tripped", "began", [problem], instance="web/7", changes=1)

    assert notice.text == (
        "web/7: The guard of canary has taken its share to zero: x. Find the cause"
        " (`holdover log --status error`), then `holdover rollout rearm`."
    )


def test_programs_read_the_same_in_parts():
    problem = Problem("key_refused", "The upstream refuses it.", "upstream_key")
    notice = notice_of("key_refused", "ended", [problem], instance="web/7", changes=3)
    said = msgspec.to_builtins(notice)

    assert re.fullmatch("msg_[0-9a-f]{32}", said["data"].pop("id"))
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", said.pop("timestamp"))
    over = "The upstream accepts the key in upstream_key, or another one has taken its place."
    assert said == {
        "type": "key_refused.ended",
        "text": f"web/7: {over}",
        "data": {
            "kind": "key_refused",
            "state": "ended",
            "instance": "web/7",
            "runbook": "RUNBOOK.md#our-key-is-refused",
            "problems": [{"subject": "upstream_key", "text": over}],
            "changes": 3,
        },
    }


def test_a_notice_about_hundreds_names_some_and_cuts_what_is_long():
    problems = [Problem("key_refused", "x" * 3_000, f"callers.{n}") for n in range(300)]
    notice = notice_of("key_refused", "began", problems, instance="web/7", changes=300)

    assert len(notice.data.problems) == 20
    assert {len(each.text) for each in notice.data.problems} == {2_003}
    assert "So it is with 280 more." in notice.text


def test_the_signature_is_over_id_time_and_body():
    notice = trial_notice(instance_name())
    headers, body = signed(notice, KEY, now=1_780_000_000.9)
    received = Received("/", {name.decode(): value.decode() for name, value in headers}, body)

    assert received.is_signed
    assert received.headers["webhook-timestamp"] == "1780000000"
    assert received.headers["webhook-id"] == notice.data.id
    assert msgspec.json.decode(body, type=Notice) == notice


def test_the_documented_check_of_a_signature_takes_what_is_ours_and_nothing_else():
    page = (Path(__file__).parents[3] / "deploy/README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    documented: dict[str, Any] = {}
    exec(block, documented)  # noqa: S102 - lines of our own
    is_from_holdover = documented["is_from_holdover"]
    headers, body = signed(trial_notice("web/7"), KEY, now=time.time())
    old, _ = signed(trial_notice("web/7"), KEY, now=time.time() - 400)
    given = {name.decode(): value.decode() for name, value in headers}

    assert is_from_holdover(given, body, SECRET)
    assert not is_from_holdover(given, body + b" ", SECRET)
    assert not is_from_holdover(
        {name.decode(): value.decode() for name, value in old}, body, SECRET
    )
    assert not is_from_holdover(given, body, f"whsec_{'A' * 43}=")


def test_the_instance_is_machine_and_process():
    assert instance_name() == f"{socket.gethostname()}/{os.getpid()}"


def test_every_text_of_a_kind_can_be_said():
    for kind in KINDS:
        for state in ("began", "ended"):
            problem = Problem(kind, "It is so.", "it")
            notice = notice_of(kind, state, [problem], instance="web/7", changes=1)

            assert "{" not in notice.text
            assert "  " not in notice.text
