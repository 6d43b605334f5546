"""Objects of LangChain.js's `ChatAnthropic`: which are rewritten, and why others are not."""

# ruff: noqa: E501 - a program on one line can be compared with another

from __future__ import annotations

import pytest

from proxy.migrate import Finding, Target, Verdict, apply_edits
from proxy.migrate.typescript import examine_javascript, examine_tsx, examine_typescript
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
OLD_IMPORT = 'import { ChatAnthropic } from "langchain/chat_models/anthropic";\n'
NEW_IMPORT = 'import { ChatAnthropic } from "@langchain/anthropic";\n'
OLD_MADE = 'new ChatAnthropic({ modelName: "claude-2", maxTokensToSample: 9 })'
NEW_MADE = (
    'new ChatAnthropic({ model: "claude-opus-4-8", stopSequences: ["\\n\\nHuman:"], maxTokens: 9 })'
)
OLD = f"{OLD_IMPORT}const chat = {OLD_MADE};\n"
NEW = f"{NEW_IMPORT}const chat = {NEW_MADE};\n"
DEFAULTS = 'maxTokens: 2048, stopSequences: ["\\n\\nHuman:"]'
INSTALL = "must be installed"


def rewritten(code: str) -> tuple[str, tuple[Finding, ...]]:
    """Return the new code, and all findings, each of which is to be looked at."""
    examined = examine_typescript(code, TARGET)
    assert [each.reasons for each in examined.findings if each.verdict is Verdict.BY_HAND] == []
    new = apply_edits(code, examined.edits)
    assert examine_typescript(new, TARGET).edits == ()
    return new, examined.findings


def options(written: str) -> str:
    """Return the options that are written in the place of others."""
    code = f"{OLD_IMPORT}new ChatAnthropic({written}).invoke(q);\n"
    new, _ = rewritten(code)
    return new.removeprefix(f"{NEW_IMPORT}new ChatAnthropic(").removesuffix(").invoke(q);\n")


def look_at(code: str) -> tuple[str, ...]:
    """Return what is said of the only object of a file, but for the packages."""
    _, (found, *others) = rewritten(code)
    assert (found.shape, found.verdict) == ("ChatAnthropic of LangChain", Verdict.LOOK)
    assert INSTALL in found.reasons[-1]
    assert others == []
    return found.reasons[:-1]


def left(code: str) -> Finding:
    """Return what is said first of LangChain in a file that is left alone."""
    examined = examine_typescript(code, TARGET)
    assert examined.edits == ()
    found = [each for each in examined.findings if "LangChain" in each.shape]
    assert {each.verdict for each in found} == {Verdict.BY_HAND}
    return found[0]


def test_an_object_is_of_the_newest_class_with_the_planners_model():
    code = f"{OLD_IMPORT}const chat = new ChatAnthropic({{\n  // clever\n  modelName: 'claude-2.1',\n  temperature: 0.2, // low\n  anthropicApiKey: key,\n  maxTokensToSample: 1_000,\n}});\nawait chat.invoke(q);\n"

    new, (found,) = rewritten(code)

    assert new == (
        f"{NEW_IMPORT}const chat = new ChatAnthropic({{\n  // clever\n  model: 'claude-opus-4-8',\n"
        '  stopSequences: ["\\n\\nHuman:"],\n  apiKey: key,\n  maxTokens: 1_000,\n}});\nawait chat.invoke(q);\n'
    ).replace("}})", "})").replace('["\\n\\nHuman:"]', '["\\n\\nHuman:"]')
    assert found.models == ("claude-2.1", "claude-opus-4-8")
    assert [each.kind.value for each in found.adjustments] == [
        "replace_retired_model",
        "drop_temperature",
    ]
    assert len(found.reasons) == 1
    assert INSTALL in found.reasons[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", f'{{ model: "claude-opus-4-8", {DEFAULTS} }}'),
        ("{}", f'{{ model: "claude-opus-4-8", {DEFAULTS} }}'),
        ("{ temperature: 0.5 }", f'{{ model: "claude-opus-4-8", {DEFAULTS} }}'),
        ("{ verbose: true, topK: 5 }", f'{{ verbose: true, model: "claude-opus-4-8", {DEFAULTS} }}'),
        ("{ modelName: 'claude-instant-v1', temperature: 0.5, topP: 0.2 }", '{ model: \'claude-haiku-4-5-20251001\', maxTokens: 2048, stopSequences: ["\\n\\nHuman:"], temperature: 0.5 }'),
        ("{ 'modelName': 'claude-sonnet-5' }", "{ 'model': 'claude-sonnet-5', 'maxTokens': 2048, 'stopSequences': ['\\n\\nHuman:'], 'thinking': { type: 'disabled' } }"),
        ('{ modelName: "claude-fable-5" }', '{ model: "claude-fable-5", maxTokens: 6144, stopSequences: ["\\n\\nHuman:"], outputConfig: { effort: "low" } }'),
        ('{ modelName: "claude-2", stopSequences: ["END", "\\n\\nHuman:"] }', '{ model: "claude-opus-4-8", maxTokens: 2048, stopSequences: ["END", "\\n\\nHuman:"] }'),
        ('{ modelName: "claude-2", maxTokensToSample: n, temperature: t }', '{ model: "claude-opus-4-8", stopSequences: ["\\n\\nHuman:"], maxTokens: n ?? 2048 }'),
        ('{ modelName: "claude-fable-5", maxTokensToSample: o.n }', '{ model: "claude-fable-5", stopSequences: ["\\n\\nHuman:"], outputConfig: { effort: "low" }, maxTokens: (o.n ?? 2048) + 4096 }'),
        ('{ modelName: "claude-fable-5", maxTokensToSample: Number(n) }', '{ model: "claude-fable-5", stopSequences: ["\\n\\nHuman:"], outputConfig: { effort: "low" }, maxTokens: (Number(n)) + 4096 }'),
        ("{ modelName: o.model, maxTokensToSample: 9 }", '{ model: o.model ?? "claude-opus-4-8", stopSequences: ["\\n\\nHuman:"], maxTokens: 9 }'),
        ("{ modelName: o.model, maxTokensToSample: 9, temperature: 0 }", '{ model: o.model, stopSequences: ["\\n\\nHuman:"], maxTokens: 9, temperature: 0 }'),
        ("{ modelName: pick(), maxTokensToSample: 9 }", '{ model: pick(), stopSequences: ["\\n\\nHuman:"], maxTokens: 9 }'),
        ("{ modelName: process.env.M || `claude-2`, maxTokensToSample: 9 }", '{ model: process.env.M || "claude-opus-4-8", stopSequences: ["\\n\\nHuman:"], maxTokens: 9 }'),
        ("{ maxTokensToSample: 30_000, streaming: true }", '{ maxTokens: 30_000, model: "claude-opus-4-8", stopSequences: ["\\n\\nHuman:"], streaming: true }'),
        ('{ modelName: "claude-2", invocationKwargs: { metadata: { user_id: u } }, clientOptions: { timeout: 5 } }', f'{{ model: "claude-opus-4-8", {DEFAULTS}, invocationKwargs: {{ metadata: {{ user_id: u }} }}, clientOptions: {{ timeout: 5 }} }}'),
        ("{ modelName: model, maxTokensToSample: maxTokens }", '{ model: model ?? "claude-opus-4-8", stopSequences: ["\\n\\nHuman:"], maxTokens: maxTokens ?? 2048 }'),
        ("{ modelName: model, maxTokensToSample: 9, anthropicApiKey: apiKey, topP: p }", '{ model, stopSequences: ["\\n\\nHuman:"], maxTokens: 9, apiKey, topP: p }'),
        ("{ temperature: 0 } as any", f'{{ model: "claude-opus-4-8", {DEFAULTS} }} as any'),
    ],
)  # fmt: skip
def test_options_become_the_newest_classs_own(old: str, new: str):
    assert options(old) == new


