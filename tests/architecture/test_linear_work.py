"""
No text that a client or an upstream can think of costs more than its length.

For each parser and scanner of `translators/`: hostile texts, once, twice and
four times as long, the work that they make, and how much of it there is at
most for each part. A text that is found to cost more than that belongs in here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import pytest

from tests.work import Work, counted, is_linear, work_of

pytestmark = pytest.mark.unmeasured

SIZES: Final = (100, 200, 400)
Run: TypeAlias = Callable[[], object]


class Shape(NamedTuple):
    """Something hostile, and what each of its parts may cost."""

    module: str
    name: str
    most: Work
    prepare: Callable[[Any, int], Run]
    """From a module that counts, and how many parts there are to be, to what is done with them."""
    part: int = 1
    """How many characters a part has, where the cost is that of each."""


SHAPES: list[Shape] = []


def shape(
    module: str, *, steps: int, handed: int
) -> Callable[[Callable[[Any, int], Run]], Callable[[Any, int], Run]]:
    """Add what a function prepares from a number of parts."""

    def add(prepare: Callable[[Any, int], Run]) -> Callable[[Any, int], Run]:
        SHAPES.append(Shape(module, prepare.__name__, Work(steps, handed), prepare))
        return prepare

    return add


def repeating(
    parts: Iterable[str | bytes], module: str, *, steps: int, handed: int
) -> Callable[[Callable[[Any, Any], Run]], None]:
    """Add what a function prepares from each of some short texts, repeated so many times."""

    def add(prepare: Callable[[Any, Any], Run]) -> None:
        for part in parts:
            name = f"{prepare.__name__} {part!r}"
            run = partial(of_text, prepare, part)
            SHAPES.append(Shape(module, name, Work(steps, handed), run, len(part)))

    return add


def of_text(prepare: Callable[[Any, Any], Run], part: str | bytes, counting: Any, size: int) -> Run:
    return prepare(counting, part * size)


def tried(function: Callable[..., object], *handed: object) -> object:
    """To be refused is as good as anything."""
    with suppress(counted("translators.errors").TranslationError):
        return function(*handed)
    return None


def pieces(text: Any, size: int) -> list[Any]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def request(**fields: object) -> Any:
    told = {"model": "claude-sonnet-4-6", "prompt": "\n\nHuman: Hi", "max_tokens_to_sample": 9}
    return counted("translators.wire.completion_requests").CompletionRequest(**told | fields)


def decoded(**fields: object) -> Any:
    return counted("translators.wire.completion_requests").DecodedRequest(request(**fields))


def plan(**fields: object) -> Any:
    planning, versions = counted("translators.plan"), counted("translators.wire.dialects")
    return planning.plan_request(
        decoded(**fields), versions.V2, planning.Policy(), today="2026-11-22"
    )


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "prompt": "p", "max_tokens_to_sample": 9} | fields).encode()


# Stop sequences, beside an echo and in what is said.


@shape("stops", steps=80, handed=100)
def as_many_sequences_as_fit_in_a_long_echo(stops, size):
    asked = tuple(f"{number:04x}" for number in range(size))
    return lambda: stops.plan_stops(asked, echo="0123456789abcdef" * (size // 4))


@shape("stops", steps=110, handed=40)
def a_sequence_that_an_echo_nearly_holds(stops, size):
    return lambda: stops.plan_stops(("a" * size + "b",), echo="a" * 4 * size)


@shape("stops", steps=110, handed=40)
def sequences_that_are_complete_in_every_place(stops, size):
    asked = tuple("a" * length for length in range(1, int(size**0.5)))
    return lambda: stops.plan_stops(asked, echo="a" * 4 * size)


@shape("stops", steps=110, handed=40)
def sequences_that_have_all_begun_at_the_end_of_an_echo(stops, size):
    asked = tuple("a" * length + "b" for length in range(int(size**0.5)))
    return lambda: stops.plan_stops(asked, echo="a" * 4 * size)


@shape("stops", steps=20, handed=150)
def many_blank_sequences(stops, size):
    asked = tuple(map("".join, islice(product(" \t\n\r\v\f\u2000\u2001", repeat=4), size)))
    return lambda: stops.plan_stops(asked)


@shape("stops", steps=20, handed=100)
def many_sequences_for_upstream(stops, size):
    asked = tuple(f"{number:05}" for number in range(size))
    return lambda: stops.plan_stops(asked, gains_leading_space=True)


@shape("stop_scanner", steps=20, handed=10)
def more_beginnings_than_a_pattern_can_look_for(stop_scanner, size):
    scanner = stop_scanner.StopScanner(tuple(chr(0x20000 + 2 * number) for number in range(size)))
    return lambda: scanner.feed("\U00020001" * size)


@shape("stop_scanner", steps=40, handed=10)
def a_sequence_that_is_nearly_said_in_small_pieces(stop_scanner, size):
    scanner = stop_scanner.StopScanner(("\n" * size,))
    return lambda: [*map(scanner.feed, "\n" * (size - 1)), scanner.flush()]


@shape("stop_scanner", steps=40, handed=10)
def sequences_that_begin_again_and_again(stop_scanner, size):
    scanner = stop_scanner.StopScanner(("\n" * size, "ab" * size + "c"))
    return lambda: [*map(scanner.feed, "\n\n\na" + "ab" * (size // 2 - 2)), scanner.flush()]


@shape("automaton", steps=200, handed=40)
def sequences_that_differ_at_their_ends(automaton, size):
    return lambda: automaton.Automaton(["ab" * size, "ba" * size, "a" * size, "b" * size])


# Prefills.


@shape("continuation", steps=15, handed=10)
def trimmed_space_that_is_said_again_in_small_pieces(continuation, size):
    remover = continuation.PrefixRemover(" " * size)
    return lambda: [*map(remover.feed, " " * size)]


@shape("continuation", steps=150, handed=300)
def an_echo_that_breaks_off_after_much_white_space(continuation, size):
    joiner = continuation.PrefillJoiner("a" * 8 * size)
    return lambda: [*map(joiner.feed, " " * size + "a" * 4 * size + "b")]


@shape("continuation", steps=150, handed=400)
def a_quoted_echo_that_breaks_off_after_much_white_space(continuation, size):
    joiner = continuation.PrefillJoiner("a" * 8 * size)
    return lambda: [*map(joiner.feed, " " * size + '"' + "a" * 4 * size + "b")]


@shape("continuation", steps=60, handed=500)
def words_that_are_nearly_the_end_of_a_long_prefill(continuation, size):
    joiner = continuation.PrefillJoiner("a " * 8 * size)
    return lambda: [*map(joiner.feed, "a" * 200 + "b" * size), joiner.flush()]


@shape("prefill", steps=1, handed=50)
def a_prefill_of_braces_and_white_space(prefill, size):
    prompt = counted("translators.prompt")
    conversation = prompt.Conversation(None, (), "{}" * size + "\n" * size)
    return lambda: [
        prefill.plan_prefill(conversation, takes_prefill=takes, strategy=strategy)
        for takes in (True, False)
        for strategy in ("continue", "instruct")
    ]


@shape("completion_text", steps=200, handed=100)
def an_echo_then_its_space_then_nearly_a_stop_in_small_pieces(completion_text, size):
    text = completion_text.CompletionText(
        plan(
            prompt="\n\nHuman: Hi\n\nAssistant: " + "a" * 4 * size + " " * size,
            stop_sequences=("\n" * size,),
        )
    )
    said = "a" * 4 * size + " " * size + "\n" * (size - 1) + "x"
    return lambda: [*map(text.feed, said), text.flush()]


# Prompts.

PROMPTS: Final = (
    *(
        "\n\nHuman: a\n\nAssistant: b",
        "\n\nHuman: a",
        "\n\nHuman:",
        "\n\nHuman:\n",
        "\n\nAssistant:",
    ),
    *("\n", " ", "\u2003", "\n\n ", "\n\nHuman", "Assistant:", "a ", "\n\nHuman: Assistant:\n"),
    *("\nHuman:", "\nHuman: a\nAssistant: b"),
)


@repeating(PROMPTS, "prompt", steps=10, handed=100)
def a_prompt_of(prompt, text):
    def run():
        tried(lambda: prompt.render_prompt(prompt.parse_prompt(f"x{text}").conversation))
        tried(prompt.parse_prompt, text)
        tried(prompt.parse_prompt, f"{text}Human: x")
        tried(prompt.parse_prompt, f"\n\nAssistant: x{text}\nAssistant:")

    return run


@shape("legacy_features", steps=5, handed=10)
def features_of_many_stops(features, size):
    parsed = counted("translators.prompt").parse_request(decoded(stop_sequences=("",) * size))
    return lambda: features.features_of(parsed)


# What holds them.


DOCUMENTS: Final = (
    *(rb"\ud83d", rb"\ude00", rb"a\ud83d", rb"\ud83d\ude00", rb"\ud83d\ud83d\ude00", rb"\u"),
    *(b"\\\\", rb"\\ud83d", b"\xed\xa0\xbd", b"a\xed\xa0\xbd", b"\xed", b"\xff"),
)


@repeating(DOCUMENTS, "wire.surrogates", steps=0, handed=20)
def a_document_of(surrogates, text):
    return lambda: surrogates.replace_lone_surrogates(b'"' + text + b'"')


@shape("wire.completion_requests", steps=10, handed=150)
def a_request_with_many_unknown_fields(requests, size):
    said = body(**{f"f{number:04}": 1 for number in range(size)})
    return lambda: requests.decode_completion_request(said)


@shape("wire.completion_requests", steps=10, handed=150)
def a_request_with_much_unknown_metadata(requests, size):
    said = body(metadata={f"f{number:04}": 1 for number in range(size)})
    return lambda: requests.decode_completion_request(said)


@shape("wire.completion_requests", steps=5, handed=100)
def a_request_with_many_stops_of_which_one_is_none(requests, size):
    said = body(stop_sequences=["a"] * size + [1])
    return lambda: tried(requests.decode_completion_request, said)


@repeating(("\ud83d", "\0", "`", "$.[...]"), "wire.completion_requests", steps=1, handed=200)
def a_request_with_fields_of(requests, text):
    said = (body(prompt=text), body(tags={text: 1}))
    return lambda: [tried(requests.decode_completion_request, each) for each in said]


@repeating(("2023-06-01", "\xa0", '"'), "wire.dialects", steps=0, handed=5)
def a_version_of(versions, text):
    return lambda: tried(versions.dialect_of, text)


@shape("models.catalogue", steps=1, handed=60)
def a_name_that_patterns_nearly_match(catalogue, size):
    patterns = ("*a*a*a*b", "*?????b*", "*[a-z]*[a-z]*x")
    models = catalogue.Catalogue(models=(), overrides=dict.fromkeys(patterns, "x"))
    return lambda: models.resolve("a" * size, "2026-11-22")


NAMES: Final = (
    *(
        "a",
        "/",
        ".",
        "-v1",
        ":1",
        ":1k",
        ":a-",
        "@",
        "us.",
        "anthropic.",
        "claude-",
        "claude-2",
        "1.",
    ),
    *("claude-4-5-", "-latest", "-haiku"),
)


@repeating(NAMES, "models.names", steps=2, handed=170)
def a_name_of(names, text):
    return lambda: [
        (list(names.plain_names(name)), names.legacy_family(name))
        for name in (text, f"claude-{text}", f"anthropic.claude-haiku-4-5{text}!")
    ]


@shape("models.catalogue", steps=10, handed=20)
def models_that_all_have_retired(catalogue, size):
    models = catalogue.Catalogue(
        models=tuple(
            catalogue.Model(id=f"m{number:04}", retires="2020-01-01", successor=f"m{number + 1:04}")
            for number in range(size)
        )
    )
    return lambda: models.resolve("m0000", "2026-11-22")


@shape("plan", steps=100, handed=250)
def a_request_with_many_turns_stops_and_a_long_prefill(_, size):
    return lambda: plan(
        prompt="\n\nHuman: a" * size + "\n\nAssistant: " + "123 " * size,
        stop_sequences=tuple(f"{number:04}" for number in range(size)),
    )


@shape("sdk_code", steps=50, handed=5_000)
def a_plan_with_many_turns_and_stops(code, size):
    made = plan(prompt="\n\nHuman: a\n\nAssistant: b'" * size, stop_sequences=("\n", "\t") * size)
    return lambda: [code.as_code(made, language) for language in code.LANGUAGES]


# What upstream says.

MESSAGES: Final = (
    *(
        "messages",
        "messages.a.",
        ".output_config",
        "Error: ",
        "system.",
        "`system`",
        "`messages`system`",
        "`",
        ".",
        "max_tokens:",
    ),
    *("max_tokens: 1 > 2", "`temperature` ", "1", "max_tokens: 1 > "),
)


def refusal(text: str) -> bytes:
    return json.dumps({"error": {"type": "invalid_request_error", "message": text}}).encode()


@repeating(MESSAGES, "api_errors", steps=1, handed=40)
def an_error_of(api_errors, text):
    bodies = refusal(text), refusal(f"messages.{text}")
    return lambda: [api_errors.translate_error(400, said) for said in bodies]


@repeating(('{"msg":"a"},', '{"detail":', "[", '"a",'), "wire.error_bodies", steps=10, handed=100)
def an_error_of_others_with(error_bodies, text):
    bodies = f'{{"detail":[{text}0]}}'.encode(), f'{{"message":"{len(text)}{text}'.encode()
    return lambda: [*map(error_bodies.decode_error, bodies)]


@repeating(MESSAGES, "refusal_lessons", steps=1, handed=100)
def a_refusal_of(lessons, text):
    bodies = refusal(text), refusal(f"max_tokens: {text}"), refusal(f"max_tokens: 1 > {text}, ")
    return lambda: [*map(lessons.learn, bodies)]


def event(kind: str, **fields: object) -> bytes:
    return b"data: %s\n\n" % json.dumps({"type": kind, **fields}).encode()


START: Final = event("message_start", message={"id": "msg_1"})
EVENTS: Final = (
    event("ping"),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
    event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "a"}),
    event("content_block_start", index=0, content_block={"type": "text", "text": "a"}),
    event("message_delta", delta={}, usage={"output_tokens": 1}),
    event("error", error={"type": "overloaded_error", "message": "a"}),
    event("of_tomorrow"),
    b": a comment\n\n",
    b"data\n\n",
)


@repeating(EVENTS, "stream", steps=10, handed=50)
def a_stream_of(stream, said):
    translator = stream.StreamTranslator(plan(stop_sequences=("\n\n",)))
    return lambda: [*map(translator.feed, pieces(START + said, 50)), translator.close()]


@repeating(EVENTS, "wire.stream_assembly", steps=10, handed=50)
def a_recorded_stream_of(reassembly, said):
    return lambda: reassembly.reassemble_message([(0.0, each) for each in pieces(START + said, 50)])


@shape("wire.stream_assembly", steps=200, handed=4_000)
def a_recorded_stream_of_many_blocks(reassembly, size):
    said = START + b"".join(
        event("content_block_delta", index=number, delta={"type": "text_delta", "text": "a"})
        for number in range(size)
    )
    return lambda: reassembly.reassemble_message([(0.0, said)])


@shape("wire.stream_assembly", steps=50, handed=1_500)
def a_recorded_completion_in_small_frames(reassembly, size):
    said = event("completion", completion="a") * size
    return lambda: [
        reassembly.reassemble_completion([(0.0, said)], is_cumulative=is_cumulative)
        for is_cumulative in (True, False)
    ]


@shape("wire.completion_parsing", steps=30, handed=1_500)
def a_completion_in_small_frames(reading, size):
    versions = counted("translators.wire.dialects")
    said = event("completion", completion="a") * size + event("completion", stop_reason="stop")
    return lambda: [
        reading.read_completion_stream(said, dialect) for dialect in (versions.V1, versions.V2)
    ]


LINES: Final = (
    *(b":\n", b"data\n", b"data:\n", b"data: x\n\n", b"data: x\r\n\r\n", b"\r", b"\n", b"x"),
    *(b"event: x\n", b"data: data: ", b"data: x\ndata: y\n\n", b"\n\nx", b"data: x\n\ndata\n"),
)


@repeating(LINES, "wire.sse", steps=60, handed=100)
def lines_of(sse, said):
    def run():
        for size in (1, len(said)):
            decoder = sse.SSEDecoder()
            for piece in pieces(said, size):
                decoder.feed(piece)

    return run


@repeating((" ", "\n", "\u2003", "a "), "steps", steps=50, handed=30_000)
def white_space_at_both_ends_of(steps, text):
    return lambda: [
        steps.completed(each(text * 1_000))
        for each in (steps.leading_space_length, steps.rstripped_length, steps.is_blank)
    ]


@repeating(("\ud83d", "\U0001f600", "\\", "\n", "a"), "wire.long_json", steps=100, handed=200_000)
def a_long_document_of(long_json, text):
    said = json.dumps({"prompt": text * 1_000}).encode()
    steps = counted("translators.steps")
    return lambda: steps.completed(long_json.read_json(said, len))


@repeating(EVENTS, "wire.messages", steps=10, handed=50)
def events_like(messages, said):
    events = said.split(b"\n\n")
    return lambda: [tried(messages.decode_event, each.removeprefix(b"data: ")) for each in events]


@shape("message", steps=10, handed=50)
def a_message_of_many_blocks(response, size):
    messages, made = counted("translators.wire.messages"), plan(stop_sequences=("\n",))
    content = tuple(messages.ContentBlock("text", "ab ") for _ in range(size))
    message = messages.AnsweredMessage("msg_1", content=content, stop_reason="end_turn")
    return lambda: response.as_chunks(response.translate_message(message, made))


@shape("wire.completions", steps=20, handed=1_500)
def a_completion_in_many_chunks(completions, size):
    versions = counted("translators.wire.dialects")
    encoder = completions.FrameEncoder(versions.V2, id="compl_1", model="claude-2.1")
    chunks = [completions.TextChunk("a")] * size
    return lambda: [*map(encoder.encode, chunks), encoder.encode_texts(["a"] * size)]


@shape("models.listing", steps=60, handed=600)
def a_list_of_many_models(listing, size):
    known = counted("translators.models.known").KNOWN_MODELS
    said = json.dumps({"data": [{"id": f"m{number:04}"} for number in range(size)]}).encode()
    return lambda: listing.differences(known, listing.decode_listing(said).data, "2026-11-22")


@pytest.mark.one_in(12)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.module}: {shape.name}")
def test_twice_as_much_makes_no_more_than_twice_the_work(shape):
    counting = counted(f"translators.{shape.module}")
    works = [work_of(shape.prepare(counting, size)) for size in SIZES]

    assert is_linear(works)
    characters = shape.part * SIZES[-1]
    assert works[-1].steps <= shape.most.steps * characters + 100
    assert works[-1].handed <= shape.most.handed * characters + 1_000


TRANSLATORS: Final = Path(__file__).parents[2] / "translators"
WITHOUT_TEXTS: Final = {
    "adjustments",
    "errors",
    "models.known",
    "sampling",
    "token_budget",
    "stop_reasons",
}
"""Modules that look at no text of others, or at none beyond whether it is this or that word."""


def test_every_translator_of_texts_has_a_hostile_one():
    modules = {
        ".".join(path.relative_to(TRANSLATORS).with_suffix("").parts)
        for path in TRANSLATORS.rglob("*.py")
        if path.name != "__init__.py"
    }

    assert {shape.module for shape in SHAPES} == modules - WITHOUT_TEXTS
