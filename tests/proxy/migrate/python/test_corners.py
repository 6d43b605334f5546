"""Corners of reading and writing: prefills, lists of messages, clients, streams, odd syntax."""

from __future__ import annotations

import json
import textwrap

import pytest

from proxy.migrate import Finding, Target, Verdict, apply_edits
from proxy.migrate.python import examine, examine_notebook
from proxy.migrate.python.examining import parses
from translators import Policy

pytestmark = pytest.mark.thorough

TARGET = Target(policy=Policy(), today="2026-11-28")
ASK = 'model="claude-instant-1", max_tokens_to_sample=9'
MODEL = '"claude-instant-1"'
PLAIN = f'prompt="\\n\\nHuman: a\\n\\nAssistant:", {ASK}'
HEAD = "import anthropic\nc = anthropic.Anthropic()\n"


def examined(source: str, head: str = HEAD) -> tuple[str, tuple[Finding, ...]]:
    text = head + textwrap.dedent(source)
    found = examine(text, TARGET)
    new = apply_edits(text, found.edits)
    assert examine(new, TARGET).edits == ()
    return new, found.findings


def rewritten(source: str, head: str = HEAD) -> str:
    new, findings = examined(source, head)
    others = [each for each in findings if each.shape != "a model that is retired"]
    assert Verdict.BY_HAND not in {each.verdict for each in others}, findings
    return new


def left_alone(source: str, head: str = HEAD) -> str:
    """The reason for which nothing is changed."""
    new, (finding, *_) = examined(source, head)
    assert new == head + textwrap.dedent(source)
    assert finding.verdict is Verdict.BY_HAND
    return finding.reasons[0]


@pytest.mark.parametrize(
    ("prompt", "prefill"),
    [
        ('f"\\n\\nHuman: a\\n\\nAssistant: {p}"', 'f"{p}".rstrip()'),
        ('f"\\n\\nHuman: a\\n\\nAssistant: x {p}"', '"x " + f"{p}".rstrip()'),
        ('"\\n\\nHuman: a\\n\\nAssistant: " + p', "p.rstrip()"),
        ('"\\n\\nHuman: a\\n\\nAssistant: " + (p if q else r)', "(p if q else r).rstrip()"),
        ('"\\n\\nHuman: a\\n\\nAssistant: " + p[0]', "(p[0]).rstrip()"),
        ('"\\n\\nHuman: a\\n\\nAssistant: " + p + " \\n"', "p.rstrip()"),
    ],
)
def test_white_space_at_the_end_of_a_prefill_is_taken_off_in_the_program(prompt: str, prefill: str):
    new = rewritten(f"x = c.completions.create({ASK}, prompt={prompt})\n")

    assert f'"role": "assistant", "content": {prefill}}}' in new


def test_a_name_that_becomes_several_messages_holds_the_list():
    new = rewritten(
        f"""\
        def f(q):
            p = f"Be kind.\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: {{q}}\\n\\nAssistant:"
            return c.completions.create(prompt=p, {ASK}).completion
        """
    )

    assert "    p = [\n        {" in new
    assert 'system="Be kind.", messages=p, stop_sequences=' in new


@pytest.mark.parametrize(
    "source",
    [
        "x = c.completions.create(**{" + '"prompt": "\\n\\nHuman: a\\n\\nAssistant:", '
        '"model": "claude-2", "max_tokens_to_sample": 9' + "})\nprint(x.completion)\n",
        f"x = anthropic.Anthropic().completions.create({PLAIN}).completion\n",
        f"S = ['a']\nx = c.completions.create(stop_sequences=S, {PLAIN}).completion\n",
        f"c2: anthropic.Anthropic = anthropic.Anthropic()\n"
        f"x = c2.completions.create({PLAIN}).completion\n",
        f"M = 'claude-2'\nprint(M)\n"
        f"x = c.completions.create({PLAIN.replace(chr(34) + 'claude-instant-1' + chr(34), 'M')})\n",
        f"x = c.completions.create({PLAIN})\nif not x: pass\nx is None\nx and print(x.id)\n",
        f"x = None\nx = c.completions.create({PLAIN})\nprint(x.completion)\n",
        f"async def f():\n    x = (await c.completions.create({PLAIN})).completion\n    return x\n",
        f"if 1: x = c.completions.create({PLAIN}).completion\n",
        f"x = y = c.completions.create({PLAIN}).completion\n",
        f"x[0] = c.completions.create({PLAIN}).completion\n",
        f"f()(c.completions.create({PLAIN}).completion)\n",
        f"g(1, c.completions.create({PLAIN}).completion)\n",
        f"x = c.completions.create({PLAIN}).completion or 1\n",
        f"message = 1\nanswered = answered_message = 2\n"
        f"x = c.completions.create({PLAIN}).completion\n",
        f"x = c.completions.create({PLAIN}).completion[-1:]\n",
        f"if c.completions.create({PLAIN}).stop_reason == 'other': pass\n",
        f"def f(client):\n    return client.completions.create({PLAIN}).completion\n",
        f"x = c.completions.create({PLAIN.replace(MODEL, 'self.m')}).completion\n",
        f"for m in x:\n    print(c.completions.create({PLAIN.replace(MODEL, 'm')}).completion)\n",
        f"x = c.completions.create({PLAIN.replace(MODEL, 'os.getenv(1, 2)')}).completion\n",
        f"x = c.completions.create({PLAIN.replace(MODEL, 'b' + MODEL)}).completion\n",
    ],
)
def test_these_are_rewritten(source: str):
    assert ".messages.create(" in rewritten(source)