def test_who_gives_callbacks_is_told_what_tokens_are_now():
    made = "new ChatAnthropic({ modelName: 'claude-2', callbacks: [c] })"

    assert "tokens that callbacks are given" in look_at(f"{OLD_IMPORT}{made}.invoke(q);\n")[0]
    for given in ("{ callbacks: [c] }", "{}, [c]"):
        assert (
            "tokens that callbacks are given"
            in look_at(f"{OLD}f(await chat.predict(q, {given}));\n")[0]
        )


def test_an_object_without_arguments_gets_options():
    new, _ = rewritten(f"{OLD_IMPORT}const chat = new ChatAnthropic;\nchat.invoke(q);\n")

    assert f'new ChatAnthropic({{ model: "claude-opus-4-8", {DEFAULTS} }});' in new


def test_who_named_no_model_is_told_which_was_asked():
    said = look_at(f"{OLD_IMPORT}await new ChatAnthropic({{}}).invoke(q);\n")

    assert "asked for claude-2, and before 0.0.139 for claude-v1" in said[0]


def test_options_that_no_class_has_stay():
    code = f"{OLD_IMPORT}await new ChatAnthropic({{ modelName: 'claude-2', modelTokens: 9 }}).invoke(q);\n"

    assert look_at(code) == ("`modelTokens` is an option of neither class, and ignored by both.",)
    assert "modelTokens: 9 })" in rewritten(code)[0]


def test_options_with_a_name_are_rewritten_where_they_are():
    code = f"{OLD_IMPORT}const o = {{ modelName: 'claude-2', maxTokensToSample: 9 }};\nawait new ChatAnthropic(o).invoke(q);\n"

    new, _ = rewritten(code)

    assert (
        "const o = { model: 'claude-opus-4-8', stopSequences: [\"\\n\\nHuman:\"], maxTokens: 9 };"
        in new
    )


@pytest.mark.parametrize(
    ("model", "uses", "expected"),
    [
        ('const M = "claude-2";', ["modelName: M"], 'const M = "claude-opus-4-8";'),
        ('const modelName = "claude-2";', ["modelName", "modelName"], 'const modelName = "claude-opus-4-8";'),
        ('const M = "claude-2"; log(M);', ["modelName: M"], 'const M = "claude-2"; log(M);'),
        ('export const M = "claude-2";', ["modelName: M"], 'export const M = "claude-2";'),
        ('const M = process.env.M || "claude-2";', ["modelName: M"], 'const M = process.env.M || "claude-opus-4-8";'),
    ],
)  # fmt: skip
def test_a_model_with_a_name_is_rewritten_where_only_such_objects_have_it(
    model: str, uses: list[str], expected: str
):
    made = "".join(
        f"new ChatAnthropic({{ {each}, maxTokensToSample: 9 }}).invoke(q);\n" for each in uses
    )
    code = f"{OLD_IMPORT}{model}\n{made}"

    new = apply_edits(code, examine_typescript(code, TARGET).edits)

    assert new.split("\n")[1] == expected
    assert ("model: M," in new or "model: modelName," in new) == ("opus" in expected)
    assert ('model: "claude-opus-4-8"' in new) == ("opus" not in expected)


OPTIONS = {
    "{ ...shared }": "not in sight",
    "load()": "not in sight: `load()`",
    "{}, {}": "not in sight",
    '{ modelName: "claude-2", model: "claude-2" }': "`model` is no option of the old class",
    '{ modelName: "claude-2", apiKey: k }': "`apiKey` is no option of the old class",
    '{ modelName: cheap ? "claude-instant-1" : other }': "one of several models",
    '{ modelName: "claude-2", cache: true }': "`cache` has another form",
    '{ modelName: "claude-2", clientOptions: o }': "`clientOptions` may be",
    '{ modelName: "claude-2", clientOptions: { httpAgent: a } }': "`clientOptions` may be",
    '{ modelName: "claude-2", clientOptions: { defaultHeaders: { "anthropic-version": v } } }': "`clientOptions` may be",
    '{ modelName: "claude-2", invocationKwargs: o }': "`invocationKwargs` are sent",
    '{ modelName: "claude-2", invocationKwargs: { prompt: p } }': "`invocationKwargs` are sent",
    '{ modelName: "claude-2", maxTokensToSample: undefined }': "`undefined`",
    '{ modelName: "claude-2", maxTokensToSample: 30_000 }': "take a timeout",
    '{ modelName: "claude-2", temperature: process.env.T }': "is a string where it is set",
    '{ modelName: "claude-2", stopSequences: stops() }': "stop sequences",
    '{ modelName: "claude-2" } as AnthropicInput': "The type `AnthropicInput`",
}


