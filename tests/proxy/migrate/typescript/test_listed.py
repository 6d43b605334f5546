"""What is left to a person is listed with the reason, and nothing of it is changed."""

# ruff: noqa: E501 - a program on one line can be compared with another

from __future__ import annotations

import pytest

from proxy.migrate import Finding, Target, Verdict, apply_edits
from proxy.migrate.typescript import examine_javascript, examine_typescript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = 'import Anthropic, { AI_PROMPT, HUMAN_PROMPT } from "@anthropic-ai/sdk";\n'
CLIENT = "const c = new Anthropic();\n"
ASK = 'model: "claude-2", max_tokens_to_sample: 9, prompt: '
HELLO = '"\\n\\nHuman: Hi\\n\\nAssistant:"'
CALL = f"c.completions.create({{ {ASK}{HELLO} }})"


def listed(text: str) -> tuple[Finding, ...]:
    """The findings of a text in which all calls are left alone."""
    examined = examine_typescript(text, TARGET)
    assert "completions.create" not in text or "completions.create" in apply_edits(
        text, examined.edits
    )
    return tuple(each for each in examined.findings if each.verdict is Verdict.BY_HAND)


def reason_for(code: str, *, head: str = HEAD + CLIENT) -> str:
    found = [each for each in listed(f"{head}{code}\n") if each.code or "create" in each.shape]
    return found[0].reasons[0]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("build(messages)", "may hold turns"),
        ("prompt", "No marker is in sight"),
        ("q ? HUMAN_PROMPT : ''", "decides which markers"),
        ("history + AI_PROMPT", "put together from pieces"),
        ("made() + AI_PROMPT", "put together from pieces"),
        ("made + AI_PROMPT", "put together from pieces"),
        ("parts.a + AI_PROMPT", "holds markers"),
        ("o.b + AI_PROMPT", "holds markers"),
        ("this.d + AI_PROMPT", "holds markers"),
        ("`${mixed}${AI_PROMPT}`", "holds markers and values"),
        ("`${asked}${AI_PROMPT}`", "holds markers, and is put together elsewhere"),
        ("list.join('') + AI_PROMPT", "put together from pieces"),
        ("[HUMAN_PROMPT, ...x, AI_PROMPT].join('')", "a way that is not followed"),
        ("[HUMAN_PROMPT, x, AI_PROMPT].join('')", "may be null or undefined"),
        ("[HUMAN_PROMPT, 'x', AI_PROMPT].join(y)", "a way that is not followed"),
        ("list.concat(HUMAN_PROMPT)", "decides which markers"),
        ("(HUMAN_PROMPT + x + AI_PROMPT).trim()", "decides which markers"),
        ("HUMAN_PROMPT + " + "(" * 14 + "''" + " + '')" * 14 + " + AI_PROMPT", "too many steps"),
        ("HUMAN_PROMPT + ' ' + '\ue000' + AI_PROMPT", "private-use characters"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_left_alone(prompt: str, reason: str):
    before = (
        "let history = '';\nhistory += HUMAN_PROMPT;\n"
        "function made() { return HUMAN_PROMPT; }\n"
        "const parts = { a: HUMAN_PROMPT };\no.b = HUMAN_PROMPT;\n"
        "class D { d = HUMAN_PROMPT; e; static { } }\n"
        "const mixed = HUMAN_PROMPT + x;\nconst asked = x ? HUMAN_PROMPT : '';\n"
        "const list = [];\nlist.push(HUMAN_PROMPT);\n"
    )

    assert reason in reason_for(f"{before}await c.completions.create({{ {ASK}{prompt} }});")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("create(p)", "Its parameters are not in sight"),
        ("create()", "Its parameters are not in sight"),
        (f"create({{ {ASK}{HELLO}, ...rest }})", "not in sight: `...rest` in line 3"),
        (f"create({{ {ASK}{HELLO}, [x]: 1 }})", "not in sight"),
        (f"create({{ {ASK}{HELLO}, model }})", "given twice"),
        ("create({ model: 'claude-2', max_tokens_to_sample: 9 })", "prompt: field required"),
        (f"create({{ {ASK}{HELLO}, max_tokens: 9 }})", "max_tokens: extra fields"),
        (f"create({{ prompt: {HELLO}, max_tokens_to_sample: 9 }})", "names no model"),
        (f"create({{ {ASK}{HELLO}, stream: x }})", "depends on `x`"),
        (f"create({{ {ASK}{HELLO}, stream: true }})", "The stream is not awaited"),
        (f"create({{ {ASK}{HELLO}, stop_sequences: stops }})", "The stop sequences are `stops`"),
        (f"create({{ {ASK}{HELLO}, stop_sequences: [...stops] }})", "The stop sequences are"),
        (f"create({{ {ASK}{HELLO}, top_k: 1.5 }})", "with a fraction"),
        (f"create({{ {ASK}{HELLO}, metadata: {{ a: 1 }} }})", "more than a user id"),
        (f"create({{ {ASK}{HELLO} }} as P)", "The type `P` must become"),
    ],
)
def test_a_call_that_cannot_be_read_is_left_alone(call: str, reason: str):
    text = f"x = c.completions.{call};".replace("claude-2", "claude-instant-1")

    assert reason in reason_for(text)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("const p = CALL;", "The promise of the answer is handed on"),
        ("f(CALL);", "The promise of the answer is handed on"),
        ("const r = await CALL.catch(() => ({ completion: '' }));", "may answer itself"),
        ("const r = await CALL.catch(handle);", "may answer itself"),
        ("x = CALL.then();", "It cannot be told what is done"),
        ("x = CALL.then(done);", "The answer goes to `done`"),
        ("x = CALL.then(([a]) => a);", "It cannot be told what is done"),
        ("x = CALL.then((r: R) => r.completion);", "The type `R` must become"),
        ("x = CALL.then(r => { r = 1; });", "is not only the answer of this call"),
        ("x = CALL.then(r => r);", "The whole answer is handed on"),
        ("const r = await CALL; return_(r);", "The whole answer is handed on in line 3"),
        ("const r = await CALL; f(r.log_id);", "`log_id` of the answer"),
        ("const r = await CALL; f(r[x]);", "`r[x]` of the answer"),
        ("const r = await CALL; f(x[r]);", "The whole answer is handed on"),
        ("const r = await CALL; f(x === r);", "The whole answer is handed on"),
        ("const r = await CALL; r.completion = 1;", "The answer's text is changed"),
        ("const r = await CALL; delete r.completion;", "The answer's text is changed"),
        ("const r: Completion = await CALL;", "The type `Completion` must become"),
        ("const [r] = await CALL;", "It cannot be told what is done with the answer in line 3"),
        ("export const r = await CALL;", "is exported to other files"),
        ("let r = 1; r = await CALL;", "is not only the answer of this call"),
        ("let r; r ||= await CALL;", "The whole answer is handed on"),
        ("f((await OPTIONS, o)).completion);", "The options of the call must have"),
        ("const p = { ASK } as P; await c.completions.create(p);", "The type `P` must become"),
        ("let r; [r] = x; r = await CALL;", "is not only the answer of this call"),
        ("var r = await CALL; var r = 1;", "is not only the answer of this call"),
        ("let r; r = await CALL; r = await other();", "holds those of other calls"),
        ("let r; f(r = await CALL);", "assigned within another expression"),
        ("x.y = await CALL;", "The whole answer is handed on"),
        ("const { completion = 1 } = await CALL;", "taken apart in line 3"),
        ("const { ...all } = await CALL;", "taken apart in line 3"),
        ("const { completion: { length } } = await CALL;", "taken apart in line 3"),
        ("const { log_id } = await CALL;", "`log_id` of the answer"),
        ("const { completion } = await CALL; f(content);", "The name `content` is taken"),
        ("const { completion } = await CALL, x = 1;", "where no statement can follow"),
        ("const r = await STREAM; f(r);", "The stream is handed on in line 3"),
        ("f(await STREAM);", "The stream is handed on; what reads it"),
        ("const r: S = await STREAM;", "The type of the stream"),
        ("const r = await STREAM;", "not read in one loop"),
        ("for (const p of await STREAM) {}", "The stream is not read by"),
        ("for await (const [p] of await STREAM) {}", "by a name of their own"),
        ("for await (const { completion, stop } of await STREAM) {}", "More than the text"),
        ("for await (const p of await STREAM) f(p.stop_reason);", "More than the text"),
        ("for await (const p of await STREAM) f(p);", "More than the text"),
        ("for await (const p of await STREAM) f(() => p.completion, text, piece, textOfEvent);", "All names"),
        ("const p = { ASK }; f(p); await c.completions.create(p);", "`p` is used in line 3 too"),
        ("export const p = { ASK }; await c.completions.create(p);", "is exported"),
        ("const p: P = { ASK }; await c.completions.create(p);", "The type `P` must become"),
        ("const p: Anthropic.Completions.CompletionCreateParams = { ASK };"
         " await c.completions.create(p);", "must become"),
        ("const p = HUMAN_PROMPT + x + AI_PROMPT; f(p); await NAMED;", "with its markers"),
        ("export const p = HUMAN_PROMPT + x + AI_PROMPT; await NAMED;", "is exported"),
        ("let x; x = 1; const p = 'a ' + x + HUMAN_PROMPT + AI_PROMPT; await NAMED;", "system prompt has"),
        ("const p = 'a ' + x + HUMAN_PROMPT + AI_PROMPT; await NAMED;", "system prompt has values"),
        ("const p: string = HUMAN_PROMPT + x + AI_PROMPT + 'a'; await NAMED;", "several messages"),
        ("const p = HUMAN_PROMPT + x + AI_PROMPT + 'a'; console.log(p); await NAMED;",
         "several messages"),
    ],
)  # fmt: skip
def test_what_is_done_with_an_answer_can_leave_a_call_alone(code: str, reason: str):
    code = code.replace("CALL", CALL).replace("STREAM", CALL.replace(" })", ", stream: true })"))
    code = code.replace(
        "OPTIONS", CALL.replace(" })", ", top_k: 1 }").replace("claude-2", "claude-instant-1")
    )
    code = code.replace(
        "NAMED", CALL.replace(f"{HELLO}", "p").replace("claude-2", "claude-instant-1")
    )

    assert reason in reason_for(code.replace("ASK", ASK + HELLO))


