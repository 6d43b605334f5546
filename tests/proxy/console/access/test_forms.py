"""Forms as a browser sends them, and as nobody but an attacker does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request
from starlette.types import Message

from proxy.console.access.forms import MAX_BYTES, Form, read_form, require_own
from proxy.console.access.sessions import Session
from proxy.console.problems import Problem
from proxy.errors import ClientGone

URLENCODED = "application/x-www-form-urlencoded"


def request(
    *pieces: bytes, content_type: str = URLENCODED, ends: bool = True, **headers: str
) -> Request:
    def messages() -> Iterator[Message]:
        for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
        if ends:
            yield {"type": "http.request", "body": b"", "more_body": False}

    waiting = messages()

    async def receive() -> Message:
        if (message := next(waiting, None)) is not None:
            return message
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    sent = {"content-type": content_type, **headers}
    encoded = [(name.replace("_", "-").encode(), text.encode()) for name, text in sent.items()]
    return Request({"type": "http", "method": "POST", "headers": encoded}, receive)


def read(*pieces: bytes, **options: Any) -> Form:
    return asyncio.run(read_form(request(*pieces, **options)))


def refusal(*pieces: bytes, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(*pieces, **options)
    return caught.value


def test_what_a_browser_sends_is_read_as_it_was_typed():
    typed = {"name": "Ann & Ü\U0001f331=+%", "text": "two\r\nlines", "empty": "", "a b": "c"}

    assert read(urlencode(typed).encode()) == typed


def test_a_form_may_come_in_pieces_and_be_empty():
    assert read(b"a=%C3", b"%A4&", b"b=1") == {"a": "ä", "b": "1"}
    assert read() == {}


def test_of_two_fields_with_one_name_the_last_counts():
    assert read(b"a=1&a=2") == {"a": "2"}


def test_the_media_type_may_have_a_charset_and_any_case():
    given = "Application/X-WWW-Form-Urlencoded; charset=UTF-8"

    assert read(b"a=1", content_type=given) == {"a": "1"}


def test_a_character_that_no_file_takes_is_replaced():
    assert read(b"a=1%002") == {"a": "1\ufffd2"}


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=x", "text/plain", "application/json", ""]
)
def test_another_media_type_is_refused(content_type):
    assert refusal(b"a=1", content_type=content_type).status == 415


def test_a_form_that_is_compressed_is_refused():
    assert refusal(b"a=1", content_encoding="gzip").status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"a",
        b"a=1&",
        b"&",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a%=1",
        b"a=%u1234",
        b"a=%ED%A0%80",  # a lone surrogate
        b"a=\xed\xa0\x80",
        b"a=%ff",
        b"\xff=1",
        b"a=1&" * 5_000 + b"a=1",
        b"&".join(b"f%d=1" % number for number in range(101)),
    ],
)
def test_what_no_browser_sends_is_refused(body):
    problem = refusal(body)

    assert problem.status == 400
    assert "nothing was changed" in str(problem)


def test_a_hundred_fields_are_not_too_many():
    assert len(read(b"&".join(b"f%d=1" % number for number in range(100)))) == 100


def test_a_form_that_is_too_long_is_refused_whether_it_says_so_or_not():
    announced = refusal(b"a=1", content_length=str(MAX_BYTES + 1))
    grown = refusal(*[b"a=" + b"x" * 1024 * 1024] * 5)

    for problem in (announced, grown):
        assert problem.status == 413
        assert "4,194,304 bytes" in str(problem)
        assert problem.headers == {"connection": "close"}


def test_a_form_that_does_not_end_is_given_up():
    with pytest.raises(Problem, match=r"within 0\.01 seconds") as caught:
        asyncio.run(read_form(request(b"a=", ends=False), max_seconds=0.01))

    assert caught.value.status == 408


def test_who_leaves_in_the_middle_is_not_answered():
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", URLENCODED.encode())]
    leaving = Request({"type": "http", "method": "POST", "headers": headers}, gone)
    with pytest.raises(ClientGone):
        asyncio.run(read_form(leaving))


def test_only_a_form_of_the_same_session_counts_as_its_own():
    session, other = Session("Ann"), Session("Bob")

    require_own({"csrf": session.csrf}, session)
    for form in ({}, {"csrf": ""}, {"csrf": other.csrf}, {"csrf": session.csrf + "é"}):
        with pytest.raises(Problem, match="not from a page of your present session"):
            require_own(form, session)