@pytest.mark.parametrize(("given", "reason"), OPTIONS.items(), ids=OPTIONS)
def test_options_that_mean_something_else_are_left_alone(given: str, reason: str):
    found = left(f"{OLD_IMPORT}await new ChatAnthropic({given}).invoke(q);\n")

    assert reason in found.reasons[0]
    assert "@langchain/anthropic" in found.code


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ("const o = { modelName: 'claude-2' }; log(o);", "`o` is used elsewhere"),
        ("export const o = { modelName: 'claude-2' };", "`o` is used elsewhere"),
        ("const o: AnthropicInput = { modelName: 'claude-2' };", "The type of `o`"),
        ("const m = process.env.M || 'claude-2'; log(m); const o = { modelName: m };", "a retired model by default"),
    ],
)  # fmt: skip
def test_options_that_others_use_are_left_alone(declared: str, reason: str):
    assert (
        reason
        in left(f"{OLD_IMPORT}{declared}\nawait new ChatAnthropic(o).invoke(q);\n").reasons[0]
    )


def test_the_code_to_write_has_what_is_known_and_no_key():
    code = f'{OLD_IMPORT}export const chat = new ChatAnthropic({{ anthropicApiKey: "secret", modelName: "claude-2", temperature: 0.2, streaming: s }});\n'

    found = left(code)

    assert "is exported to other files" in found.reasons[0]
    assert (
        'new ChatAnthropic({ apiKey: process.env.ANTHROPIC_API_KEY, model: "claude-opus-4-8", streaming: s, maxTokens: 2048 })'
        in found.code
    )
    assert found.traits is not None
    assert found.traits.model == "claude-2"
    assert found.traits.temperature == 0.2
    assert found.traits.top_p is None


