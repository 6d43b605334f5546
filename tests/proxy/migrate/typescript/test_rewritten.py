"""Rewritten sources, beside those that are run."""

# ruff: noqa: E501 - a program on one line can be compared with another

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.migrate import Examined, Target, Verdict, apply_edits
from proxy.migrate.typescript import examine_javascript, examine_tsx, examine_typescript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = 'import Anthropic, { AI_PROMPT, HUMAN_PROMPT } from "@anthropic-ai/sdk";\n'
CLIENT = "const c = new Anthropic();\n"
ASK = 'model: "claude-2", max_tokens_to_sample: 9, prompt: '
HELLO = '"\\n\\nHuman: Hi\\n\\nAssistant:"'
CALL = f"await c.completions.create({{ {ASK}{HELLO} }})"
NEW_CALL = (
    'await c.messages.create({ model: "claude-opus-4-8", max_tokens: 9, messages: [{ role: "user",'
    ' content: "Hi" }], stop_sequences: ["\\n\\nHuman:"] })'
)
TEXT = '.content.map((block) => (block.type === "text" ? block.text : "")).join("")'


def rewritten(
    source: str,
    target: Target = TARGET,
    examine: Callable[[str, Target], Examined] = examine_typescript,
) -> str:
    text = textwrap.dedent(source)
    examined = examine(text, target)
    new = apply_edits(text, examined.edits)
    assert examine(new, target).edits == ()
    assert Verdict.BY_HAND not in {each.verdict for each in examined.findings}, examined.findings
    return new


def answered(code: str) -> str:
    """What becomes of code in which CALL stands for a call."""
    new = rewritten(f"{HEAD}{CLIENT}{code.replace('CALL', CALL)}\n")
    return new.partition(CLIENT)[2].replace(NEW_CALL, "CALL").rstrip("\n")


def content(prompt: str, before: str = "", parameters: str = "") -> str:
    """The content of the only message of a call with this prompt."""
    call = f"await c.completions.create({{ {ASK}{prompt} }});"
    new = rewritten(f"{HEAD}{CLIENT}{before}async function f({parameters}) {{ {call} }}\n")
    return new.partition("content: ")[2].partition(" }]")[0]


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("`\\n\\nHuman: ${q}\\n\\nAssistant:`", "`${q}`"),
        ("HUMAN_PROMPT + ' it\\'s ' + q.trim() + AI_PROMPT", "`it's ${q.trim()}`"),
        ("`${HUMAN_PROMPT} ${q.trim()}${AI_PROMPT}`", "q.trim()"),
        ("`${HUMAN_PROMPT} ${q?.trim()}${AI_PROMPT}`", "`${q?.trim()}`"),
        ("`${HUMAN_PROMPT} ${String(q)}${AI_PROMPT}`", "String(q)"),
        ("HUMAN_PROMPT + ' ' + (a + b) + AI_PROMPT", "`${a + b}`"),
        ("HUMAN_PROMPT + ' ' + (a - b) + AI_PROMPT", "`${a - b}`"),
        ("HUMAN_PROMPT + ` ${a + 'x'}` + AI_PROMPT", "`${a}x`"),
        ("(HUMAN_PROMPT + ' ' + q! + AI_PROMPT) as string", "`${q}`"),
        ("HUMAN_PROMPT.concat(' ', q, AI_PROMPT)", "`${q}`"),
        ('[HUMAN_PROMPT, "a", q.trim(), AI_PROMPT].join(" ")', "`a ${q.trim()} `"),
        ("`${HUMAN_PROMPT} ${[a, b].join()}${AI_PROMPT}`", "[a, b].join()"),
        (
            "`${HUMAN_PROMPT} ${x.y.z}${1}${a.length}${this.q}${AI_PROMPT}`",
            "`${x.y.z}${1}${a.length}${this.q}`",
        ),
        ("`${HUMAN_PROMPT} ${await q()}${AI_PROMPT}`", "`${await q()}`"),
        ("`\n\nHuman: a\n\tb\n\nAssistant:`", "`a\n\tb`"),
    ],
)
def test_a_prompt_becomes_the_content_of_a_message(prompt: str, written: str):
    assert content(prompt) == written


