"""Posts to `/v1/complete` by `fetch` and axios: which are rewritten, and why others are not."""

# ruff: noqa: E501 - a program on one line can be compared with another

from __future__ import annotations

import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.typescript import examine_javascript, examine_typescript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEADERS = '{ "x-api-key": key, "anthropic-version": "2023-06-01" }'
BODY = '{ model: "claude-2", max_tokens_to_sample: 9, prompt: "\\n\\nHuman: Hi\\n\\nAssistant:" }'
NEW_BODY = (
    '{ model: "claude-opus-4-8", max_tokens: 9, messages: [{ role: "user", content: "Hi" }], '
    'stop_sequences: ["\\n\\nHuman:"] }'
)
SENT = f'method: "POST", headers: {HEADERS}, body: JSON.stringify({BODY})'
NEW_SENT = SENT.replace(BODY, NEW_BODY)
FETCH = f'fetch("https://h/v1/complete", {{ {SENT} }})'
NEW_FETCH = f'fetch("https://h/v1/messages", {{ {NEW_SENT} }})'
POST = f'axios.post("https://h/v1/complete", {BODY}, {{ headers: {HEADERS} }})'
NEW_POST = f'axios.post("https://h/v1/messages", {NEW_BODY}, {{ headers: {HEADERS} }})'
BLOCKS = '.map((block) => (block.type === "text" ? block.text : "")).join("")'
TEXT = f".content{BLOCKS}"
MAYBE = f".content?{BLOCKS}"
AXIOS = 'import axios from "axios";\n'


def within(code: str) -> str:
    return f"async function f(key) {{\n{code}\n}}\n"


