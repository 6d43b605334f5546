"""Bodies for Bedrock that AWS's SDK sends: which are rewritten, and why others are not."""

# ruff: noqa: E501 - a program on one line can be compared with another

from __future__ import annotations

import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.typescript import examine_javascript, examine_typescript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
IMPORT = 'import { InvokeModelCommand } from "@aws-sdk/client-bedrock-runtime";\n'
VERSION = 'anthropic_version: "bedrock-2023-05-31"'
BODY = '{ prompt: "\\n\\nHuman: Hi\\n\\nAssistant:", max_tokens_to_sample: 9, temperature: 0.5 }'
NEW = 'messages: [{ role: "user", content: "Hi" }], stop_sequences: ["\\n\\nHuman:"], max_tokens: 9, temperature: 0.5 }'
NEW_BODY = f"{{ {VERSION}, {NEW}"
TEXT = '.content.map((block) => (block.type === "text" ? block.text : "")).join("")'


def command(body: str) -> str:
    return f'new InvokeModelCommand({{ modelId: "anthropic.claude-v2", body: {body} }})'


def within(code: str) -> str:
    return f"{IMPORT}async function ask(client, modelId) {{\n{code}\n}}\n"


def sent(body: str, *, then: str = "say(JSON.parse(new TextDecoder().decode(r.body)).completion);"):
    return within(f"const r = await client.send({command(f'JSON.stringify({body})')});\n{then}")


def rewritten(code: str) -> str:
    examined = examine_javascript(code, TARGET)
    (found,) = examined.findings
    assert (found.shape, found.verdict) == ("a body for Bedrock", Verdict.LOOK), found.reasons
    assert "for a model that Bedrock serves to you" in found.reasons[0]
    new = apply_edits(code, examined.edits)
    assert examine_javascript(new, TARGET).edits == ()
    return new


def test_a_body_is_rewritten_for_the_same_model():
    new = rewritten(sent(BODY))

    assert new == sent(NEW_BODY, then=f"say(JSON.parse(new TextDecoder().decode(r.body)){TEXT});")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The body has its version already, a name, and bytes.
        (f"{{ {VERSION}, {BODY[2:]}", f"{{ {VERSION}, {NEW}"),
        (
            BODY.replace("temperature: 0.5", "top_k: 250"),
            NEW_BODY.replace("temperature: 0.5", "top_k: 250"),
        ),
    ],
)
def test_other_entries_of_a_body_stay(old: str, new: str):
    assert f"JSON.stringify({new})" in rewritten(sent(old))


def test_a_body_on_lines_of_its_own_keeps_them():
    body = '{\n  "prompt": `\\n\\nHuman: ${q}\\n\\nAssistant:`,\n  "max_tokens_to_sample": 9,\n}'

    assert (
        '{\n  "anthropic_version": "bedrock-2023-05-31",\n'
        '  "messages": [{ role: "user", content: `${q}` }],\n'
        '  "stop_sequences": ["\\n\\nHuman:"],\n  "max_tokens": 9,\n}'
    ) in rewritten(sent(body)).replace("`, `", "`")


@pytest.mark.parametrize(
    "code",
    [
        # Names that are used once, between the body and where it is sent.
        f"const payload = {BODY};\nconst body = JSON.stringify(payload);\nconst input = {{ modelId, body }};\nconst c = new InvokeModelCommand(input);\nconst r = await client.send(c);\nsay(JSON.parse(r.body.transformToString()).completion);",
        f"const r = await client.send({command(f'new TextEncoder().encode(JSON.stringify({BODY}))')});\nsay(JSON.parse(r.body.transformToString()).completion);",
        # Ways to the JSON of an answer.
        f"const r = await client.send({command(f'JSON.stringify({BODY})')});\nconst bytes = r.body;\nconst text = Buffer.from(bytes).toString();\nconst answer = JSON.parse(text);\nsay(r.$metadata, answer.completion);",
        f"const {{ body }} = await client.send({command(f'JSON.stringify({BODY})')});\nsay(JSON.parse(await body.transformToString()).completion);",
        f"say(JSON.parse(Buffer.from((await client.send({command(f'JSON.stringify({BODY})')})).body).toString()).completion);",
        f"const decoder = new TextDecoder();\nconst r = await client.send({command(f'JSON.stringify({BODY})')});\nsay(JSON.parse(decoder.decode(r.body)).completion);",
    ],
)  # fmt: skip
def test_bodies_and_answers_are_followed_through_names(code: str):
    new = rewritten(within(code))

    assert NEW_BODY in new
    assert TEXT in new
    assert "completion" not in new