OLD = "import anthropic\nc = anthropic.Client('k')\n"


def test_a_client_of_0_2_may_be_imported_by_its_name():
    head = "from anthropic import Client\nc = Client(api_key='k')\n"

    new = rewritten(f"x = c.completion({PLAIN})['completion']\n", head)
    later = left_alone(
        f"async def f():\n    return (await c.acompletion({PLAIN}))['completion']\n", head
    )

    assert new.startswith(head)
    assert "`AsyncAnthropic`; import it" in later


def test_answers_of_0_2_are_no_dictionaries_any_more():
    new = rewritten(
        f"r = c.completion({PLAIN})\nprint(r['model'], r.get('stop'), r['stop_reason'])\n", OLD
    )

    assert "print(r.model, r.stop_sequence, r.stop_reason)" in new


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"r = c.completion({PLAIN})\nr.get(x)\n", "handed on"),
        (f"r = c.completion({PLAIN})\nr.get\n", "handed on"),
        (f"r = c.completion({PLAIN})\nr[0:1]\n", "handed on"),
        (f"r = c.completion({PLAIN})\nr[x]\n", "handed on"),
        (f"r = c.completion({PLAIN}, model='b')\n", "given twice"),
    ],
)
def test_dictionaries_that_are_used_in_other_ways_are_left_alone(source: str, reason: str):
    assert reason in left_alone(source, OLD)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"c2 = anthropic.Other('k')\nc2.completion({PLAIN})\n", "what makes the client"),
        ("(c.completions\n.create)(" + PLAIN + ")\n", "spread over lines"),
        (
            f"for p in c.completions.create(stream=True, {PLAIN}):\n    stream = 1\n"
            "    message_stream = answer_stream = 2\n",
            "All names for the stream",
        ),
        (
            f"async def f():\n    async for p in c.completions.create(stream=True, {PLAIN}):\n"
            "        pass\n",
            "the other way",
        ),
        (
            f"def f():\n    if x:\n        s = c.completions.create(stream=True, {PLAIN})\n"
            "    for p in s:\n        pass\n",
            "not read in one loop",
        ),
        (
            "A = f'{x}'\nB = A + anthropic.AI_PROMPT + y\nC = B\n"
            f"c.completions.create(prompt='a' + C, {ASK})\n",
            "holds markers",
        ),
        ("P = " + " + ".join(["'a'"] * 20) + f"\nc.completions.create(prompt=P, {ASK})\n", "too"),
        (
            'c.completions.create(prompt="\\n\\nHuman: {}\\n\\nAssistant:".format(a["x"]["'
            f"'y'\"]), {ASK})\n",
            "not followed",
        ),
        (f"c.completions.create(prompt=print, {ASK})\n", "No marker"),
        (f"c.completions.create(stop_sequences=[*a], {PLAIN})\n", "The stop sequences are"),
        (f"c.completions.create(stop_sequences=a, {PLAIN})\n", "The stop sequences are"),
        ("c.completions.create(**p)\n", "not in sight"),
        ("p = f()\nc.completions.create(**p)\n", "not in sight"),
        (f"a.b().completions.create(prompt=x, {ASK})\n", "No marker"),
        (f"x.client.completions.create(prompt=x, {ASK})\n", "No marker"),
        (f'c.completions.create(prompt="%s" % x, {ASK})\n', "No marker"),
        (f'c.completions.create(prompt="a".format(x), {ASK})\n', "No marker"),
        (f"m = f()\nc.completions.create(prompt=m.HUMAN_PROMPT + x, {ASK})\n", "markers the"),
        (f"m = 1\nc.completions.create(prompt=m.HUMAN_PROMPT + x, {ASK})\n", "markers the"),
    ],
)
def test_these_are_left_alone(source: str, reason: str):
    assert reason in left_alone(source)