def rewritten(code: str) -> str:
    examined = examine_javascript(code, TARGET)
    new = apply_edits(code, examined.edits)
    assert Verdict.BY_HAND not in {each.verdict for each in examined.findings}, examined.findings
    assert examine_javascript(new, TARGET).edits == ()
    return new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The response has a name, none, a handler of its own, or a test of its status.
        (
            f"const r = await {FETCH};\nif (!r.ok) throw new Error(await r.text());\nconst d = await r.json();\nsay(d.completion);",
            f"const r = await {NEW_FETCH};\nif (!r.ok) throw new Error(await r.text());\nconst d = await r.json();\nsay(d{MAYBE});",
        ),
        (
            f"const r = await {FETCH};\nconsole.log(r.status, await r.text());",
            f"const r = await {NEW_FETCH};\nconsole.log(r.status, await r.text());",
        ),
        (
            f"return (await (await {FETCH}).json()).completion;",
            f"return (await (await {NEW_FETCH}).json()){MAYBE};",
        ),
        (
            f"{FETCH}.then((r) => r.json()).then((d) => d.completion);",
            f"{NEW_FETCH}.then((r) => r.json()).then((d) => d{MAYBE});",
        ),
        (
            f"{FETCH}.then(r => {{ if (!r.ok) throw r.status; return r.json(); }}).then((d) => d.completion);",
            f"{NEW_FETCH}.then(r => {{ if (!r.ok) throw r.status; return r.json(); }}).then((d) => d{MAYBE});",
        ),
        # What fails for an error still does, and what does not still does not.
        (
            f"const d = await (await {FETCH}).json();\nsay(d.completion.trim(), d.completion['trim'](), d.completion?.trim(), d.error);",
            f"const d = await (await {NEW_FETCH}).json();\nsay(d{TEXT}.trim(), d{TEXT}['trim'](), d{MAYBE}?.trim(), d.error);",
        ),
        (
            f"const {{ completion, error }} = await (await {FETCH}).json();",
            f"const {{ content, error }} = await (await {NEW_FETCH}).json();\nconst completion = content?{BLOCKS};",
        ),
        # Axios, in its three forms; it raises an exception for an error.
        (
            f"const r = await {POST};\nsay(r.status, r.data.completion);",
            f"const r = await {NEW_POST};\nsay(r.status, r.data{TEXT});",
        ),
        (
            f"const {{ data, status }} = await {POST};\nreturn data.completion;",
            f"const {{ data, status }} = await {NEW_POST};\nreturn data{TEXT};",
        ),
        (
            f"const {{ data: d }} = await {POST};\nreturn d.completion;",
            f"const {{ data: d }} = await {NEW_POST};\nreturn d{TEXT};",
        ),
        (
            f"return {POST}.then((r) => r.data.completion);",
            f"return {NEW_POST}.then((r) => r.data{TEXT});",
        ),
        (
            f'const d = (await axios({{ url: "https://h/v1/complete", method: "post", headers: {HEADERS}, data: {BODY} }})).data;\nsay(d.completion);',
            f'const d = (await axios({{ url: "https://h/v1/messages", method: "post", headers: {HEADERS}, data: {NEW_BODY} }})).data;\nsay(d{TEXT});',
        ),
        # Parts have names.
        (
            f"const body = JSON.stringify({BODY});\nconst headers = {HEADERS};\nawait fetch(`${{base}}/v1/complete?x`, {{ method: 'POST', headers, body }});",
            f"const body = JSON.stringify({NEW_BODY});\nconst headers = {HEADERS};\nawait fetch(`${{base}}/v1/messages?x`, {{ method: 'POST', headers, body }});",
        ),
        (
            f'const url = "https://h/v1/complete", body = {BODY}, options = {{ headers: {HEADERS}, method: "POST", body: JSON.stringify(body) }};\nawait fetch(url, options);',
            f'const url = "https://h/v1/messages", body = {NEW_BODY}, options = {{ headers: {HEADERS}, method: "POST", body: JSON.stringify(body) }};\nawait fetch(url, options);',
        ),
        (
            f"const prompt = `\\n\\nHuman: ${{key}}?\\n\\nAssistant:`;\nawait {FETCH};".replace(
                'prompt: "\\n\\nHuman: Hi\\n\\nAssistant:"', "prompt"
            ),
            f"const prompt = `${{key}}?`;\nawait {NEW_FETCH};".replace(
                'content: "Hi"', "content: prompt"
            ),
        ),
        # The handler of a promise reads the answer itself, or takes it out of the response.
        (
            f"{FETCH}.then(async (r) => {{ const d = await r.json(); return d.completion; }});",
            f"{NEW_FETCH}.then(async (r) => {{ const d = await r.json(); return d{MAYBE}; }});",
        ),
        (f"return {FETCH}.then((r) => r.ok);", f"return {NEW_FETCH}.then((r) => r.ok);"),
        (
            f"return {POST}.then(({{ data, status }}) => data.completion);",
            f"return {NEW_POST}.then(({{ data, status }}) => data{TEXT});",
        ),
        (
            f"const {{ data: {{ completion }} }} = await {POST};\nreturn completion;",
            f"const {{ data: {{ content }} }} = await {NEW_POST};\nconst completion = content{BLOCKS};\nreturn completion;",
        ),
        # An error is an answer, too, if axios is told so.
        (
            f"return (await {POST}).data.completion;".replace(
                "{ headers", "{ validateStatus: null, headers"
            ),
            f"return (await {NEW_POST}).data{MAYBE};".replace(
                "{ headers", "{ validateStatus: null, headers"
            ),
        ),
        # A semicolon that protects the next line stays with it.
        (
            f"const {{ completion: c }} = await (await {FETCH}).json()\n;[c].map(say)",
            f"const {{ content }} = await (await {NEW_FETCH}).json()\nconst c = content?{BLOCKS}\n;[c].map(say)",
        ),
        (
            f"await {FETCH};".replace(f"({BODY})", f"({BODY}, null, 2)"),
            f"await {NEW_FETCH};".replace(f"({NEW_BODY})", f"({NEW_BODY}, null, 2)"),
        ),
        (
            f"await {FETCH};".replace(": 9", ": Number(process.env.LIMIT)"),
            f"await {NEW_FETCH};".replace(": 9", ": Number(process.env.LIMIT)"),
        ),
        # What a loop goes through is no prompt, though its body holds one.
        (
            f"for (const q of key.list) await {FETCH};".replace("Human: Hi", 'Human: " + q + "'),
            f"for (const q of key.list) await {NEW_FETCH};".replace('"Hi"', "`${q}`"),
        ),
        # The version is said, or said anew.
        (
            f"await {FETCH};".replace(HEADERS, '{\n  "x-api-key": key, // ours\n}'),
            f"await {NEW_FETCH};".replace(
                HEADERS, '{\n  "x-api-key": key,\n  "anthropic-version": "2023-06-01", // ours\n}'
            ),
        ),
        (
            f"await {FETCH};".replace(', "anthropic-version": "2023-06-01"', ""),
            f"await {NEW_FETCH};",
        ),
        (f"await {FETCH};".replace("2023-06-01", "2023-01-01"), f"await {NEW_FETCH};"),
    ],
)
def test_a_post_that_is_in_sight_is_rewritten(old: str, new: str):
    assert rewritten(AXIOS + within(old)) == AXIOS + within(new)