# What is done with an object.
USES = {
    "await chat.call(m);": "await chat.invoke(m);",
    "await chat.predict(q);": "await chat.invoke(q);",
    "(await chat.predict(q));": "(await chat.invoke(q));",
    "chat.predict(q);": "chat.invoke(q);",
    "const a = await chat.predict(q);": "const a = (await chat.invoke(q)).text;",
    "f((await chat.predict(q)).trim());": "f((await chat.invoke(q)).text.trim());",
    "g(`A:${await chat.predict(q)}`);": "g(`A: ${(await chat.invoke(q)).text}`);",
    "f(chat.predict(q));": "f(chat.invoke(q).then((message) => message.text));",
    "f((await chat.call([x])).content.trim());": "f((await chat.invoke([x])).text.trim());",
    "const r = await chat.call([x]); f(r.content, r.text);": "const r = await chat.invoke([x]); f(r.text, r.text);",
    "const { content } = await chat.invoke(q); f(content);": "const { text: content } = await chat.invoke(q); f(content);",
    "const { content: c, text } = await chat.invoke(q);": "const { text: c, text } = await chat.invoke(q);",
    "chat.call([x]).then((r) => f(r.content));": "chat.invoke([x]).then((r) => f(r.text));",
    "chat.call([x]).then((r: any) => f(r.content));": "chat.invoke([x]).then((r: any) => f(r.text));",
    "chat.call([x]);": "chat.invoke([x]);",
    "const r = await chat.invoke(q); f(r.content as string);": "const r = await chat.invoke(q); f(r.text as string);",
    "const r: any = await chat?.invoke(q, { signal }); f(r.content);": "const r: any = await chat?.invoke(q, { signal }); f(r.text);",
    "let r; r = await chat.invoke(q); f(r.content);": "let r; r = await chat.invoke(q); f(r.text);",
    "chat.verbose = true;": None,
    "f.bind(o); f.bind(); xs.map(g);": None,
    "await chat.call([x], {}, [handlers]);": "await chat.invoke([x], { callbacks: [handlers] });",
    "chat.call([x], undefined, given);": "chat.invoke([x], { callbacks: given });",
    "let n = 1\nawait chat.predict(q) + f()": "let n = 1\nawait chat.invoke(q).then((message) => message.text) + f()",
    # It is told whether a content is a list, or changed: it is left as it is.
    "const r = await chat.invoke(q); f(typeof r.content);": None,
    "const r = await chat.invoke(q); if (Array.isArray(r.content)) f(r.content);": None,
    "const r = await chat.invoke(q); f(r.content.map(g));": None,
    "const r = await chat.invoke(q); f(r.content as X[]);": None,
    "const r = await chat.invoke(q); r.content += x;": None,
    # Pieces of a stream.
    "for await (const c of await chat.stream(q)) f(c.content);": "for await (const c of await chat.stream(q)) f(c.text);",
    "const s = await chat.stream(q); for await (const c of s) f(c.content, c.text);": "const s = await chat.stream(q); for await (const c of s) f(c.text, c.text);",
    "for await (const c of await chat.stream(q)) f(c);": None,
    "for await (const c of await chat.stream(q)) f(c.content.map(g));": None,
    "for await (const { content } of await chat.stream(q)) f(content);": "for await (const { text: content } of await chat.stream(q)) f(content);",
    "chat.call([x]).then(({ content }) => f(content));": "chat.invoke([x]).then(({ text: content }) => f(content));",
    "chat.call([x]).then(({ content }: AIMessage) => f(content));": "chat.invoke([x]).then(({ text: content }: AIMessage) => f(content));",
    "const r = await chat.call([x]); const { content } = r; f(content.trim());": "const r = await chat.invoke([x]); const { text: content } = r; f(content.trim());",
    "const r = await chat.call([x]); const { content }: M = r; f(content.trim());": "const r = await chat.invoke([x]); const { content }: M = r; f(content.trim());",
    "const r = (await chat.call([x])) as AIMessage; f(r.content);": "const r = (await chat.invoke([x])) as AIMessage; f(r.text);",
    "const r = await chat.call([x]) as AIMessage; f(r.content);": "const r = await chat.invoke([x]) as AIMessage; f(r.text);",
    "const { content } = await chat.call([x]) as any; f(content);": "const { text: content } = await chat.invoke([x]) as any; f(content);",
    "for await (const [a] of await chat.stream(q)) f(a);": None,
    "if (await chat.predict(q)) f();": "if ((await chat.invoke(q)).text) f();",
    "do f(); while (await chat.predict(q));": "do f(); while ((await chat.invoke(q)).text);",
    "switch (await chat.predict(q)) { case 'a': f(); }": "switch ((await chat.invoke(q)).text) { case 'a': f(); }",
    "while ((await chat.predict(q))) f();": "while (((await chat.invoke(q)).text)) f();",
    "f(await chat?.predict(q));": "f((await chat?.invoke(q))?.text);",
    "f((await chat?.predict?.(q))!);": "f((await chat?.invoke?.(q))!?.text);",
    "f(await chat!.predict(q));": "f((await chat!.invoke(q)).text);",
    "f(chat?.predict(q));": "f(chat?.invoke(q).then((message) => message.text));",
    "const c = p.pipe(chat); const r = await c.invoke(q); f(r.content);": "const c = p.pipe(chat); const r = await c.invoke(q); f(r.text);",
    "f((await p.pipe(chat).invoke(q)).content);": "f((await p.pipe(chat).invoke(q)).text);",
    "const c = RunnableSequence.from([p, chat]); for await (const m of await c.stream(q)) f(m.content);": "const c = RunnableSequence.from([p, chat]); for await (const m of await c.stream(q)) f(m.text);",
    "const c = RunnableSequence.from([chat, p]); f((await c.invoke(q)).content);": None,
    "const c = p.pipe(chat).pipe(o); f((await c.invoke(q)).content);": None,
    "export const c = p.pipe(chat); f((await c.invoke(q)).content);": None,
    "const c = p.pipe(chat); f(c, c.batch(q), c.invoke);": None,
    "f(await chat.stream(q)); f(chat.stream(q));": None,
    "const s = chat.stream(q);": None,
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), USES.items(), ids=USES)
def test_calls_and_texts_become_those_of_the_newest_class(old: str, new: str | None):
    code, _ = rewritten(f"{OLD}{old}\n")

    assert code == f"{NEW}{old if new is None else new}\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("const r = await chat.invoke(q); f(r);", "An answer is used as a whole in line 3"),
        ("const r = await chat.invoke(q); f(r.id);", "An answer is used as a whole in line 3"),
        ("let r = 1; r = await chat.invoke(q); f(r.content);", "An answer is used as a whole in line 3"),
        ("r = await chat.invoke(q); f(r.content);", "An answer is used as a whole in line 3"),
        ("o.r = await chat.invoke(q);", "An answer is used as a whole in line 3"),
        ("await chat.call([x], {}, [handlers]);", "tokens that callbacks are given"),
        ("let r = await chat.invoke(q); r = other; f(r.content);", "An answer is used as a whole in line 3"),
        ("const r = (await chat.invoke(q)) as Mine; f(r.content);", "An answer is used as a whole in line 3"),
        ("const r: Mine = await chat.invoke(q); f(r.content);", "An answer is used as a whole in line 3"),
        ("const { content }: Mine = await chat.invoke(q);", "An answer is used as a whole in line 3"),
        ("const { id } = await chat.invoke(q);", "An answer is used as a whole in line 3"),
        ("const { ...all } = await chat.invoke(q);", "An answer is used as a whole in line 3"),
        ("const { content = x } = await chat.invoke(q);", "An answer is used as a whole in line 3"),
        ("const { content }: { content: string } = await chat.invoke(q);", "its `.content` may be a list"),
        ("const m = [new HumanMessage(a)]; m.push(r); await chat.call(m);", "whose list is a `BaseMessage[]`"),
        ("f(await chat.invoke(q));", "An answer is used as a whole in line 3"),
        ("const g = () => chat.invoke(q);", "An answer is used as a whole in line 3"),
        ("chat.invoke(q).then(f);", "An answer is used as a whole in line 3"),
        ("chat.invoke(q).then(({ content }: { content: string }) => content);", "An answer is used as a whole in line 3"),
        ("chat.invoke(q).then(() => 1);", "An answer is used as a whole in line 3"),
        ("chat.invoke(q).catch(f);", "An answer is used as a whole in line 3"),
        ("f(chat.predict(q));", "What comes out in line 3 began with a space"),
        ("await chat.call(q);", "put together elsewhere"),
        ("await chat.batch(qs);", "part of a chain in line 3"),
        ("f(chat.pipe(p));", "part of a chain in line 3"),
        ("f(prompt.pipe(chat));", "part of a chain in line 3"),
        ("f(RunnableSequence.from([prompt, chat]));", "part of a chain in line 3"),
        ("for await (const c of await chat.stream(q)) f(c.text);", "Pieces of the stream in line 3 may be empty"),
    ],
)  # fmt: skip
def test_what_may_go_on_differently_is_to_be_looked_at(code: str, said: str):
    assert any(said in each for each in look_at(f"{OLD}{code}\n"))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("export { chat };", "handed on in line 3"),
        ("f(chat);", "handed on in line 3"),
        ("f([chat]);", "handed on in line 3"),
        ("f({ llm: chat });", "handed on in line 3"),
        ("const x = { chat };", "handed on in line 3"),
        ("new Other({ llm: chat });", "handed on in line 3"),
        ("prompt.pipe(chat, 1);", "handed on in line 3"),
        ("new Other(chat);", "handed on in line 3"),
        ("x[chat];", "handed on in line 3"),
        ("f(chat.call);", "`call` of the object is used in line 3"),
        ("chat.bind({ stop });", "`bind` of the object is used in line 3"),
        ("chat.temperature = 1;", "`temperature` of the object"),
        ("f(chat.verbose);", "`verbose` of the object"),
        ("new chat.invoke(q);", "`invoke` of the object"),
        ("await chat.invoke();", "is given more than what is asked"),
        ("await chat.invoke(q, { stop });", "is given more than what is asked"),
        ("await chat.invoke(q, o);", "is given more than what is asked"),
        ("await chat.batch(...qs);", "not in sight"),
        ("await chat.call(q, { stop }, [handlers]);", "is given more than what is asked"),
        ("await chat.invoke(q, {}, [handlers]);", "is given more than what is asked"),
        ("await chat.invoke(q, {}, {}, {});", "is given more than what is asked"),
        ("const t = await chat.predict(q); f(t.slice(1));", "line 3 counts on the space"),
        ("const r = await chat.invoke(q); f(r.content.slice(1));", "line 3 counts on the space"),
        ("const { content } = await chat.invoke(q); f(content.slice(1));", "line 3 counts on the space"),
        ("const c = prompt.pipe(chat); f((await c.invoke(q)).content.slice(1));", "line 3 counts on the space"),
        ("f(prompt.pipe(chat).bind({ stop }));", "`bind` is called in line 3"),
        ("f(prompt.pipe(chat).map());", "`map` is called in line 3"),
        ("f((await chat.invoke(q)).toChunk());", "`toChunk` is called in line 3"),
        ('await chat.invoke("\\n\\nHuman: a\\n\\nAssistant:");', "line 3 has markers of its own"),
        ("await chat.invoke(`Human: ${q}`);", "line 3 has markers of its own"),
        ("await chat.invoke(HUMAN_PROMPT + q);", "line 3 has markers of its own"),
        ("await chat.invoke(a.AI_PROMPT + q);", "line 3 has markers of its own"),
        ("await chat.call([new AIMessage(a)]);", "has to begin and to end"),
        ('await chat.call([new HumanMessage(a), ["assistant", b]]);', "has to begin and to end"),
        ("await chat.call([AIMessagePromptTemplate.fromTemplate(a), b]);", "has to begin and to end"),
        ("const m = [new SystemMessage(a)]; await chat.call(m);", "has to begin and to end"),
        ("const s = new SystemMessage(a); await chat.call([new HumanMessage(b), s]);", "is not the first"),
        ("await chat.call([[], new SystemMessage(a)]);", "is not the first"),
        ("class A extends ChatAnthropic {}", "`ChatAnthropic` is used in line 3 too"),
        ('jest.mock("langchain/chat_models/anthropic");', "where it is not imported"),
        ('import { ConversationChain } from "langchain/chains";', "`langchain/chains` is used in line 3 too"),
        ('import { ChatOpenAI } from "@langchain/openai";', "`@langchain/openai` is used in line 3 too"),
        ('import { ChatMessage } from "langchain/schema";', "`ChatMessage` of line 3 has another place"),
        ('import * as schema from "langchain/schema";', "imported as a whole in line 3"),
        ('const schema = require("langchain/schema");', "imported as a whole in line 3"),
        ('const { a: { b } } = require("langchain/schema");', "imported as a whole in line 3"),
        ('export { HumanMessage } from "langchain/schema";', "named in line 3 too"),
        ('import { HumanChatMessage } from "langchain/schema"; f({ HumanChatMessage });', "which is not free"),
        ('import { HumanChatMessage } from "langchain/schema"; f(HumanMessage);', "which is not free"),
    ],
)  # fmt: skip
def test_an_object_is_left_alone_with_the_reason(code: str, reason: str):
    assert reason in left(f"{OLD}{code}\n").reasons[0]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (f"export const chat = {OLD_MADE};", "`chat` is exported"),
        (f"let chat = {OLD_MADE}; chat = other;", "`chat` is not always this object"),
        (f"const {{ chat }} = {OLD_MADE};", "handed on in line 2"),
        (f"chat = {OLD_MADE};", "handed on in line 2"),
        (f"exports.chat = {OLD_MADE};", "handed on in line 2"),
        (f"const chat: BaseChatModel = {OLD_MADE};", "Its type is `BaseChatModel`"),
        (f"const make = () => {OLD_MADE};", "handed on in line 2"),
        (f"function f() {{ this.chat = {OLD_MADE}; }}", "handed on in line 2"),
        (f"class A {{ chat = {OLD_MADE}; set(x) {{ this.chat = x; }} }}", "not always this object"),
        (f"class A {{ chat = {OLD_MADE}; }} a.chat.call(m);", "or not only used here"),
        (f"class A {{ chat = {OLD_MADE}; ask() {{ const {{ chat }} = this; }} }}", "or not only used here"),
        (f"class A {{ chat: Base = {OLD_MADE}; }}", "Its type is `Base`"),
        (f"class A {{ chat: Base; constructor() {{ this.chat = {OLD_MADE}; }} }}", "Its type is `Base`"),
        (f"class A {{ ['chat'] = {OLD_MADE}; }}", "handed on in line 2"),
    ],
)  # fmt: skip
def test_an_object_that_cannot_be_followed_is_left_alone(code: str, reason: str):
    assert reason in left(f"{OLD_IMPORT}{code}\n").reasons[0]