@pytest.mark.parametrize(
    ("before", "parameters", "written"),
    [
        ("", "q: string", "q"),
        ("", "q?: string", "`${q}`"),
        ("", "q: number", "`${q}`"),
        ("", "private q: string", "q"),
        ("", "{ q }: P", "`${q}`"),
        ("", "q = 1", "`${q}`"),
        ("const q = 'a' + b;\n", "", "q"),
        ("const q: string = g();\n", "", "q"),
        ("let q;\n[q] = x;\nq++;\n", "", "`${q}`"),
        ("const other = 'a';\nconst q = other;\n", "", "`${q}`"),
        ("let q;\nq = 1;\n", "", "`${q}`"),
        (
            "for (q of x) {}\ntry {} catch {}\ntype F = (a: string) => void;\nlet q = a;\nq.push(1);\n",
            "",
            "`${q}`",
        ),
    ],
)
def test_a_value_stands_alone_if_it_is_certain_to_be_a_string(
    before: str, parameters: str, written: str
):
    assert content("`${HUMAN_PROMPT} ${q}${AI_PROMPT}`", before, parameters) == written


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("const r = CALL; f(r.completion);", f"const r = CALL; f(r{TEXT});"),
        ("const r = CALL; f(r?.completion!.trim());", f"const r = CALL; f(r?{TEXT}!.trim());"),
        ("const r = CALL; f(r['completion']);", f"const r = CALL; f(r{TEXT});"),
        ("const r = CALL; f(r.model, r.id);", "const r = CALL; f(r.model, r.id);"),
        ("const r = CALL; f(r.stop_reason);", "const r = CALL; f(r.stop_reason);"),
        ("const r = CALL; console.log(r);", "const r = CALL; console.log(r);"),
        ("const r = CALL; f(r.stop_reason > 'a');", "const r = CALL; f(r.stop_reason > 'a');"),
        ("const r: any = CALL; if (!r) f();", "const r: any = CALL; if (!r) f();"),
        ("const r = CALL; if (r) f(r && r.completion);", f"const r = CALL; if (r) f(r && r{TEXT});"),
        ("const r = CALL; f(r ? 1 : 2, r === null);", "const r = CALL; f(r ? 1 : 2, r === null);"),
        ("f((CALL).completion);", f"f((CALL){TEXT});"),
        ("CALL;", "CALL;"),
        ("f((CALL).stop_reason === 'stop_sequence');", "f((CALL).stop_reason === 'stop_sequence');"),
        ("let r = null; r = CALL; f(r.completion);", f"let r = null; r = CALL; f(r{TEXT});"),
        ("let r: Anthropic.Completion; r = CALL;", "let r: Anthropic.Message; r = CALL;"),
        ("const r = CALL; const { completion } = r;", f"const r = CALL; const {{ content }} = r;\nconst completion = content{TEXT[8:]};"),
        ("const r = CALL; f(r.stop_reason == 'max_tokens');", "const r = CALL; f(r.stop_reason == 'max_tokens');"),
        (
            "const r = CALL; f(r.stop_reason != 'stop_sequence');",
            "const r = CALL; f((r.stop_reason != 'end_turn' && r.stop_reason != 'stop_sequence'));",
        ),
    ],
)  # fmt: skip
def test_an_answer_is_followed(code: str, written: str):
    assert answered(code) == written