@pytest.mark.parametrize("module", ["node-fetch", "undici"])
def test_fetch_may_come_from_a_package(module: str):
    head = f'import {{ fetch }} from "{module}";\n'

    assert rewritten(head + within(f"await {FETCH};")) == head + within(f"await {NEW_FETCH};")


def test_in_typescript_what_has_no_type_is_said_to_have_none():
    code = within(f"const d = (await (await {FETCH}).json()) as any;\nreturn d.completion;")
    new = apply_edits(code, examine_typescript(code, TARGET).edits)

    assert f"return d{MAYBE};".replace("(block)", "(block: any)") in new


STREAM = FETCH.replace(", prompt", ", stream: true, prompt")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (FETCH.replace('method: "POST", ', ""), "that the method of the request is POST"),
        (FETCH.replace('"POST"', "method"), "that the method of the request is POST"),
        (FETCH.replace('"POST"', '"PUT"'), "that the method of the request is POST"),
        (FETCH.replace('"https://h/v1/complete"', "url"), "The address of the request is not in"),
        (FETCH.replace("/v1/complete", "/v1/completeness"), "The address of the request is not"),
        (FETCH.replace("https://h", "/api"), "The address is one of the program's own server"),
        (FETCH.replace("/v1/complete", "/proxy"), "The address of the request is not in sight"),
        (FETCH.replace(HEADERS, "headers"), "they must have `anthropic-version: 2023-06-01`"),
        (FETCH.replace(HEADERS, "{}"), "they must have `anthropic-version: 2023-06-01`"),
        (FETCH.replace('{ "x-api', '{ ...more, "x-api'), "The headers are not in sight"),
        (FETCH.replace('"2023-06-01"', "version"), "The version in the headers must be 2023-06-01"),
        (FETCH.replace(f"headers: {HEADERS}, ", ""), "The headers are not in sight"),
        (STREAM, "The answer is a stream of events"),
        (FETCH.replace(": 9", ": '9'"), "`'9'` is a string where it is set"),
        (FETCH.replace(": 9", ": process.env.LIMIT || 9"), "is a string where it is set"),
        (FETCH.replace(": 9", ": 9, top_k: process.env['K']"), "write `Number(...)`"),
        (
            f"const t = process.env.T;\n{FETCH.replace(': 9', ': 9, temperature: t')}",
            "`t` is a string where it is set",
        ),
        (FETCH.replace(": 9", ": -1"), "This request is refused: max_tokens_to_sample"),
        (f"f({FETCH})", "The promise of the response is handed on"),
        (f"{FETCH}.finally(done)", "The promise of the response is handed on"),
        (f"{FETCH}.then(read)", "It cannot be told what is done with the response"),
        (f"{FETCH}.then(({{ ok }}) => ok)", "It cannot be told what is done with the response"),
        (
            f"{FETCH}.then((r) => {{ if (!r.ok) return {{ completion: '' }}; return r.json(); }})",
            "What handles the response may answer itself, in the form of a completion",
        ),
        (f"{FETCH}.then((r) => [r.json()])", "The promise of the answer is handed on in line 3"),
        (FETCH.replace("{ method", "{ ...more, method"), "options of the request are not in sight"),
        (POST.replace("{ headers", "{ ...more, headers"), "are not in sight: `...more` in line 3"),
        (
            POST.replace("{ headers", "{ transformResponse: read, headers"),
            "Its option `transformResponse` may change requests or answers",
        ),
        (
            f"axios.interceptors.response.use(read);\n{POST}",
            "What axios is told for all may change requests or answers",
        ),
        (f"const {{ body }} = await {FETCH}", "It cannot be told what is done with the response"),
        (f"let r = await {FETCH};\nr = 1", "It cannot be told what is done with the response"),
        (f"const r = await {FETCH};\nreturn r", "is done with the response in line 4"),
        (f"const r = await {FETCH};\nreturn await r.text()", "with the response in line 4"),
        (f"const d = await (await {FETCH}).json();\nreturn d", "The whole answer is handed on"),
        (f"const d: Old = await (await {FETCH}).json()", "The type `Old` must become that of"),
        (
            f"const {{ completion }}: Old = await (await {FETCH}).json()",
            "The type `Old` must become that of a message",
        ),
        (
            f"const d = await (await {FETCH}).json();\nconst {{ completion }}: Old = d;",
            "The type `Old` must become that of a message",
        ),
        (
            f"return ((await (await {FETCH}).json()) as Old).completion",
            "The type `Old` must become",
        ),
        (f"return (<Old>await (await {FETCH}).json()).completion", "The type `Old` must become"),
        (
            f"const r: AxiosResponse<Old> = await {POST}",
            "The type `AxiosResponse<Old>` must become that of a message",
        ),
        (
            f"{POST}.then((r: AxiosResponse<Old>) => r.data.completion)",
            "The type `AxiosResponse<Old>` must become that of a message",
        ),
        (f"return (await {POST}).config", "is done with the response in line 3"),
        (f"return await {POST}", "is done with the response in line 3"),
        (f"const {{ request }} = await {POST}", "It cannot be told what is done with the response"),
        (POST.replace("post(", "post<Old>("), "The type `Old` must become that of a message"),
        (POST.replace(f", {{ headers: {HEADERS} }}", ""), "The headers are not in sight"),
        (POST.replace(f"{{ headers: {HEADERS} }}", "options"), "The headers are not in sight"),
    ],
)
def test_a_post_that_is_not_in_sight_is_left_with_the_reason(code: str, reason: str):
    text = AXIOS + within(code)
    examined = examine_typescript(text, TARGET)
    [found] = [each for each in examined.findings if "/v1/complete" in each.shape]

    assert examined.edits == ()
    assert found.verdict is Verdict.BY_HAND
    assert reason in found.reasons[0]
    assert "https://api.anthropic.com/v1/messages" in found.code