@pytest.mark.parametrize(
    ("type_", "is_left"),
    [("Model", True), ("'claude-2' | 'claude-1'", True), ("string", False), ("any", False)],
)
def test_a_model_of_a_type_of_its_own_is_left_alone(type_: str, is_left: bool):
    made = "new ChatAnthropic({ modelName: m }).invoke(q)"
    code = f"{OLD_IMPORT}function ask(m: {type_} = 'claude-2') {{ {made}; }}\n"

    if is_left:
        assert f"The type `{type_}` may not have" in left(code).reasons[0]
    else:
        assert f"m: {type_} = 'claude-opus-4-8'" in rewritten(code)[0]


@pytest.mark.parametrize(
    ("code", "is_open"),
    [
        ("class A { chat = MADE; ask(q) { return this.chat.predict(q); } }", True),
        ("class A { public chat; constructor(o) { this.chat = MADE; f(o.chat); } ask(q) { return this.chat.predict(q); } }", True),
        ("class A { #chat = MADE; ask(q) { return this.#chat.predict(q); } }", False),
        ("class A { private chat: ChatAnthropic = MADE; ask(q) { return this.chat.predict(q); } }", False),
        ("class A { [x] = 1; private other; private chat; constructor() { this.chat = MADE; } ask(q) { return this.chat.predict(q); } }", False),
    ],
)  # fmt: skip
def test_a_field_is_followed_in_its_class(code: str, is_open: bool):
    old = f"{OLD_IMPORT}{code.replace('MADE', OLD_MADE)}\n"

    new, _ = rewritten(old)

    changed = code.replace("MADE", NEW_MADE)
    for name in ("chat", "#chat"):
        changed = changed.replace(
            f"this.{name}.predict(q)", f"this.{name}.invoke(q).then((message) => message.text)"
        )
    assert new == f"{NEW_IMPORT}{changed}\n"
    assert any("may be used by other files" in each for each in look_at(old)) == is_open


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("let chat: ChatAnthropic; chat = MADE; chat.call([x]);", "let chat: ChatAnthropic; chat = MADE; chat.invoke([x]);"),
        ("const a = f(x instanceof ChatAnthropic); MADE.invoke(q);", "const a = f(x instanceof ChatAnthropic); MADE.invoke(q);"),
        ("prompt.pipe(MADE);", "prompt.pipe(MADE);"),
        ("f(prompt.pipe(MADE));", "f(prompt.pipe(MADE));"),
    ],
)  # fmt: skip
def test_an_object_is_followed_from_where_it_is_made(old: str, new: str):
    code, _ = rewritten(f"{OLD_IMPORT}{old.replace('MADE', OLD_MADE)}\n")

    assert code == f"{NEW_IMPORT}{new.replace('MADE', NEW_MADE)}\n"