@pytest.mark.parametrize(
    ("handler", "written"),
    [
        ("r => r.completion", f"r => r{TEXT}"),
        ("function (r: Anthropic.Completion) { return r.completion }", f"function (r: Anthropic.Message) {{ return r{TEXT} }}"),
        ("async ({ completion }) => ({ completion })", f"async ({{ content }}) => ({{ completion: content{TEXT[8:]} }})"),
        ("async r => r.completion", f"async r => r{TEXT}"),
        ("() => 1", "() => 1"),
    ],
)  # fmt: skip
def test_an_answer_is_followed_into_then(handler: str, written: str):
    call = CALL.removeprefix("await ")
    new = rewritten(f"{HEAD}{CLIENT}x = {call}.catch(() => null).then({handler});\n")

    assert new.partition(".then(")[2] == f"{written});\n"


def test_errors_of_an_answer_that_nobody_reads_may_be_handled_anywhere():
    call = CALL.removeprefix("await ")

    assert "messages.create" in rewritten(f"{HEAD}{CLIENT}{call}.catch(handle);\n")


def test_a_prompt_that_two_calls_share_is_changed_for_both():
    call = CALL.replace(HELLO, "p")

    new = rewritten(
        f"{HEAD}{CLIENT}const p = `${{HUMAN_PROMPT}} ${{q}}${{AI_PROMPT}}`;\n{call};\n{call};\n"
    )

    assert "const p = `${q}`;" in new
    assert new.count("content: p }") == 2


def test_a_promise_that_nobody_waits_for_is_no_answer_to_follow():
    assert "messages.create" in rewritten(f"{HEAD}{CLIENT}{CALL.removeprefix('await ')}\n")


@pytest.mark.parametrize(
    ("loop", "written"),
    [
        ("for await (const p of s) f(p.completion);", "for await (const p of s) {\n  GUARD\n  f(p.delta.text);\n}"),
        ("for await (const p of s) { g(() => p.completion); }", "for await (const p of s) { GUARD const text = p.delta.text; g(() => text); }"),
        ("for await (const p of s) {}", "for await (const p of s) { GUARD}"),
        ("for await (const p of s) { f(p!.completion); }", "for await (const p of s) { GUARD f(p.delta.text); }"),
        ("s.controller.abort; for await (let p of s) {\n  f(1);\n}", "s.controller.abort; for await (let p of s) {\n  GUARD\n  f(1);\n}"),
    ],
)  # fmt: skip
def test_a_stream_is_followed_into_its_loop(loop: str, written: str):
    guard = 'if (p.type !== "content_block_delta" || p.delta.type !== "text_delta") continue;'
    call = CALL.replace(" })", ", stream: true })")

    new = rewritten(f"{HEAD}{CLIENT}const s = {call};\n{loop}\n")

    assert new.split("\n", 3)[3].rstrip("\n") == written.replace("GUARD", guard)


def test_a_model_by_a_name_is_changed_where_it_is_if_only_legacy_calls_use_it():
    call = CALL.replace('model: "claude-2"', "model: M")

    new = rewritten(f"{HEAD}{CLIENT}const M = 'claude-2';\n{call};\n")
    used = examine_typescript(f"{HEAD}{CLIENT}const M = `claude-2`;\nf(M);\n{call};\n", TARGET)

    assert "const M = 'claude-opus-4-8';" in new
    assert 'model: "claude-opus-4-8"' in {each.text for each in used.edits}


@pytest.mark.parametrize(
    "model",
    ["process.env.M ?? 'claude-2'", "model", "m"],
)
def test_a_default_model_is_changed_and_looked_at(model: str):
    call = CALL.replace('"claude-2"', model)
    text = f"{HEAD}{CLIENT}const m = x || 'claude-2';\nasync function f(model = 'claude-2') {{ {call}; }}\n"

    findings = examine_typescript(text, TARGET).findings

    call_found = next(each for each in findings if "create" in each.shape)
    assert call_found.verdict is Verdict.LOOK
    assert call_found.models == ("claude-2", "claude-opus-4-8")


def test_a_model_that_only_the_program_knows_stays():
    for model in ("pick(x)", "m"):
        call = CALL.replace('"claude-2"', model)
        assert f"model: {model}" in rewritten(
            f"{HEAD}{CLIENT}const f = async (m) => {call};\n".replace(f"{call}", f"{{ {call}; }}")
        )