@pytest.mark.parametrize(
    "loop",
    [
        "for (const q of ['\\n\\nHuman: a'])",
        "const turns = ['\\n\\nHuman: a'];\nfor (const q of turns)",
    ],
)
def test_a_loop_may_go_through_pieces_with_markers(loop: str):
    call = FETCH.replace("Human: Hi", 'Human: " + q + "')
    examined = examine_javascript(within(f"{loop} await {call};"), TARGET)

    assert examined.edits == ()
    assert "`q` is put together from pieces with markers" in examined.findings[0].reasons[0]


def test_a_type_that_says_nothing_of_the_answer_stays():
    code = AXIOS + within(
        f"const r: Response = await {FETCH};\n"
        f"{POST}.then((r: AxiosResponse<any>) => say(r.data.completion));"
    )
    examined = examine_typescript(code, TARGET)

    assert {each.verdict for each in examined.findings} == {Verdict.REWRITTEN}


def test_an_address_that_several_requests_share_is_named():
    code = "const url = 'https://h/v1/complete';\nget(url);\n" + within(
        f"await {FETCH};".replace('"https://h/v1/complete"', "url")
    )
    examined = examine_javascript(code, TARGET)

    assert examined.edits == ()
    assert any("`url` is used elsewhere, too" in each.reasons[0] for each in examined.findings)


@pytest.mark.parametrize(
    "load",
    [
        "(...args) => import('node-fetch').then(({ default: fetch }) => fetch(...args))",
        '(...a) => import("node-fetch").then(({default: f}) => f(...a))',
    ],
)
def test_fetch_may_be_loaded_when_it_is_called(load: str):
    head = f"const fetch = {load};\n"

    assert rewritten(head + within(f"await {FETCH};")) == head + within(f"await {NEW_FETCH};")


@pytest.mark.parametrize(
    ("before", "call", "reason"),
    [
        (
            "const p = '\\n\\nHuman: Hi\\n\\nAssistant:';\nlog(p);\n",
            FETCH.replace('"\\n\\nHuman: Hi\\n\\nAssistant:"', "p"),
            "`p` is used elsewhere, too, with its markers.",
        ),
        (
            "export const p = '\\n\\nHuman: Hi\\n\\nAssistant:';\n",
            FETCH.replace('"\\n\\nHuman: Hi\\n\\nAssistant:"', "p"),
            "`p` is used elsewhere, too, with its markers.",
        ),
        (
            "const p = 'Be brief.\\n\\nHuman: Hi\\n\\nAssistant:';\n",
            FETCH.replace('"\\n\\nHuman: Hi\\n\\nAssistant:"', "p"),
            "`p` becomes several messages.",
        ),
    ],
)
def test_a_prompt_that_others_use_stays(before: str, call: str, reason: str):
    text = before + within(f"await {call};")
    examined = examine_javascript(text, TARGET)
    [found] = [each for each in examined.findings if each.shape == "a post to /v1/complete"]

    assert examined.edits == ()
    assert reason in found.reasons[0]