def test_a_call_in_the_prompt_of_another_is_left_alone():
    inner = f"c.completions.create(prompt=P, {ASK}).completion"

    reason = left_alone(
        "P = '\\n\\nHuman: a\\n\\nAssistant:'\n"
        f"x = c.completions.create({ASK}, prompt='\\n\\nHuman: ' + {inner} + '\\n\\nAssistant:')\n"
    )

    assert "meet in line 4: assign the one to a name first" in reason


def test_a_call_of_openai_s_client_is_not_mentioned():
    _, findings = examined(
        f"o = OpenAI()\no.completions.create({PLAIN})\n", "from openai import OpenAI\n"
    )

    assert findings == ()


def test_a_result_that_would_be_no_python_is_not_written():
    source = f"x = c.completions.create({PLAIN})\ny = x.completion; z = f'''{{f\"{{x.id}}\"}}'''\n"

    assert "messages.create" in rewritten(source)


@pytest.mark.parametrize(
    ("prompt", "content"),
    [
        ('f"\\n\\nHuman: {a.strip()}\\n\\nAssistant:"', 'f"{a.strip()}"'),
        ('f"\\n\\nHuman: {str(a).strip()}\\n\\nAssistant:"', "str(a).strip()"),
        ("f\"\\n\\nHuman: {a + 'b'}\\n\\nAssistant:\"", "a + 'b'"),
        ('f"\\n\\nHuman: {T}\\n\\nAssistant:"', "T"),
        ('"\\n\\nHuman: \\U000e0001\\n\\nAssistant:"', '"\\U000e0001"'),
        ('f"""\n\nHuman: \\"{q}\\" x\n\nAssistant:"""', 'f""""{q}" x"""'),
        ('"\\n\\nHuman: %s\\n\\nAssistant:" % (n + 1)', 'f"{(n + 1)}"'),
        ('"\\n\\nHuman: {}\\n\\nAssistant:".format(n + 1)', 'f"{n + 1}"'),
        ('f"""\n\nHuman: ""{q}\n\nAssistant:"""', 'f"""""{q}"""'),
        ('"\\n\\nHuman: %s\\n\\nAssistant:" % "a"', '"a"'),
        ("x.y(1) + anthropic.AI_PROMPT", None),
    ],
)
def test_texts(prompt: str, content: str | None):
    source = f"T = 'a' + b\nx = c.completions.create({ASK}, prompt={prompt})\n"

    if content is None:
        assert "No marker" in left_alone(source)
    else:
        assert f'"content": {content}}}]' in rewritten(source)


def test_exceptions_and_imports_of_old_ones():
    head = "import anthropic.api\nfrom anthropic import ApiException\n"

    new, findings = examined(
        "try:\n    pass\nexcept (anthropic.api.ApiException, ApiException):\n    pass\n", head
    )

    assert "except (anthropic.APIStatusError, ApiException)" in new
    assert [each.verdict for each in findings] == [Verdict.REWRITTEN, Verdict.BY_HAND]


def test_calls_that_only_look_like_ours_are_not_mentioned():
    source = """\
    c.completions.with_raw_response.create(model="x")
    c.chat.completions.create.assert_called()
    c.other.assert_called()
    patch("other")
    Mock(1)
    c.count_tokens(1, 2)
    """

    _, findings = examined(source)

    assert findings == ()


def test_posts_with_an_encoded_body_of_a_name_are_rewritten():
    new = rewritten(
        """\
        def f(text: str):
            prompt = f"\\n\\nHuman: {text}\\n\\nAssistant:"
            body = {"prompt": prompt, "model": "claude-2", "max_tokens_to_sample": 9}
            with httpx.post("https://h/v1/complete", headers={**more, "x": "y",
                    "anthropic-version": "2023-06-01"}, content=json.dumps(body).encode()) as r:
                return r.json()["completion"]
        """,
        "import httpx, json\n",
    )

    assert "prompt = text\n" in new
    assert 'body = {"messages": [{"role": "user", "content": prompt}]' in new
    assert 'for block in r.json()["content"]' in new