def test_parameters_of_a_type_get_the_one_of_messages():
    text = f"{HEAD}{CLIENT}const p: Anthropic.CompletionCreateParamsNonStreaming = {{ {ASK}{HELLO} }};\n"
    cast = f"{HEAD}{CLIENT}await {CALL[6:-1]} as any);\n"

    new = rewritten(f"{text}await c.completions.create(p);\n")

    assert "const p: Anthropic.MessageCreateParamsNonStreaming = {" in new
    assert '{ role: "user", content' in new
    assert '"\\n\\nHuman:"] } as any)' in rewritten(cast)


def test_sampling_goes_by_an_older_version_of_the_api_unless_the_sdk_is_old():
    call = CALL.replace('"claude-2"', '"claude-instant-1"').replace(
        " })", ", temperature: 0.5, top_k: k, top_p: undefined })"
    )
    text = f"{HEAD}{CLIENT}{call};\n"

    new = rewritten(text)

    assert '...{ temperature: 0.5, top_k: k } }, { headers: { "anthropic-version"' in new
    assert "temperature: 0.5, top_k: k }" in rewritten(text, replace(TARGET, sdk=0))


def test_what_the_messages_api_has_not_is_taken_out():
    call = CALL.replace(" })", ", tags: { a: 1 }, metadata: undefined })")

    assert NEW_CALL in rewritten(f"{HEAD}{CLIENT}{call};\n")


def test_thinking_is_turned_off_where_it_is_on_by_default():
    call = CALL.replace('"claude-2"', '"claude-sonnet-5-5"').replace("9", "n ?? 9")

    new = rewritten(
        f"{HEAD}{CLIENT}const p = {{{call.partition('({')[2][:-1]};\nawait c.completions.create(p);\n"
    )

    assert "as const" in new


def test_tabs_crlf_and_the_rest_of_a_file_stay():
    text = (
        (
            f"{HEAD}{CLIENT}async function f(q) {{\n\tconst prompt = `${{HUMAN_PROMPT}} a\n${{q}}${{AI_PROMPT}} b`;\n"
            "\tconsole.log(prompt.length);\n"
            f"\treturn await c.completions.create({{\n\t\t{ASK}prompt,\n\t}}).then(r => r.completion); // é😀\n}}\n"
        )
        .replace("console.log(prompt.length);", "")
        .replace("\n", "\r\n")
    )

    new = rewritten(text)

    assert "\n" not in new.replace("\r\n", "")
    assert 'const prompt = [\r\n\t\t{ role: "user" as const, content: `a\r\n${q}` },\r\n' in new
    assert "messages: prompt" in new
    assert "// é😀" in new


def test_a_printed_prompt_is_looked_at():
    text = f"{HEAD}{CLIENT}const p = `${{HUMAN_PROMPT}} ${{q}}${{AI_PROMPT}}`;\nconsole.log(p);\nawait c.completions.create({{ {ASK}p }});\n"

    found = examine_typescript(text, TARGET).findings[-1]

    assert found.verdict is Verdict.LOOK
    assert "no markers any more" in found.reasons[0]


def test_a_constant_prompt_without_values_goes_into_the_call():
    text = f"{CLIENT}const PROMPT = {HELLO};\nawait c.completions.create({{ {ASK}PROMPT }});\n"

    assert 'content: "Hi"' in rewritten(text)