def test_a_model_that_is_only_a_default_is_not_taken_out_of_the_callers_hands():
    call = FETCH.replace('"claude-2"', "model")
    examined = examine_javascript(
        f'async function f(key, model = "claude-2") {{ await {call}; }}', TARGET
    )

    assert examined.edits == ()
    assert any("The model is only a default" in each.reasons[0] for each in examined.findings)


@pytest.mark.parametrize(
    "code",
    [
        f"const body = {BODY};\nbody.top_k = 5;\nawait {FETCH.replace(BODY, 'body')};",
        f"const body: Old = {BODY};\nawait {FETCH.replace(BODY, 'body')};",
        f"const o = {{ {SENT} }};\nlog(o);\nawait fetch('https://h/v1/complete', o);",
        f"const o = {{ {SENT} }};\nconst n = [o];",
        f"await request('https://h/v1/complete', {{ {SENT} }});",
        f"await {FETCH};".replace(f"({BODY})", f"({BODY}, ['model', 'prompt'])"),
        f"await fetch('https://h/v1/complete', [{{ {SENT} }}]);",
        f"await fetch({{ {SENT} }});",
        f"await axios.put('https://h/v1/complete', {BODY});",
        f"await other.post('https://h/v1/complete', {BODY});",
        f"await axios.post({BODY});",
        f"await axios.request({{ data: {BODY} }});",
        f"send({BODY});",
        f"return {BODY};",
        f"if ({BODY}) return;",
        f"const o = {{ x: [{BODY}] }};",
    ],
)
def test_a_body_whose_post_is_not_found_is_listed_by_itself(code: str):
    examined = examine_typescript(AXIOS + within(code), TARGET)

    assert examined.edits == ()
    assert "the body of a legacy request" in {each.shape for each in examined.findings}


def test_a_fetch_of_the_programs_own_is_no_post():
    examined = examine_javascript(f"const fetch = make();\n{within(f'await {FETCH};')}", TARGET)

    assert examined.edits == ()
    assert {each.shape for each in examined.findings} == {
        "the body of a legacy request",
        "the path /v1/complete",
    }


@pytest.mark.parametrize(
    "code",
    [
        "const defaults = { max_tokens_to_sample: 9 };",
        "const defaults = { 'max_tokens_to_sample': 9 };",
        "payload.max_tokens_to_sample = 9;",
        "payload['max_tokens_to_sample'] = 9;",
    ],
)
def test_a_parameter_of_a_body_that_is_put_together_is_listed(code: str):
    examined = examine_javascript(code, TARGET)

    assert [each.shape for each in examined.findings] == ["a parameter of a legacy request"]
    assert "/v1/messages" in examined.findings[0].code


def test_a_name_that_is_only_read_is_no_parameter():
    code = "if (payload.max_tokens_to_sample > 9) say('max_tokens_to_sample');"

    assert examine_javascript(code, TARGET).findings == ()


def test_posts_of_which_one_asks_with_the_answer_of_the_other_are_left_alone_together():
    first = f"const d = await (await {FETCH}).json();"
    second = FETCH.replace("Human: Hi", 'Human: " + d.completion.trim() + "')
    code = within(f"{first}\nawait {second};\nawait {FETCH};")
    examined = examine_javascript(code, TARGET)

    assert ["meet in line 3: assign the one" in each.reasons[0] for each in examined.findings[:2]]
    assert [each.verdict for each in examined.findings] == [
        Verdict.BY_HAND,
        Verdict.BY_HAND,
        Verdict.REWRITTEN,
    ]


def test_an_answer_with_a_name_may_be_asked_with():
    first = f"const text = (await (await {FETCH}).json()).completion.trim();"
    second = FETCH.replace("Human: Hi", 'Human: Improve " + text + "')
    new = rewritten(within(f"{first}\nawait {second};"))

    assert "content: `Improve ${text}`" in new