def test_an_answer_within_a_prompt_leaves_only_those_two_calls_alone():
    second = CALL.replace(HELLO, "`${HUMAN_PROMPT} ${r.completion}${AI_PROMPT}`")
    text = f"{HEAD}{CLIENT}await {CALL};\nconst r = await {CALL};\nawait {second};\nawait {CALL};\n"

    found = [each for each in examine_typescript(text, TARGET).findings if "create" in each.shape]

    assert [each.verdict is Verdict.BY_HAND for each in found] == [False, True, True, False]
    assert "meet in line 5" in found[1].reasons[0]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ('import { Client } from "@anthropic-ai/sdk";\nconst c = new Client({ a: 1 });\n', "what makes"),
        ('import { Client } from "@anthropic-ai/sdk";\nconst c = new Client();\n', "what makes"),
        ('import { Client } from "@anthropic-ai/sdk";\nconst c = new Client(k, o);\n', "takes options"),
        ('import { Client } from "@anthropic-ai/sdk";\nconst c = new Client(k, { b: 1 });\n', "takes options"),
        ('import { Anthropic } from "@anthropic-ai/sdk";\nconst c = new Anthropic(k);\n', "what makes"),
        ('import { Client } from "@anthropic-ai/sdk";\nlet Anthropic;\nconst c = new Client(k);\n', "is taken"),
    ],
)  # fmt: skip
def test_a_client_of_the_oldest_sdk_can_leave_a_call_alone(head: str, reason: str):
    call = CALL.replace("completions.create", "complete")

    assert reason in listed(f"{head}f((await {call}).completion);\n")[0].reasons[0]