@pytest.mark.parametrize(
    ("head", "new_head"),
    [
        (f"import {{ AI_PROMPT, Client, HUMAN_PROMPT }} from '{'@anthropic-ai/sdk'}';\nconst c = new Client(k, {{ apiUrl: u }});", "import { Anthropic } from '@anthropic-ai/sdk';\nconst c = new Anthropic({ apiKey: k, baseURL: u });"),
        ("import { Client as C } from '@anthropic-ai/sdk';\nconst c = new C(apiKey);", "import { Anthropic as C } from '@anthropic-ai/sdk';\nconst c = new C({ apiKey });"),
        ("const { Client: C } = require('@anthropic-ai/sdk');\nconst c = new C(k);", "const { Anthropic: C } = require('@anthropic-ai/sdk');\nconst c = new C({ apiKey: k });"),
        ("import * as sdk from '@anthropic-ai/sdk';\nconst c = new sdk.Client(k);", "import * as sdk from '@anthropic-ai/sdk';\nconst c = new sdk.Anthropic({ apiKey: k });"),
    ],
)  # fmt: skip
def test_the_oldest_client_becomes_the_newest(head: str, new_head: str):
    call = CALL.replace("completions.create", "complete")

    new = rewritten(f"{head}\nf(({call}).completion);\n")

    assert new.startswith(f"{new_head}\nf((await c.messages.create(")


@pytest.mark.parametrize(
    "client",
    [
        "class B { private c = new Anthropic(); f() { return CALL.then(r => r.completion); } }",
        "class B { #c = new Anthropic(); f() { return CALL.then(r => r.completion); } }",
        "class B { constructor(private readonly c: Anthropic) {} f() { return CALL.then(r => r.completion); } }",
        "function f(c: Anthropic) { return CALL.then(r => r.completion); }",
        "(async () => (await CALL).completion)();",
    ],
)  # fmt: skip
def test_a_client_is_found_wherever_it_is_kept(client: str):
    call = CALL.removeprefix("await ")
    if "class" in client:
        call = call.replace("c.", "this.#c." if "#c" in client else "this.c.", 1)
    elif "async" in client:
        call = call.replace("c.", "new Anthropic().", 1)

    assert "messages.create" in rewritten(f"{HEAD}{client.replace('CALL', call)}\n")


@pytest.mark.parametrize(
    ("imports", "left"),
    [
        ('import { HUMAN_PROMPT, AI_PROMPT } from "@anthropic-ai/sdk";\n', ""),
        ('import { HUMAN_PROMPT } from "@anthropic-ai/sdk"; f();\n', " f();\n"),
        ('import A, { HUMAN_PROMPT } from "@anthropic-ai/sdk";\n', 'import A from "@anthropic-ai/sdk";\n'),
        ('import { AI_PROMPT, A, HUMAN_PROMPT as H } from "@anthropic-ai/sdk";\n', 'import { A } from "@anthropic-ai/sdk";\n'),
        ('import { AI_PROMPT, HUMAN_PROMPT, A } from "@anthropic-ai/sdk";\n', 'import { A } from "@anthropic-ai/sdk";\n'),
        ('const { HUMAN_PROMPT, AI_PROMPT: A } = require("@anthropic-ai/sdk");\n', ""),
        ('const A = require("@anthropic-ai/sdk"), { HUMAN_PROMPT, x } = A, y = 1;\n', 'const A = require("@anthropic-ai/sdk"), { x } = A, y = 1;\n'),
        ('const A = require("@anthropic-ai/sdk"), { HUMAN_PROMPT } = A;\n', 'const A = require("@anthropic-ai/sdk"), { HUMAN_PROMPT } = A;\n'),
        ('const { AI_PROMPT } = (await import("@anthropic-ai/sdk")).default;\n', ""),
        ('import A = require("@anthropic-ai/sdk");\nconst { AI_PROMPT } = A;\n', 'import A = require("@anthropic-ai/sdk");\n'),
        ('import "@anthropic-ai/sdk";\nimport x = require("y");\n', 'import "@anthropic-ai/sdk";\nimport x = require("y");\n'),
    ],
)  # fmt: skip
def test_constants_that_nothing_uses_are_no_longer_imported(imports: str, left: str):
    assert rewritten(imports) == left