def test_posts_with_shared_headers_or_odd_responses_are_left_alone():
    body = '{"prompt": "\\n\\nHuman: a\\n\\nAssistant:", "model": "c", "max_tokens_to_sample": 9}'
    post = f'requests.post("https://h/v1/complete", headers=h, json={body})'

    shared = left_alone(f"h = {{'a': 'b'}}\nprint(h)\nr = {post}\n", "import requests\n")
    odd_too = left_alone(f"h = {{'a': 'b'}}\nr = {post}\ny = r.text\n", "import requests\n")
    encoded = left_alone(f"x = json.dumps({body}).encode\n", "import json\n")
    odd = left_alone(f"h = {{'a': 'b'}}\nr = {post}\nlen(r.text)\n", "import requests\n")

    assert "are used elsewhere" in shared
    assert "in line 4" in odd
    assert "in line 4" in odd_too
    assert "where the body is sent" in encoded


def test_a_bedrock_body_with_its_version_keeps_it():
    new = rewritten(
        """\
        body = json.dumps({
            "anthropic_version": "bedrock-2023-05-31",
            "temperature": 0.5,
            "prompt": "\\n\\nHuman: a\\n\\nAssistant:",
            "max_tokens_to_sample": 9,
        })
        r = b.invoke_model(body=body, modelId=m)
        print(json.loads(r["body"].read())["completion"])
        """,
        "import json\n",
    )

    assert new.count("anthropic_version") == 1


def test_a_bedrock_body_that_begins_with_a_field_that_stays_gets_a_version():
    new = rewritten(
        """\
        body = json.dumps({
            "temperature": 0.5,
            "prompt": "\\n\\nHuman: a\\n\\nAssistant:",
            "max_tokens_to_sample": 9,
        })
        r = b.invoke_model(body=body, modelId=m)
        """,
        "import json\n",
    )

    assert '"anthropic_version": "bedrock-2023-05-31",\n    "temperature": 0.5' in new


def test_langchain_s_own_package_asked_for_more_tokens():
    new = rewritten(
        "llm = AnthropicLLM(max_tokens=5)\nl2 = AnthropicLLM(temperature=0.1)\nllm('a')\nl2('a')\n",
        "from langchain_anthropic import AnthropicLLM\n",
    )

    assert 'ChatAnthropic(model="claude-opus-4-8", max_tokens=5)' in new
    assert 'ChatAnthropic(model="claude-opus-4-8", max_tokens=1024)' in new


def test_a_call_that_goes_over_two_cells_is_left_alone_and_short_cells_have_lines_of_their_own():
    cells = [
        ["import anthropic\n"],
        ["c = anthropic.Anthropic()\n"],
        ["x = c.completions.create(\n"],
    ]
    rest = [f"{PLAIN}).completion\n"]
    text = _notebook([*cells, rest])
    one = _notebook(
        [
            ["import anthropic"],
            [f"x = anthropic.Anthropic().completions.create({PLAIN}).completion"],
        ]
    )

    assert "spans" in examine_notebook(text, TARGET).findings[0].reasons[0]
    new = apply_edits(one, examine_notebook(one, TARGET).edits)
    assert '\\n",\n    "x = ' in new


def _notebook(cells: list[list[str]]) -> str:
    listed = [{"cell_type": "code", "source": each} for each in cells]
    return json.dumps({"cells": listed}, indent=1)


def test_cells_of_text_are_no_code_and_edits_stay_in_their_cell():
    text = (
        '{"cells": [{"cell_type": "markdown", "source": "c.completions"},'
        ' {"cell_type": "code", "source": ["import anthropic\\n", "c = anthropic.Anthropic()\\n",'
        ' "x = c.completions.create(prompt=\\"\\\\n\\\\nHuman: a\\\\n\\\\nAssistant:\\", '
        'max_tokens_to_sample=1, model=\\"claude-2\\")"]},'
        ' {"cell_type": "code", "source": "print(x.completion)"}]}'
    )

    new = apply_edits(text, examine_notebook(text, TARGET).edits)

    assert "messages.create" in new
    assert '"source": "print(\\"\\".join(' in new


def test_what_is_no_python_any_more_is_noticed():
    assert parses("x = 1\n")
    assert not parses("x = (\n")