@pytest.mark.parametrize("head", ["", 'import { c } from "./client";\n'])
def test_what_only_may_be_a_client_of_the_oldest_sdk_is_left_alone(head: str):
    call = CALL.replace("completions.create", "complete")

    assert "It cannot be told" in listed(f"{head}f((await {call}).completion);\n")[0].reasons[0]


def test_a_stream_of_the_oldest_sdk_is_left_alone_with_those_that_share_its_client():
    head = 'import { Client } from "@anthropic-ai/sdk";\nconst c = new Client(k);\n'
    arguments = f"{{ {ASK}{HELLO} }}"

    found = listed(f"{head}c.completeStream({arguments}, o);\nc.complete({arguments});\n")

    assert "the whole text so far" in found[0].reasons[0]
    assert "for await (const event of stream)" in found[0].code
    assert "shares its client" in found[1].reasons[0]
    assert "messages: [{" in found[1].code


def test_other_clouds_have_clients_of_their_own():
    head = 'import B from "@anthropic-ai/bedrock-sdk";\nconst c = new B();\n'

    assert "another cloud" in listed(f"{head}await {CALL};\n")[0].reasons[0]


@pytest.mark.parametrize(
    "code",
    [
        'import OpenAI from "openai";\nconst c = new OpenAI();\n' + f"x = {CALL};",
        "c.completions.create({ prompt: p, max_tokens: 9 });",
        "c.chat.create({ prompt: p });",
        "create({ prompt: p });",
        "c.items.create(p); c.complete(p); c.x.y(); f?.();",
        'const s = "Human: said"; import x from "y"; export { s as t }; enum E { A }',
    ],
)
def test_what_only_looks_alike_is_left_alone(code: str):
    assert examine_typescript(f"{code}\n", TARGET).edits == ()
    assert [each for each in listed(f"{code}\n") if "body" not in each.shape] == []


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ("f(HUMAN_PROMPT);", "a constant of the SDK"),
        ("f(Anthropic.AI_PROMPT, AI_PROMPT);", "a constant of the SDK"),
        ("let r: Anthropic.Completion;", "a type of the SDK"),
        ('import { Completion } from "@anthropic-ai/sdk/resources";\nlet r: Completion;', "a type of the SDK"),
        ('import { Other } from "@anthropic-ai/other";\nlet r: Other; c.completions.create.mockReturnValue(1);', "a mock of a call"),
        ("c.completions.create = jest.fn();", "a mock of a call"),
        ("g({ completions: { create: f }, chat: { completions: { create: f } } }); h(c.chat.completions.create);", "a mock of a call"),
        ('jest.spyOn(c.completions, "create"); jest.spyOn(c.chat.completions, "create"); jest.fn();', "a mock of a call"),
        ('import { AnthropicStream } from "ai";\nAnthropicStream(r);', "AnthropicStream of the AI SDK"),
        ('import { countTokens } from "@anthropic-ai/tokenizer";\ncountTokens(t);', "countTokens of @anthropic-ai/tokenizer"),
        ('import { ChatAnthropic } from "langchain/chat_models/anthropic";\nnew ChatAnthropic();', "ChatAnthropic of LangChain"),
        ('fetch("https://api.anthropic.com/v1/complete", { body: JSON.stringify(b) });', "the path /v1/complete"),
        ("fetch(`${base}/v1/complete?x`, b);", "the path /v1/complete"),
        ('const m = "claude-instant-1.2";', "a model that is retired"),
        ("post(u, { prompt, max_tokens_to_sample: 9 });", "the body of a legacy request"),
        ("new InvokeModelCommand({ body: { prompt, max_tokens_to_sample: 9 } });", "a body for Bedrock"),
    ],
)  # fmt: skip
def test_other_uses_are_listed(code: str, shape: str):
    assert [each.shape for each in listed(f"{HEAD}{CLIENT}{code}\n")] == [shape]