def test_a_file_without_semicolons_gets_none():
    call = CALL.replace(" })", ", stream: true })")

    new = rewritten(f"const s = {call}\nfor await (const p of s) {{\n  f(p.completion)\n}}\n")

    assert "continue\n  f(p.delta.text)\n" in new


@pytest.mark.parametrize(
    ("entries", "written"),
    [
        ("temperature: 1, // warm\n  // asked:\n  PROMPT,", "// asked:\n  PROMPT,"),
        ("temperature: 1 /* a */, PROMPT", "PROMPT"),
        ("PROMPT, // asked\n  temperature: 1,", "PROMPT, // asked"),
        ("PROMPT, // asked\n  temperature: 1", "PROMPT, // asked"),
        ("PROMPT,\n  top_k: 1, temperature: 1 // warm", "PROMPT // warm"),
        ("PROMPT, /* a */ top_k: 1, // b\n  temperature: 1", "PROMPT"),
    ],
)
def test_comments_stay_but_for_those_of_what_is_taken_out(entries: str, written: str):
    asked = f'model: "claude-2", max_tokens_to_sample: 9, {entries.replace("PROMPT", f"prompt: {HELLO}")}'
    text = f"{HEAD}{CLIENT}await c.completions.create({{\n  {asked}\n}});\n"

    said = NEW_CALL.partition("9, ")[2].removesuffix(" })")

    new = rewritten(text).replace("],\n  stop", "], stop")
    assert new.endswith(f"9, {written.replace('PROMPT', said)}\n}});\n")


def test_a_comment_within_a_prompt_is_missed():
    text = f"{HEAD}{CLIENT}await c.completions.create({{ {ASK}HUMAN_PROMPT + /* x */ q + AI_PROMPT }});\n"

    assert "comments" in examine_typescript(text, TARGET).findings[-1].reasons[0]


def test_a_system_prompt_by_a_name_goes_into_the_call():
    prompt = "const p = `${SYSTEM}${HUMAN_PROMPT} ${q}${AI_PROMPT}`;\n"
    text = f"{HEAD}{CLIENT}const SYSTEM = 'Be brief.';\n{prompt}await c.completions.create({{ {ASK}p }});\n"

    new = rewritten(text)

    assert 'system: SYSTEM, messages: [{ role: "user", content: p }]' in new
    assert "const p = `${q}`;" in new


def test_the_prompt_of_another_call_is_no_property_with_markers():
    assert content("`${HUMAN_PROMPT} ${body.prompt}${AI_PROMPT}`") == "`${body.prompt}`"


def test_a_marker_of_the_programs_own_is_followed():
    before = "const H = '\\n\\nHuman:';\n"

    assert content("`${H} ${q}${AI_PROMPT}`", before) == "`${q}`"


def test_an_answer_may_be_asked_about():
    prompt = "HUMAN_PROMPT + ' ' + q + AI_PROMPT"
    first = f"const q = (await c.completions.create({{ {ASK}HUMAN_PROMPT + x + AI_PROMPT }})).completion;"

    new = rewritten(f"{HEAD}{CLIENT}{first}\nawait c.completions.create({{ {ASK}{prompt} }});\n")

    assert "content: `${x}` }" in new
    assert "content: `${q}` }" in new


def test_the_words_of_a_prefill_end_where_its_value_does():
    call = CALL.replace(HELLO, "`${HUMAN_PROMPT} Hi${AI_PROMPT} ${q}`").replace("-2", "-instant-1")
    call = call.replace(" })", ", metadata: m }, { signal })")

    new = rewritten(f"{HEAD}{CLIENT}{call};\n")

    assert "content: `${String(q).trimEnd()}` }" in new
    assert "metadata: m" in new


def test_a_body_in_quotes_stays_in_quotes_and_a_class_may_have_other_fields():
    text = f"{HEAD}class B {{ a = 1; b; private c = new Anthropic(); f(q = 1) {{ this.b = q; return this.{CALL[6:]}.then(r => r.completion); }} }}\n"

    assert "messages.create" in rewritten(text)


