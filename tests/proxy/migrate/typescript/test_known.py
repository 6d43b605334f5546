"""What is known of the requests of calls in TypeScript, be they rewritten or not."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.migrate import Target
from proxy.migrate.calls import Expression
from proxy.migrate.traits import NOT_SENT, CallTraits
from proxy.migrate.typescript import examine_typescript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
SDK = 'import Anthropic from "@anthropic-ai/sdk";\n'
HEAD = f"{SDK}const c = new Anthropic();\nconst LIMIT = 300;\n"
LEFT_OUT: dict[str, Any] = {
    "temperature": NOT_SENT,
    "top_p": NOT_SENT,
    "top_k": NOT_SENT,
    "stops": (),
}
PLAIN = 'model: "claude-2", max_tokens_to_sample: 9'
KNOWN = CallTraits(model="claude-2", max_tokens=9, stream=False, **LEFT_OUT)


def known(code: str, head: str = HEAD) -> list[CallTraits | None]:
    return [each.traits for each in examine_typescript(f"{head}{code}\n", TARGET).findings]


def of_call(parameters: str) -> CallTraits | None:
    return known(f"const r = await c.completions.create({{ {parameters} }});")[0]


@pytest.mark.parametrize(
    ("parameters", "traits"),
    [
        (f"prompt, {PLAIN}", KNOWN),
        (
            "prompt, model, max_tokens_to_sample: x, temperature: x, stop_sequences: x",
            CallTraits(
                model=Expression("model"),
                limit=Expression("x"),
                top_p=NOT_SENT,
                top_k=NOT_SENT,
                stream=False,
            ),
        ),
        (
            'prompt, model: x ?? "claude-2", max_tokens_to_sample: LIMIT, temperature: 0.5, '
            "top_p: 1, top_k: undefined, stop_sequences: ['a', x], stream: true",
            CallTraits(
                model=Expression('x ?? "claude-2"'),
                max_tokens=300,
                limit=Expression("LIMIT"),
                temperature=0.5,
                top_p=1,
                top_k=NOT_SENT,
                stops=("a", None),
                stream=True,
            ),
        ),
        (f"...rest, {PLAIN}", CallTraits(model="claude-2", max_tokens=9)),
        (f"{PLAIN}, ...rest", CallTraits()),
        (
            f"{PLAIN}, top_k: 1, stream: x, stop_sequences: undefined, "
            "prompt: `You are ${x}.\\n\\nHuman: go\\n\\nAssistant:`",
            CallTraits(
                model="claude-2",
                max_tokens=9,
                temperature=NOT_SENT,
                top_p=NOT_SENT,
                top_k=1,
                stops=(),
                words=("You are",),
            ),
        ),
        (
            f"{PLAIN}, stop_sequences: [x ? '\\n\\nHuman:' : ''], prompt: x ? '\\n\\nHuman:' : ''",
            CallTraits(
                model="claude-2",
                max_tokens=9,
                temperature=NOT_SENT,
                top_p=NOT_SENT,
                top_k=NOT_SENT,
                stream=False,
            ),
        ),
    ],
)
def test_each_parameter_is_read_by_itself(parameters: str, traits: CallTraits):
    assert of_call(parameters) == traits


def test_parameters_in_an_object_are_certain_if_nobody_else_has_it():
    made = f"const p = {{ {PLAIN}, prompt }};\n"
    call = "await c.completions.create(p);"

    assert known(made + call)[-1] == KNOWN
    assert known(f"{made}p.model = x;\n{call}")[-1] == CallTraits()
    assert known(f"export {made}{call}")[-1] == CallTraits()
    assert known("await c.completions.create(build());") == [CallTraits()]


def test_the_first_sdk_says_by_its_method_if_it_streams():
    head = 'import { Client } from "@anthropic-ai/sdk";\nconst c = new Client(key);\n'
    parameters = f"{{ prompt, {PLAIN}, stream: false }}"

    streams = [
        known(f"c.{method}({parameters});", head)[0] for method in ("complete", "completeStream")
    ]
    assert [each.stream for each in streams if each is not None] == [None, True]


def test_bodies_are_certain_unless_they_have_a_name():
    body = f"{{ prompt, {PLAIN} }}"
    bedrock = f"new InvokeModelCommand({{ body: JSON.stringify({body}) }});"

    assert known(f"send(JSON.stringify({body}));") == [KNOWN]
    assert known(f"const body = {body};\nsend(body);") == [CallTraits()]
    assert known(bedrock) == [None]


@pytest.mark.parametrize(
    "code",
    [
        "send({body}, {{ temperature: 0 }});",
        "send(JSON.stringify(Object.assign({body}, more)));",
        "send(JSON.stringify({{ ...{body}, temperature: 0 }}));",
        "class A {{ body = {body}; }}",
        "export default {body};",
    ],
)
def test_a_body_to_which_others_may_add_says_only_what_it_has(code: str):
    body = f"{{ prompt, {PLAIN} }}"

    assert known(code.format(body=body)) == [CallTraits(model="claude-2", max_tokens=9)]


def test_requests_to_other_clouds_are_not_looked_for():
    head = 'import Bedrock from "@anthropic-ai/bedrock-sdk";\nconst c = new Bedrock();\n'

    assert known(f"await c.completions.create({{ prompt, {PLAIN} }});", head) == [None]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (
            'prompt, model: "claude-2.1", max_tokens_to_sample: 9',
            'model: "claude-opus-4-8",\n  max_tokens: 9,',
        ),
        (
            "prompt, model, max_tokens_to_sample: LIMIT",
            "model: model, // one that is served today\n  max_tokens: LIMIT,",
        ),
        ("prompt", 'model: "claude-opus-4-8",\n  max_tokens: 300,'),
    ],
)
def test_the_code_to_write_has_what_is_known(parameters: str, code: str):
    call = f"const r = await c.completions.create({{ {parameters} }});"
    [found] = examine_typescript(f"{HEAD}{call}\n", TARGET).findings

    assert code in found.code