def test_words_of_what_is_listed_or_of_no_use_are_not_said_again():
    code = (
        'fetch("/v1/complete", { body: JSON.stringify({ prompt: "a", max_tokens_to_sample: 9, '
        'model: "claude-2" }) });\nf("/v1/completions", "/v1/complete_", "a claude-2 b");\n'
        'import { X } from "x/llms/anthropic";\nnew X(); new (f())();\n'
    )

    assert [each.shape for each in listed(code)] == ["a post to /v1/complete"]


def test_a_model_of_parameters_that_have_a_name_belongs_to_their_call():
    parameters = '{ model: "claude-2", prompt: text, max_tokens_to_sample: 9 }'
    code = f"const p = {parameters};\nx = c.completions.create(p);\n"

    assert [each.line for each in listed(f"{HEAD}{CLIENT}{code}")] == [
        f"{HEAD}{CLIENT}{code}".count("\n")
    ]


def test_constants_of_a_function_with_a_call_that_is_left_alone_belong_to_that():
    text = (
        f"{HEAD}{CLIENT}function f() {{ return build(HUMAN_PROMPT, c.completions.create(p)); }}\n"
    )
    other = f"{HEAD}{CLIENT}function f() {{ return f({CALL}); }}\nf(HUMAN_PROMPT);\n"
    at_top = f"{HEAD}{CLIENT}f(HUMAN_PROMPT);\nf({CALL});\n"

    assert len(listed(text)) == 1
    assert len(listed(at_top)) == 1
    assert len(listed(other)) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("const x = {;\nf(HUMAN_PROMPT);\n", "cannot be parsed from this line on"),
        ("f(HUMAN_PROMPT\n", "cannot be parsed"),
        ("f(HUMAN_PROMPT);\n//# sourceMappingURL=a.js.map\n", "made by a program"),
        ("f(HUMAN_PROMPT);" + "x;" * 3_000, "made by a program"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(text: str, reason: str):
    for examine in (examine_javascript, examine_typescript):
        found = examine(text, TARGET)
        assert found.edits == ()
        assert reason in found.findings[0].reasons[0]


def test_changes_that_do_not_fit_together_are_not_made():
    prompt = "const p = HUMAN_PROMPT + x + AI_PROMPT + 'a';\n"
    one = CALL.replace(HELLO, "p").replace("claude-2", "claude-instant-1")
    other = CALL.replace(HELLO, "p")

    found = examine_typescript(f"{HEAD}{CLIENT}{prompt}await {one};\nawait {other};\n", TARGET)

    assert found.edits == ()
    assert {each.verdict for each in found.findings} == {Verdict.BY_HAND}


def test_an_answer_in_a_name_that_nobody_declares_is_left_alone():
    assert "`answer` is declared nowhere in this file" in reason_for(f"answer = await {CALL};")


def test_an_import_that_is_none_is_said():
    [found] = listed('import a, function { b } from "axios"; const max_tokens_to_sample = 9;')

    assert "cannot be parsed" in found.reasons[0]