def test_objects_of_a_file_are_rewritten_together_or_not_at_all():
    last = examine_typescript(f"{OLD}await chat.invoke(q);\nf({OLD_MADE});\n", TARGET)
    first = examine_typescript(f"{OLD}f(chat);\nawait {OLD_MADE}.invoke(q);\n", TARGET)

    assert last.edits == first.edits == ()
    assert "the call in line 4, which is not rewritten" in last.findings[0].reasons[0]
    assert "the call in line 2, which is not rewritten" in first.findings[1].reasons[0]


def test_what_forbids_one_object_of_a_file_forbids_all():
    code = f'{OLD}await chat.invoke(q);\nimport {{ a }} from "langchain/memory";\nawait {OLD_MADE}.invoke(q);\n'

    examined = examine_typescript(code, TARGET)

    assert examined.edits == ()
    assert ["langchain/memory" in each.reasons[0] for each in examined.findings] == [True, True]


# What is imported.
IMPORTS = {
    'import { ChatAnthropic as C } from "langchain/chat_models";': 'import { ChatAnthropic as C } from "@langchain/anthropic";',
    "import type { ChatAnthropic as C } from 'langchain/chat_models/anthropic.js';": "import type { ChatAnthropic as C } from '@langchain/anthropic';",
    'import { HumanMessage, type BaseMessage } from "langchain/schema";': 'import { HumanMessage, type BaseMessage } from "@langchain/core/messages";',
    'import { HumanChatMessage as H, AIChatMessage } from "langchain/schema"; f(AIChatMessage);': 'import { HumanMessage as H, AIMessage } from "@langchain/core/messages"; f(AIMessage);',
    'const { HumanChatMessage: H, SystemMessage } = require("langchain/schema");': 'const { HumanMessage: H, SystemMessage } = require("@langchain/core/messages");',
    'const { HumanMessage } = await import("langchain/schema");': 'const { HumanMessage } = await import("@langchain/core/messages");',
    'const HumanMessage = require("langchain/schema").HumanChatMessage;': 'const HumanMessage = require("@langchain/core/messages").HumanMessage;',
    'import { PromptTemplate } from "langchain/prompts"; p.fromPromptMessages(x);': 'import { PromptTemplate } from "@langchain/core/prompts"; p.fromMessages(x);',
    'import { StringOutputParser } from "langchain/schema/output_parser";': 'import { StringOutputParser } from "@langchain/core/output_parsers";',
    'import { Document } from "langchain/document";': 'import { Document } from "@langchain/core/documents";',
    'import { RunnableLambda } from "@langchain/core/runnables";': None,
    'import { ChatAnthropic as Other } from "@langchain/anthropic";': None,
    'import { TokenTextSplitter } from "langchain/text_splitter";': None,
    'import { TextLoader } from "langchain/document_loaders/fs/text";': None,
    'import "langchain/schema";': 'import "@langchain/core/messages";',
    'import { HUMAN_PROMPT } from "@anthropic-ai/sdk";': None,
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), IMPORTS.items(), ids=IMPORTS)
def test_what_has_moved_is_imported_from_where_it_is_now(old: str, new: str | None):
    code = apply_edits(f"{OLD}{old}\n", examine_typescript(f"{OLD}{old}\n", TARGET).edits)

    if new is None and "HUMAN_PROMPT" in old:  # which is taken out, as nothing uses it
        assert code == NEW
        return
    assert code == f"{NEW}{old if new is None else new}\n"


def test_a_module_that_is_kept_whole_is_loaded_from_its_new_place():
    code = 'const a = require("langchain/chat_models/anthropic");\nasync function f() { await new a.ChatAnthropic({ temperature: 0 }).call([x]); }\n'

    examined = examine_javascript(code, TARGET)

    assert apply_edits(code, examined.edits) == (
        'const a = require("@langchain/anthropic");\nasync function f() { await new a.ChatAnthropic('
        f'{{ model: "claude-opus-4-8", {DEFAULTS} }}).invoke([x]); }}\n'
    )


def test_a_component_of_jsx_is_rewritten():
    code = (
        f"{OLD}const A = () => <a onClick={{async () => set((await chat.predict(q)).trim())}} />;\n"
    )

    new = apply_edits(code, examine_tsx(code, TARGET).edits)

    assert "set((await chat.invoke(q)).text.trim())" in new


def test_other_legacy_calls_of_a_file_may_have_markers():
    call = 'c.completions.create({ model: "claude-2", prompt: "\\n\\nHuman: a\\n\\nAssistant:", max_tokens_to_sample: 9 })'
    code = f'{OLD}import Anthropic from "@anthropic-ai/sdk";\nconst c = new Anthropic();\nf((await {call}).completion, (await chat.invoke(q)).content);\n'

    new, _ = rewritten(code)

    assert "c.messages.create(" in new
    assert "(await chat.invoke(q)).text);" in new