def test_jsx_is_read_in_files_of_javascript_too():
    text = f"{HEAD}{CLIENT}const A = async () => <p>{{({CALL}).completion}}</p>;\n"
    typed = f"{HEAD}{CLIENT}const a = ({CALL}).completion as string;\n"

    for examine in (examine_tsx, examine_javascript):
        assert "<p>{(await c.messages" in rewritten(text, examine=examine)
        assert f"{TEXT} as string" in rewritten(typed, examine=examine)


def by_hand(source: str) -> list[str]:
    """The reasons why uses are left to a person."""
    findings = examine_typescript(f"{HEAD}{CLIENT}{source}\n", TARGET).findings
    return [each.reasons[0] for each in findings if each.verdict is Verdict.BY_HAND]


@pytest.mark.parametrize(
    "code",
    [
        "show(r.completion.slice(1))",
        "const [first] = r.completion",
        "show(r.completion.slice(0, 4))",
        "show(r.completion.substring(1, 9))",
        "show(r.completion.charAt(0))",
        "show(r.completion.charAt())",
        "show((r.completion)[0])",
        "show(LABELS[r.completion])",
        'show(r.completion === " Yes")',
        'show(" No" != r.completion)',
        'show(r.completion.startsWith(" Yes"))',
        'show(r.completion.split(" ")[1])',
        'show(r.completion.replace(" ", ""))',
        "show(r.completion.match(/^ (\\w+)/))",
        "show(/^ Yes/.test(r.completion))",
        'show([" Yes", " No"].includes(r.completion))',
        "show(LABELS.get(r.completion))",
        'switch (r.completion) { case " Yes": show(1); default: show(2) }',
        "const text = r.completion; show(text.slice(1))",
        "let text; text = r.completion; show(text.slice(1))",
        "const { completion } = r; show(completion.slice(1))",
    ],
)
def test_what_counts_on_the_first_space_is_left_to_a_person(code: str):
    [reason] = by_hand(f"const r = {CALL}; {code}")

    assert "begins with its first word now: line 3 counts on the space" in reason
    taken = by_hand(f"c.completions.create({{ {ASK}{HELLO} }}).then((r) => {{ {code} }})")
    assert len(taken) == 1


@pytest.mark.parametrize(
    "code",
    [
        "show(r.completion.trim().slice(1))",
        "show(r.completion.slice(0, 2000))",
        "show(r.completion.slice(-9))",
        "show(r.completion.slice(start))",
        "show(r.completion.slice())",
        "show(r.completion.slice(0))",
        "show(r.completion.length)",
        'show(r.completion === "")',
        'show(r.completion.split("\\n"))',
        'show(r.completion.replaceAll(" ", ""))',
        "show(r.completion.replace(/^ /, ''))",
        "show(r.completion.match(/^\\s*(\\w+)/))",
        "show(/yes/i.test(r.completion))",
        "show(pattern.exec(r.completion))",
        "show(r.completion.at)",
        "show(r.completion.split())",
        "switch (r.completion) { case '': show(1); default: show(2) }",
        "show(1 + r.completion)",
        "show(`${r.completion}: that`)",
        "show(`\\n${r.completion}`)",
        'show("" + r.completion)',
        "show(r.completion + 'x')",
        "const text = r.completion; show(text)",
    ],
)
def test_what_does_not_is_rewritten_as_it_is(code: str):
    assert answered(f"const r = CALL; {code}") == f"const r = CALL; {code}".replace(
        ".completion", TEXT
    )


@pytest.mark.parametrize(
    ("code", "new"),
    [
        ("show(`Claude:${r.completion}`)", f"show(`Claude: ${{r{TEXT}}}`)"),
        ('show("Claude:" + r.completion)', f'show("Claude: " + r{TEXT})'),
        ("show(x + `is` + r.completion)", f"show(x + `is ` + r{TEXT})"),
        (
            "const text = r.completion; show(`Claude:${text}`)",
            f"const text = r{TEXT}; show(`Claude: ${{text}}`)",
        ),
    ],
)
def test_a_label_is_parted_from_the_answer(code: str, new: str):
    assert answered(f"const r = CALL; {code}") == f"const r = CALL; {new}"