def test_a_prompt_with_a_name_is_rewritten_where_it_is():
    code = f"const p = `\\n\\nHuman: ${{q}}\\n\\nAssistant:`;\n{sent('{ prompt: p, max_tokens_to_sample: 9 }').removeprefix(IMPORT)}"
    new = rewritten(IMPORT + code)

    assert "const p = `${q}`;" in new
    assert 'messages: [{ role: "user", content: p }]' in new


READ = "JSON.parse(new TextDecoder().decode(r.body)).completion"
SEND = f"const r = await client.send({command(f'JSON.stringify({BODY})')});\n"
WITHOUT_MODEL = f"const r = await client.send(new InvokeModelCommand({{ body: JSON.stringify({BODY}) }}));\nsay({READ});"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (f"{SEND}say(r);", "It cannot be told what is done with the response in line 4: what reads"),
        (f"{SEND}say(r.body);", "what is done with the response in line 4"),
        (f"{SEND}const text = String(r.body);\nexplain(text);", "what is done with the response in line 5"),
        (f"{SEND}hand(r.body.transformToString);", "what is done with the response in line 4"),
        (f"{SEND}return {{ text: r.body }};", "what is done with the response in line 4"),
        (f"const {{ body, $metadata }} = await client.send({command(f'JSON.stringify({BODY})')});", "what is done with the response: "),
        (f"client.send({command(f'JSON.stringify({BODY})')}).then(say);", "what is done with the response: "),
        (f"hand({command(f'JSON.stringify({BODY})')});", "where the command is sent"),
        (f"const c = {command(f'JSON.stringify({BODY})')};\nhand(c);\nhand(c);", "where the command is sent"),
        (WITHOUT_MODEL, "names no `modelId`"),
        (WITHOUT_MODEL.replace("{ body:", "{ ...options, body:").replace("completion", "completion"), "names no `modelId`"),
        (f"{SEND.replace('prompt: ', '...rest, prompt: ')}say({READ});", "not in sight: `...rest`"),
        (f"{SEND.replace('max_tokens_to_sample: 9', 'max_tokens_to_sample: 9, stream: true')}say({READ});", "a stream of events"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_left_alone(code: str, reason: str):
    examined = examine_javascript(within(code), TARGET)
    found = next(each for each in examined.findings if each.shape == "a body for Bedrock")

    assert examined.edits == ()
    assert found.verdict is Verdict.BY_HAND
    assert reason in found.reasons[0]
    assert VERSION in found.code


@pytest.mark.parametrize(
    "code",
    [
        f"{IMPORT.replace('client-bedrock-runtime', 'client-lambda')}await client.send({command(f'JSON.stringify({BODY})')});",
        f"{IMPORT}await client.send(new InvokeModelWithResponseStreamCommand({{ modelId, body: JSON.stringify({BODY}) }}));",
        f"{IMPORT}await client.send(InvokeModelCommand({{ modelId, body: JSON.stringify({BODY}) }}));",
        f"{IMPORT}await client.send(new InvokeModelCommand({{ modelId, text: JSON.stringify({BODY}) }}));",
        f"{IMPORT}await client.send({command(f'JSON.stringify({BODY}, names)')});",
        f"{IMPORT}await client.send({command(f'sealed({BODY})')});",
        f"{IMPORT}const payload = {BODY};\npayload.prompt += 1;\nawait client.send({command('JSON.stringify(payload)')});",
        f"{IMPORT}const input = {{ modelId, body: JSON.stringify({BODY}) }};\ninput.body = 1;\nawait client.send(new InvokeModelCommand(input));",
        f"{IMPORT}const list = [{BODY}];",
        f"{IMPORT}export default {BODY};",
    ],
)  # fmt: skip
def test_what_is_sent_elsewhere_is_only_listed(code: str):
    examined = examine_javascript(f"{code}\n", TARGET)

    assert examined.edits == ()
    assert {each.verdict for each in examined.findings} == {Verdict.BY_HAND}


def test_a_body_with_a_type_is_only_listed():
    code = within(SEND.replace(BODY, "payload")).replace(
        "const r", f"const payload: Claude = {BODY};\nconst r"
    )
    (found,) = examine_typescript(code, TARGET).findings

    assert found.verdict is Verdict.BY_HAND


def test_in_typescript_blocks_have_a_type():
    assert "(block: any) =>" in apply_edits(
        sent(BODY), examine_typescript(sent(BODY), TARGET).edits
    )


@pytest.mark.parametrize(
    "cast", ["const a: Old = {};\nsay(a.completion);", "say(({} as Old).completion);"]
)
def test_a_type_of_the_answer_has_to_change_with_it(cast: str):
    read = "JSON.parse(new TextDecoder().decode(r.body))"
    (found,) = examine_typescript(sent(BODY, then=cast.replace("{}", read)), TARGET).findings

    assert found.verdict is Verdict.BY_HAND
    assert found.reasons == ("The type `Old` must become that of a message.",)