# Chains of a prompt and an object.
CHAINS_IMPORT = 'import { LLMChain } from "langchain/chains";\n'
CHAINS = {
    "const chain = new LLMChain({ llm: chat, prompt });": "const chain = prompt.pipe(chat);",
    "const chain = new LLMChain({ prompt: p.a, llm: chat });": "const chain = p.a.pipe(chat);",
    "const chain = new LLMChain({ prompt: make(), llm: MADE });": "const chain = make().pipe(MADE);",
    "const c = new LLMChain({ llm: chat, prompt }); const r = await c.call(x); f(r.text);": "const c = prompt.pipe(chat); const r = await c.invoke(x); f(r.text);",
    "const c = new LLMChain({ llm: chat, prompt }); const { text } = await c.invoke(x); f(text);": "const c = prompt.pipe(chat); const { text } = await c.invoke(x); f(text);",
    "const c = new LLMChain({ llm: chat, prompt }); const { text: t } = await c.invoke(x); f(`A:${t}`);": "const c = prompt.pipe(chat); const { text: t } = await c.invoke(x); f(`A: ${t}`);",
    "const c = new LLMChain({ llm: chat, prompt }); f((await c.call(x)).text); await c.call(y);": "const c = prompt.pipe(chat); f((await c.invoke(x)).text); await c.invoke(y);",
    "const prompt = PromptTemplate.fromTemplate('A {b}, {b} {{c}}'); const c = new LLMChain({ llm: chat, prompt }); f(await c.run(x));": "const prompt = PromptTemplate.fromTemplate('A {b}, {b} {{c}}'); const c = prompt.pipe(chat); f((await c.invoke({ b: x })).text);",
    "const t = `{q}`, p = new PromptTemplate({ inputVariables: ['q'], template: t }), c = new LLMChain({ llm: chat, prompt: p }); f(c.run('x'));": "const t = `{q}`, p = new PromptTemplate({ inputVariables: ['q'], template: t }), c = p.pipe(chat); f(c.invoke({ q: 'x' }).then((message) => message.text));",
    "const c = new LLMChain({ prompt: new PromptTemplate({ template: '{q}', inputVariables: ['q'] }), llm: chat }); f(await c.run(x));": "const c = new PromptTemplate({ template: '{q}', inputVariables: ['q'] }).pipe(chat); f((await c.invoke({ q: x })).text);",
    "const c = new LLMChain({ llm: chat, prompt }); f(await c.predict(x));": "const c = prompt.pipe(chat); f((await c.invoke(x)).text);",
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), CHAINS.items(), ids=CHAINS)
def test_a_chain_of_a_prompt_and_an_object_pipes_the_one_into_the_other(old: str, new: str):
    code, _ = rewritten(f"{CHAINS_IMPORT}{OLD}{old.replace('MADE', OLD_MADE)}\n")

    assert code == f"{NEW}{new.replace('MADE', NEW_MADE)}\n"


def test_a_chain_of_a_required_module_is_rewritten():
    code = f'const {{ LLMChain }} = require("langchain/chains");\n{OLD}class A {{ constructor() {{ this.chain = new LLMChain({{ llm: chat, prompt }}); }} }}\n'

    new, _ = rewritten(code)

    assert new == f"{NEW}class A {{ constructor() {{ this.chain = prompt.pipe(chat); }} }}\n"
    assert any("`this.chain` may be used" in each for each in look_at(code))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("new LLMChain({ llm: chat, prompt, memory });", "more than a prompt and an object"),
        ("new LLMChain({ llm: chat });", "more than a prompt and an object"),
        ("new LLMChain({ llm: chat, prompt: new P });", "more than a prompt and an object"),
        ("new LLMChain({ llm: chat, prompt: a || b });", "more than a prompt and an object"),
        ("new LLMChain({ llm: chat, /* the */ prompt });", "more than a prompt and an object"),
        ("new LLMChain({ llm: MADE, prompt });", "made within the chain in line 4"),
        ("f(new LLMChain({ llm: chat, prompt }));", "is used in line 4 in a way"),
        ("const c = new LLMChain({ llm: chat, prompt }); await c.stream(q);", "is used in line 4 in a way"),
        ("const c = new LLMChain({ llm: chat, prompt }); await c.run(q);", "a prompt that is not in sight"),
        ("const c = new LLMChain({ llm: chat, prompt: make(q) }); await c.run(q);", "a prompt that is not in sight"),
        ("const p = PromptTemplate.fromTemplate('{a} {b}'), c = new LLMChain({ llm: chat, prompt: p }); await c.run(q);", "a prompt that is not in sight"),
        ("const p = PromptTemplate.fromTemplate(t), c = new LLMChain({ llm: chat, prompt: p }); await c.run(q);", "a prompt that is not in sight"),
        ("const p = PromptTemplate.fromTemplate('{a}'), c = new LLMChain({ llm: chat, prompt: p }); await c.run(...q);", "a prompt that is not in sight"),
        ("const p = PromptTemplate.fromTemplate('{a}'), c = new LLMChain({ llm: chat, prompt: p }); await c.run();", "a prompt that is not in sight"),
        ("const p = new PromptTemplate({ template: '{a}', partialVariables }), c = new LLMChain({ llm: chat, prompt: p }); await c.run(q);", "a prompt that is not in sight"),
        ("const c = new LLMChain({ llm: chat, prompt }); f((await c.call({ q, stop: ['a'] })).text);", "has options of the call"),
        ("const c = new LLMChain({ llm: chat, prompt }); const v = { q, signal }; f(await c.predict(v));", "has options of the call"),
        ("const c = new LLMChain({ llm: chat, prompt }); await c.call(q, r);", "is used in line 4 in a way"),
        ("const c = new LLMChain({ llm: chat, prompt }); c.call(q).then(f);", "is not awaited there"),
        ("const c = new LLMChain({ llm: chat, prompt }); f(await c.call(q));", "More than `text`"),
        ("const c = new LLMChain({ llm: chat, prompt }); const r = await c.call(q); f(r);", "More than `text`"),
        ("const c = new LLMChain({ llm: chat, prompt }); const r: T = await c.call(q); f(r.text);", "More than `text`"),
        ("const c = new LLMChain({ llm: chat, prompt }); let r = await c.call(q); r = 1;", "More than `text`"),
        ("const c = new LLMChain({ llm: chat, prompt }); const { a } = await c.call(q);", "More than `text`"),
        ("const c = new LLMChain({ llm: chat, prompt }); (await c.call(q)).text += x;", "More than `text`"),
        ("const c = new LLMChain({ llm: chat, prompt }); f((await c.call(q)).text.slice(1));", "counts on the space"),
        ("f(prompt.pipe(chat)); new LLMChain({ llm: gpt, prompt });", "`langchain/chains` is used"),
        ("const c = new LLMChain({ llm: chat, prompt }); new LLMChain({ llm: gpt, prompt });", "`langchain/chains` is used"),
    ],
)  # fmt: skip
def test_another_chain_is_left_alone(code: str, reason: str):
    code = f"{CHAINS_IMPORT}{OLD}{code.replace('MADE', OLD_MADE)}\n"

    found = [each for each in examine_typescript(code, TARGET).findings if each.code]

    assert examine_typescript(code, TARGET).edits == ()
    assert any(reason in each.reasons[0] for each in found)


