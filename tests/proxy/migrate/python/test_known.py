"""What is known of the requests of calls in Python, be they rewritten or not."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.migrate import Target
from proxy.migrate.calls import Expression
from proxy.migrate.python import examine
from proxy.migrate.traits import NOT_SENT, CallTraits
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = "import anthropic, json, requests\n\nc = anthropic.Anthropic()\nLIMIT = 300\nHEAT = 0.5\n"
LEFT_OUT: dict[str, Any] = {
    "temperature": NOT_SENT,
    "top_p": NOT_SENT,
    "top_k": NOT_SENT,
    "stops": (),
}
PLAIN = 'model="claude-2", max_tokens_to_sample=9'
KNOWN = CallTraits(model="claude-2", max_tokens=9, stream=False, **LEFT_OUT)


def known(code: str, head: str = HEAD) -> list[CallTraits | None]:
    return [each.traits for each in examine(f"{head}{code}\n", TARGET).findings]


def of_call(arguments: str) -> CallTraits | None:
    return known(f"def ask(prompt, x, rest):\n    return c.completions.create({arguments})")[0]


@pytest.mark.parametrize(
    ("arguments", "traits"),
    [
        (f"prompt=prompt, {PLAIN}", KNOWN),
        (
            "prompt=prompt, model=x, max_tokens_to_sample=x, temperature=x, stop_sequences=x",
            CallTraits(
                model=Expression("x"),
                limit=Expression("x"),
                top_p=NOT_SENT,
                top_k=NOT_SENT,
                stream=False,
            ),
        ),
        (
            'prompt=prompt, model="claude-2", max_tokens_to_sample=LIMIT, temperature=HEAT, '
            "top_p=-1, top_k=None, stop_sequences=['a', x], stream=True",
            CallTraits(
                model="claude-2",
                max_tokens=300,
                limit=Expression("LIMIT"),
                temperature=0.5,
                top_p=-1,
                top_k=NOT_SENT,
                stops=("a", None),
                stream=True,
            ),
        ),
        (f"{PLAIN}, **rest", CallTraits(model="claude-2", max_tokens=9)),
        (f"{PLAIN}, extra_body=x", CallTraits(model="claude-2", max_tokens=9)),
        (
            f"{PLAIN}, temperature=x, stream=x, stop_sequences=None, prompt=f'Be.{{x}}'",
            CallTraits(model="claude-2", max_tokens=9, top_p=NOT_SENT, top_k=NOT_SENT, stops=()),
        ),
        (
            "model='claude-2', max_tokens_to_sample=1.5, top_k=1, "
            "stop_sequences=[x if x else '\\n\\nHuman:'], "
            "prompt=f'You are {x}. Answer.\\n\\nHuman: go\\n\\nAssistant:'",
            CallTraits(
                model="claude-2",
                temperature=NOT_SENT,
                top_p=NOT_SENT,
                top_k=1,
                stream=False,
                words=("You are", ". Answer."),
            ),
        ),
        (f"{PLAIN}, prompt=x if x else '\\n\\nHuman:'", KNOWN),
    ],
)
def test_each_argument_is_read_by_itself(arguments: str, traits: CallTraits):
    assert of_call(arguments) == traits


def test_calls_that_are_rewritten_say_it_too():
    prompt = 'prompt="\\n\\nHuman: Hello\\n\\nAssistant:"'

    assert known(f"print(c.completions.create({PLAIN}, {prompt}).completion)") == [
        CallTraits(model="claude-2", max_tokens=9, stream=False, words=("Hello",), **LEFT_OUT)
    ]


def test_parameters_in_a_dictionary_are_certain_if_nobody_else_has_it():
    made = 'p = {**x, "model": "claude-2", "max_tokens_to_sample": 9}\n'
    call = "c.completions.create(**p)"
    traits = CallTraits(model="claude-2", max_tokens=9)

    assert known(made + call) == [traits]
    assert known(f"{made}p['model'] = x\n{call}") == [CallTraits()]
    assert known(
        'c.completions.create(**{"model": "claude-2", "max_tokens_to_sample": 9, **x})'
    ) == [CallTraits()]


def test_streams_of_the_first_sdk_say_it_by_their_method():
    old = "import anthropic\n\nc = anthropic.Client('k')\n"

    assert known(f"c.completion_stream(prompt=x(), {PLAIN})", old)[0] == CallTraits(
        model="claude-2", max_tokens=9, stream=True, **LEFT_OUT
    )


def test_bodies_of_posts_are_certain_unless_they_are_used_twice():
    body = '{"model": "claude-2", "max_tokens_to_sample": 9, "prompt": x()}'

    assert known(f"requests.post(URL, json={body})") == [KNOWN]
    assert known(f"body = {body}\nrequests.post(URL, json=body)") == [KNOWN]
    assert known(f"body = {body}\nchange(body)\nrequests.post(URL, json=body)") == [CallTraits()]
    assert known(f"o.body = {body}\nrequests.post(URL, json=o.body)") == [CallTraits()]


@pytest.mark.parametrize(
    "code",
    [
        "send({body}, temperature=0)",
        "requests.post(URL, {body})",
        "requests.post(URL, json={body} | {{'temperature': 0}})",
        "requests.post(URL, json={{**{body}, 'temperature': 0}})",
        "class A:\n    body = {body}",
    ],
)
def test_a_body_to_which_others_may_add_says_only_what_it_has(code: str):
    body = '{"model": "claude-2", "max_tokens_to_sample": 9, "prompt": x()}'

    assert known(code.format(body=body))[0] == CallTraits(model="claude-2", max_tokens=9)


def test_requests_to_other_clouds_are_not_looked_for():
    body = "json.dumps({'max_tokens_to_sample': 9, 'prompt': x})"
    bedrock = f"client.invoke_model(modelId=x, body={body})"
    client = "import anthropic\n\nc = anthropic.AnthropicBedrock()\n"

    assert known(bedrock) == [None]
    assert known(f"c.completions.create(prompt=x, {PLAIN})", client) == [None]


def test_objects_of_langchain_say_only_what_they_give():
    head = "from langchain_anthropic import AnthropicLLM\n\n"
    given = CallTraits(model="claude-2", max_tokens=9, temperature=0.5, top_p=1, top_k=2)

    assert known("chain(AnthropicLLM())", head) == [CallTraits()]
    assert known(f"chain(AnthropicLLM({PLAIN}, temperature=0.5, top_p=1, top_k=2))", head) == [
        given
    ]
    assert known("", head) == [None]
