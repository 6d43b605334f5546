from __future__ import annotations

from tests.benchmarks.hostile import asking, cases, full_of, prompting, request_of
from tests.benchmarks.hostile_upstream import SHAPES
from translators import decode_completion_request

MAX_BODY_BYTES = 32 * 1024 * 1024


def test_a_request_is_full_of_what_it_is_to_be_full_of():
    asked = decode_completion_request(asking(full_of(rb"\n", b"a", b"b", 1000))).request

    assert asked.prompt == "a" + "\n" * 499 + "b"


def test_a_prompt_is_as_long_as_a_body_may_be():
    body = prompting(b"a")

    assert MAX_BODY_BYTES - 4096 <= len(body) <= MAX_BODY_BYTES


def test_every_case_has_a_name_of_its_own_and_every_shape_of_an_answer_is_asked_for():
    names = [case.name for case in cases()]
    asked_for = {dict(case.headers).get("x-shape") for case in cases()}

    assert len(set(names)) == len(names)
    assert asked_for == {None, *SHAPES}


def test_a_case_asks_for_its_shape():
    case = next(case for case in cases() if case.headers)
    request = request_of(case, case.body())

    assert b"\r\nx-shape: %b\r\n" % dict(case.headers)["x-shape"].encode() in request
    assert request.endswith(b"\r\n\r\n" + case.body())


def test_every_answer_begins_as_one():
    for said in SHAPES.values():
        assert next(said()).startswith(b"HTTP/1.1 ")
