"""Whole conversations, at the level of bytes: see tests/corpus/README.md."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from translators import (
    PING_FRAME,
    FrameEncoder,
    PingChunk,
    Policy,
    StreamTranslator,
    TranslationError,
    decode_completion_request,
    decode_message,
    dialect_of,
    encode_completion,
    encode_error,
    encode_request,
    plan_request,
    translate_error,
    translate_message,
)

pytestmark = pytest.mark.without_coverage

CORPUS = Path(__file__).parents[1] / "corpus"
CASES = sorted(path.parent for path in CORPUS.glob("*/request.json"))
VERSIONS = ("2023-01-01", "2023-06-01")
TODAY = "2026-11-22"


def about(case):
    """What a case says of itself; most need not say anything."""
    path = case / "case.toml"
    return tomllib.loads(path.read_text()) if path.exists() else {}


def plan_of(case, version):
    settings = about(case)
    return plan_request(
        decode_completion_request((case / "request.json").read_bytes()),
        dialect_of(version),
        Policy(**settings.get("policy", {})),
        today=settings.get("today", TODAY),
        betas=settings.get("betas"),
    )


def answer(case, version, pieces_of):
    """The bytes a legacy client gets, from the bytes it and the upstream sent."""
    try:
        plan = plan_of(case, version)
    except TranslationError as exc:
        return encode_error(exc.error_type, str(exc), None)
    if "status" in about(case):
        return refusal(case)
    if plan.is_streamed:
        return stream(plan, pieces_of((case / "upstream.sse").read_bytes()))
    message = decode_message((case / "upstream.json").read_bytes())
    return encode_completion(translate_message(message, plan), plan.dialect)


def refusal(case):
    status = about(case)["status"]
    error = translate_error(status, (case / "upstream.json").read_bytes())
    assert error.status == about(case).get("told", status)
    return encode_error(error.type, error.message, error.request_id)


def stream(plan, pieces):
    translator = StreamTranslator(plan)
    chunks = [chunk for piece in pieces for chunk in translator.feed(piece)]
    chunks += translator.close()
    encoder = FrameEncoder(
        plan.dialect,
        id=translator.completion_id,
        model=plan.echoed_model or translator.message.model or plan.sent_model,
    )
    return b"".join(map(encoder.encode, chunks))


def whole(document):
    return [document]


def byte_by_byte(document):
    return [bytes([byte]) for byte in document]


def expected(case, version):
    """Answers differ by dialect; errors do not."""
    paths = [*case.glob(f"completion.{version}.*"), *case.glob("error.json")]
    assert len(paths) == 1
    return paths[0].read_bytes()


@pytest.mark.parametrize("pieces_of", [whole, byte_by_byte])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_client_hears_what_the_legacy_api_would_have_said(case, version, pieces_of):
    assert answer(case, version, pieces_of) == expected(case, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "case", [path.parent for path in CORPUS.glob("*/messages.json")], ids=lambda case: case.name
)
def test_upstream_hears_the_messages_request_and_the_operator_what_was_changed(case, version):
    plan = plan_of(case, version)
    changes = [f"{a.kind.value} {a.field}: {a.asked} -> {a.sent}" for a in plan.adjustments]

    messages = (case / "messages.json").read_bytes()
    assert msgspec.json.decode(encode_request(plan.request)) == msgspec.json.decode(messages)
    path = case / "adjustments.txt"
    assert changes == (path.read_text().splitlines() if path.exists() else [])


RECORDED = sorted(CORPUS.glob("*/recorded.*"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name} {path.suffixes}")
def test_the_answer_is_the_recorded_one_ids_padding_and_pings_aside(path):
    version = path.name.split(".")[1]

    ours = comparable(expected(path.parent, version))
    assert ours == comparable(path.read_bytes())


def comparable(document):
    """Without what differs between two calls, or between 2023 and 2024."""
    without_padding = re.sub(rb" +}", b"}", document)
    without_v1_pings = re.sub(rb"event: ping\r\ndata: \d[^\r]*\r\n\r\n", b"", without_padding)
    of_2023 = re.sub(rb'"type":"completion","id":"[^"]*",', b"", without_v1_pings)
    return re.sub(rb'"log_id":"[^"]*"', b'"log_id":""', of_2023)


def test_the_corpus_is_there_and_every_file_in_it_is_looked_at():
    names = {
        *("request.json", "case.toml", "messages.json", "adjustments.txt", "error.json"),
        *("upstream.json", "upstream.sse"),
        *(
            f"{kind}.{v}.{form}"
            for kind in ("completion", "recorded")
            for v in VERSIONS
            for form in ("json", "sse")
        ),
    }

    assert len(CASES) >= 25
    assert {path.parent for path in CORPUS.glob("*/*")} == set(CASES)
    assert {path.name for path in CORPUS.glob("*/*")} <= names


def test_pings_are_relayed_where_clients_survive_them():
    assert FrameEncoder(dialect_of("2023-06-01"), id="", model="").encode(PingChunk()) == PING_FRAME
    assert FrameEncoder(dialect_of(None), id="", model="").encode(PingChunk()) == b""
