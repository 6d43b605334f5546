"""Programs are rewritten so that they ask what Holdover would have asked, and print the same."""

import json
from typing import Any

import msgspec
import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.python import examine
from tests.proxy.migrate.programs_under_test import PROGRAMS, names, run
from translators import Policy, decode_completion_request, dialect_of, encode_request, plan_request

pytestmark = pytest.mark.without_coverage

TODAY = "2026-11-28"
TARGET = Target(policy=Policy(), today=TODAY)


def asked_by_holdover(call: dict[str, Any]) -> dict[str, Any]:
    decoded = decode_completion_request(json.dumps(call).encode())
    plan = plan_request(decoded, dialect_of("2023-06-01"), Policy(), today=TODAY)
    request: dict[str, Any] = msgspec.json.decode(encode_request(plan.request))
    return request


def program(name: str, which: str) -> str:
    return (PROGRAMS / name / f"{which}.py").read_text()


@pytest.mark.parametrize("name", names())
def test_a_program_becomes_what_is_written_beside_it(name: str):
    before = program(name, "before")

    examined = examine(before, TARGET)

    assert apply_edits(before, examined.edits) == program(name, "after")
    assert Verdict.BY_HAND not in {finding.verdict for finding in examined.findings}


@pytest.mark.parametrize("name", names())
def test_a_rewritten_program_asks_and_prints_what_the_old_one_did(name: str):
    old, new = run(program(name, "before")), run(program(name, "after"))

    assert new.legacy == []
    assert new.messages == [asked_by_holdover(call) for call in old.legacy]
    assert new.printed == old.printed


@pytest.mark.parametrize("name", names())
def test_a_second_run_changes_nothing(name: str):
    assert examine(program(name, "after"), TARGET).edits == ()
