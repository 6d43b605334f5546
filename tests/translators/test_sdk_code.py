"""What the code says; that it runs is shown in `tests/clients`."""

import ast
import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.adjustments import EXPLANATIONS, AdjustmentKind
from translators.models.known import KNOWN_MODELS
from translators.plan import Plan, Policy, plan_request
from translators.sdk_code import LANGUAGES, as_code
from translators.wire.completion_requests import (
    CompletionMetadata,
    CompletionRequest,
    DecodedRequest,
)
from translators.wire.dialects import V2


def plan(prompt: str = "\n\nHuman: Hi\n\nAssistant:", **fields) -> Plan:
    defaults: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens_to_sample": 5}
    unknown = fields.pop("unknown", ())
    request = CompletionRequest(prompt=prompt, **(defaults | fields))
    policy = Policy(catalogue=replace(KNOWN_MODELS, overrides={"mapped*": "claude-opus-4-8"}))
    return plan_request(DecodedRequest(request, unknown), V2, policy, today="2026-11-23")


def test_python_reads_like_a_person_wrote_it():
    assert as_code(plan(), "python") == (
        "import anthropic\n"
        "\n"
        "client = anthropic.Anthropic()\n"
        "message = client.messages.create(\n"
        '    model="claude-haiku-4-5",\n'
        "    max_tokens=5,\n"
        "    messages=[\n"
        "        {\n"
        '            "role": "user",\n'
        '            "content": "Hi"\n'
        "        }\n"
        "    ],\n"
        "    stop_sequences=[\n"
        '        "\\n\\nHuman:"\n'
        "    ],\n"
        ")\n"
        'print("".join(block.text for block in message.content if block.type == "text"))\n'
    )


def test_sampling_goes_round_the_signature_and_asks_for_the_version_that_has_it():
    code = as_code(plan(temperature=0.5), "python")

    assert 'extra_headers={"anthropic-version": "2023-06-01"},' in code
    assert 'extra_body={\n        "temperature": 0.5\n    },' in code
    code = as_code(plan(temperature=0.5), "typescript")
    assert '  ...{\n      "temperature": 0.5\n  },\n' in code
    assert '}, { headers: { "anthropic-version": "2023-06-01" } });' in code


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_call_has_changed_is_said_in_comments(language: str):
    code = as_code(
        plan("\n\nHuman: Hi\n\nAssistant: {\n", top_k=-1, metadata=CompletionMetadata("u" * 513)),
        language,
    )

    mark = "//" if language == "typescript" else "#"
    comments = [line for line in code.split("\n") if line.startswith(mark)]
    assert comments == [
        f"{mark} prompt: '\\n' -> nothing. {EXPLANATIONS[AdjustmentKind.TRIM_PREFILL]}",
        f"{mark} top_k: -1 -> nothing. {EXPLANATIONS[AdjustmentKind.DROP_NO_EFFECT_VALUE]}",
        f"{mark} metadata.user_id: 513 characters -> its keyed digest. "
        f"{EXPLANATIONS[AdjustmentKind.REPLACE_USER_ID]}",
        f"{mark} Take '\\n' off the start of the text, as far as it is there.",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_white_space_after_the_last_marker_is_named_where_it_was_taken_off(language: str):
    assert "prompt: white space -> nothing. White space after the final" in as_code(
        plan("\n\nHuman: Hi\n\nAssistant: "), language
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_holdover_did_after_the_answer_is_left_to_the_reader_by_name(language: str):
    code = as_code(
        plan("\n\nHuman: Hi\n\nAssistant: {", model="claude-opus-4-8", stop_sequences=("\n",)),
        language,
    )

    assert 'Cut the text at "\\n" yourself.' in code
    assert 'Take "{" off the start of the text if it is there.' in code


@pytest.mark.parametrize(
    ("language", "streams"),
    [
        ("python", "for text in stream.text_stream:"),
        ("typescript", "client.messages.stream({"),
        ("curl", '"stream": true'),
    ],
)
def test_a_stream_stays_a_stream(language: str, streams: str):
    assert streams in as_code(plan(stream=True), language)
    assert streams not in as_code(plan(), language)


HOSTILE = st.text(st.sampled_from("'\"\\`$(\n\u2028*/#a"))


@given(said=HOSTILE, system=HOSTILE, stop=HOSTILE, named=HOSTILE)
def test_nothing_a_client_says_gets_out_of_its_quotes(
    said: str, system: str, stop: str, named: str
):
    asked = plan(
        f"x{system}\n\nHuman: x{said}\n\nAssistant: {{{said}x",
        model=f"mapped{named}",
        unknown=(f"x{named}",),
        stop_sequences=(stop, " "),
    )

    statements = ast.parse(as_code(asked, "python")).body
    assert [type(statement) for statement in statements] == [
        *(ast.Import, ast.Assign, ast.Assign, ast.Expr)
    ]
    call: Any = statements[2]
    assert ast.literal_eval(call.value.keywords[2].value)[0]["content"] == (
        asked.request.messages[0].content
    )
    lines = [line for line in as_code(asked, "curl").split("\n") if not line.startswith("# ")]
    words = shlex.split("\n".join(lines))
    sent = json.loads(words[-1])
    assert sent["messages"][0]["content"] == asked.request.messages[0].content


@pytest.mark.parametrize(("tokens", "streams"), [(21_333, False), (21_334, True)])
def test_an_answer_too_long_to_wait_for_is_streamed(tokens, streams):
    asked = plan(max_tokens_to_sample=tokens)

    assert ("messages.stream(" in as_code(asked, "python")) is streams
    assert ("messages.stream(" in as_code(asked, "typescript")) is streams


@pytest.mark.parametrize("hidden", ["\U000e0041", "\U0010fffd"])
def test_python_is_told_what_cannot_be_shown_in_one_piece(hidden: str):
    code = as_code(plan(f"\n\nHuman: a{hidden}🎉\n\nAssistant:"), "python")

    assert f'"content": "a\\U{ord(hidden):08x}🎉"' in code
    assert ast.literal_eval(f'"a\\U{ord(hidden):08x}"') == f"a{hidden}"