@pytest.mark.parametrize(
    "chains",
    [
        'import { LLMChain, loadQAChain } from "langchain/chains";',
        'const { LLMChain } = require("langchain/chains"), x = 1;',
        'f(require("langchain/chains").LLMChain);',
        'import { LLMChain } from "langchain/chains";\nimport { loadQAChain } from "langchain/chains";',
    ],
)
def test_an_import_of_chains_that_has_more_is_left_alone(chains: str):
    code = f"{chains}\n{OLD}const c = new LLMChain({{ llm: chat, prompt }});\n"

    assert examine_typescript(code, TARGET).edits == ()


# What there is beside objects.
@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ('export { ChatAnthropic } from "langchain/chat_models/anthropic";', "ChatAnthropic of LangChain"),
        ('vi.mock("langchain/chat_models/anthropic");', "ChatAnthropic of LangChain"),
        ('import type { ChatAnthropic } from "langchain/chat_models/anthropic";', "ChatAnthropic of LangChain"),
        ('import { ChatAnthropic } from "langchain/chat_models";', "ChatAnthropic of LangChain"),
        ('import { ChatAnthropic } from "https://esm.sh/langchain/chat_models/anthropic";\nnew ChatAnthropic();', "ChatAnthropic of LangChain"),
        ('import { AnthropicFunctions } from "langchain/experimental/chat_models/anthropic_functions";\nnew AnthropicFunctions();', "AnthropicFunctions of LangChain"),
    ],
)  # fmt: skip
def test_other_uses_of_the_classes_are_listed(code: str, shape: str):
    assert left(f"{code}\n").shape == shape


@pytest.mark.parametrize(
    "code",
    [
        'import { ChatOpenAI } from "langchain/chat_models"; new ChatOpenAI({});',
        'import { AI_PROMPT, X } from "langchain/chat_models"; new X();',
        'import { ChatAnthropic } from "@langchain/anthropic"; new ChatAnthropic({ modelName: "claude-sonnet-5" }).predict(q);',
        'import { ChatAnthropic } from "@langchain/anthropic"; new ChatAnthropic({ ...o }); new ChatAnthropic();',
        'import { Other } from "@langchain/anthropic"; new Other({ maxTokensToSample: 9 });',
    ],
)  # fmt: skip
def test_other_classes_and_newer_ones_are_left_alone(code: str):
    assert examine_typescript(f"{code}\n", TARGET).findings == ()


OWN = {
    'export const chat = new ChatAnthropic({ model: "claude-2" }); f(await chat.predict(q));': 'export const chat = new ChatAnthropic({ model: "claude-opus-4-8" }); f((await chat.invoke(q)).text);',
    'const chat = new ChatAnthropic({ modelName: "claude-2.1", temperature: 0.5, maxTokensToSample: 9, anthropicApiKey: k, other: 1 });': 'const chat = new ChatAnthropic({ model: "claude-opus-4-8", maxTokens: 9, apiKey: k, other: 1 });',
    "export const chat = new ChatAnthropicMessages({ model: 'claude-instant-1.2', stopSequences: s(), maxTokens: n });": "export const chat = new ChatAnthropicMessages({ model: 'claude-haiku-4-5-20251001', stopSequences: s(), maxTokens: n });",
    'const chat = new ChatAnthropic({ model: "claude-2" }); f(await chat.predict(q), chat, await chat.invoke(r, o));': 'const chat = new ChatAnthropic({ model: "claude-opus-4-8" }); f((await chat.invoke(q)).text, chat, await chat.invoke(r, o));',
    'prompt.pipe(new ChatAnthropic({ model: "claude-2" }));': 'prompt.pipe(new ChatAnthropic({ model: "claude-opus-4-8" }));',
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), OWN.items(), ids=OWN)
def test_a_retired_model_of_the_package_of_its_own_is_replaced(old: str, new: str):
    imported = 'import { ChatAnthropic, ChatAnthropicMessages } from "@langchain/anthropic";\n'

    code, (found,) = rewritten(f"{imported}{old}\n")

    assert code == f"{imported}{new}\n"
    assert found.verdict is Verdict.LOOK
    assert "older versions of `@langchain/anthropic`" in found.reasons[-1]


@pytest.mark.parametrize(
    ("code", "is_lost"),
    [
        ("export const chat = MADE;", True),
        ("chat = MADE;", True),
        ("const make = () => MADE;", True),
        ("const chat = MADE; f(chat);", True),
        ("const chat = MADE; await chat.call(q); prompt.pipe(chat);", False),
    ],
)
def test_who_may_use_an_object_out_of_sight_is_told_what_is_gone(code: str, is_lost: bool):
    made = 'new ChatAnthropic({ model: "claude-2" })'
    code = (
        f'import {{ ChatAnthropic }} from "@langchain/anthropic";\n{code.replace("MADE", made)}\n'
    )

    _, (found,) = rewritten(code)

    assert any("may be used out of sight" in each for each in found.reasons) == is_lost


def test_a_model_by_two_names_is_left_alone():
    code = 'import { ChatAnthropic } from "@langchain/anthropic";\nnew ChatAnthropic({ model: "claude-2", modelName: m });\n'

    assert "given by two names" in left(code).reasons[0]


@pytest.mark.parametrize(
    "given",
    [
        'modelName: "claude-sonnet-5", temperature: 0.5, LIMIT: 9, anthropicApiKey: k',
        "LIMIT: n, model: m",
        "LIMIT: 9",
    ],
)
def test_of_a_model_of_today_only_the_name_of_the_limit_is_old(given: str):
    code = f'import {{ ChatAnthropic }} from "@langchain/anthropic";\nnew ChatAnthropic({{ {given} }}).call(q);\n'

    new, (found,) = rewritten(code.replace("LIMIT", "maxTokensToSample"))

    assert new == code.replace("LIMIT", "maxTokens")
    assert (found.verdict, found.reasons, found.models) == (Verdict.REWRITTEN, (), None)