def test_an_answer_that_began_with_no_space_may_be_cut_as_before():
    prefilled = CALL.replace("Assistant:", "Assistant: Yes")

    assert ".slice(1)" in rewritten(
        f"{HEAD}{CLIENT}const r = {prefilled}; r.completion.slice(1);\n"
    )


def test_a_list_of_stops_that_may_be_changed_is_left_to_a_person():
    call = f"c.completions.create({{ {ASK}{HELLO}, stop_sequences: stops }})"
    stops = 'const stops = ["END"]; '
    for change in ("stops.push('x')", "stops[0] = 'x'", "change(stops)"):
        reasons = by_hand(f"{stops}{change}; await {call};")
        assert reasons == ["`stops` may be changed in line 3."]
    for use in ("show(stops.length)", "show([...stops])", "show({ stops })"):
        assert not by_hand(f"{stops}{use}; await {call};")


@pytest.mark.parametrize(
    ("parameters", "is_left"),
    [
        ('q: string, system = ""', True),
        ('{ q, system = "" }: Options', True),
        ('q: string, system = "Be brief."', False),
        ("q: string, system: string", False),
    ],
)
def test_a_system_prompt_that_is_empty_by_default_is_left_to_a_person(
    parameters: str, is_left: bool
):
    prompt = "`${system}\\n\\nHuman: ${q}\\n\\nAssistant:`"
    reasons = by_hand(
        f"async function f({parameters}) {{ return (await c.completions.create("
        f"{{ {ASK}{prompt} }})).completion.trim(); }}"
    )

    assert ["empty by default" in each for each in reasons] == [True] * is_left


@pytest.mark.parametrize(
    ("value", "is_left"),
    [
        ("''", True),
        ("process.env.SYSTEM ?? ''", True),
        ("(options.system || ``)", True),
        ("options.brief ? 'Be brief.' : ''", True),
        ("options.system", False),
        ("options.system ?? 'Be brief.'", False),
    ],
)
def test_a_system_prompt_that_is_empty_if_there_is_none_is_left_to_a_person(
    value: str, is_left: bool
):
    prompt = "`${system}\\n\\nHuman: Hi\\n\\nAssistant:`"
    call = f"say((await c.completions.create({{ {ASK}{prompt} }})).completion.trim());"

    reasons = by_hand(f"const system = {value}; {call}")

    assert ["empty by default" in each for each in reasons] == [True] * is_left


def test_a_default_model_that_something_else_reads_is_left_to_a_person():
    call = f"c.completions.create({{ {ASK}{HELLO} }})".replace('model: "claude-2"', "model")
    body = f"show(model); await {call};"

    first, *_ = by_hand(f'async function f(model = "claude-2") {{ {body} }}')
    assert "`model` is used in line 3 too" in "".join(
        by_hand(f'async function f(model = "claude-2") {{ {body} }}')
    ), first
    assert not by_hand(f'async function f(model = "claude-2") {{ await {call}; }}')


def test_models_that_think_are_told_not_to_and_given_room():
    new = rewritten(
        f"{HEAD}{CLIENT}async function f(n: number) {{\n"
        f'  await c.completions.create({{ model: "claude-opus-5-5", max_tokens_to_sample: n, prompt: {HELLO} }});\n'
        f'  await c.completions.create({{ model: "claude-opus-5", max_tokens_to_sample: 90000, prompt: {HELLO} }});\n'
        "}\n"
    )

    assert "max_tokens: n + 4096" in new
    assert 'output_config: { effort: "low" }' in new
    assert 'thinking: { type: "disabled" }' in new
    assert "{ timeout: 600_000 }" in new
