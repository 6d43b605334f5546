"""What cannot be rewritten safely is listed with its reason, and nothing of it is changed."""

from __future__ import annotations

import textwrap

import pytest

from proxy.migrate import Finding, Target, Verdict, apply_edits
from proxy.migrate.python import examine
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
ASK = 'model="claude-2", max_tokens_to_sample=9'
PLAIN = f'prompt=f"\\n\\nHuman: {{q}}\\n\\nAssistant:", {ASK}'
HEAD = "import anthropic\n\nc = anthropic.Anthropic()\n"
OLD_HEAD = "import anthropic\n\nc = anthropic.Client('k')\n"


def found(source: str, *, head: str = HEAD) -> Finding:
    examined = examine(head + textwrap.dedent(source), TARGET)
    assert examined.edits == ()
    return examined.findings[0]


def rewritten(source: str, *, head: str = HEAD) -> tuple[str, list[Finding]]:
    text = head + textwrap.dedent(source)
    examined = examine(text, TARGET)
    return apply_edits(text, examined.edits).removeprefix(head), list(examined.findings)


LISTED = {
    "a loop over roles": (
        f"""
        def chat(messages):
            prompt = ""
            for each in messages:
                if each["role"] == "user":
                    prompt += anthropic.HUMAN_PROMPT + each["content"]
                else:
                    prompt += anthropic.AI_PROMPT + each["content"]
            prompt += anthropic.AI_PROMPT
            return c.completions.create(prompt=prompt, {ASK}).completion
        """,
        "put together from pieces",
    ),
    "a prompt of the caller": (
        f"def ask(prompt):\n    return c.completions.create(prompt=prompt, {ASK}).completion\n",
        "No marker is in sight",
    ),
    "a prompt of a function": (
        f"r = c.completions.create(prompt=build(1), {ASK})\nprint(r.completion)\n",
        "No marker is in sight",
    ),
    "a conditional template": (
        "q, s = 1, ''\nt = f\"{anthropic.HUMAN_PROMPT + s if s else ''}{anthropic.HUMAN_PROMPT} "
        f'{{q}}{{anthropic.AI_PROMPT}}"\nprint(c.completions.create(prompt=t, {ASK}).completion)\n',
        "decides which markers",
    ),
    "a name with values and markers in another text": (
        "q = input()\nask = f'{anthropic.HUMAN_PROMPT} {q}'\n"
        f"print(c.completions.create(prompt=ask + anthropic.AI_PROMPT, {ASK}).completion)\n",
        "holds markers and values",
    ),
    "an answer that is returned": (
        f"def ask(q):\n    return c.completions.create({PLAIN})\n",
        "handed on in line",
    ),
    "an answer of which more is used": (
        f"def ask(q):\n    r = c.completions.create({PLAIN})\n    return r.model_dump()\n",
        "`model_dump` of the answer",
    ),
    "a name for several things": (
        f"def ask(q):\n    r = c.completions.create({PLAIN})\n    if q:\n        r = 'x'\n"
        "    return r.completion\n",
        "not only the answer",
    ),
    "a name for answers of others": (
        f"def ask(q):\n    r = c.completions.create({PLAIN})\n    if q:\n        r = more()\n"
        "    return r.completion\n",
        "also holds those of other calls",
    ),
    "an answer that is changed": (
        f"def ask(q):\n    r = c.completions.create({PLAIN})\n    r.completion = 'x'\n",
        "is changed",
    ),
    "a prompt that is used elsewhere": (
        "q = 'x'\np = f'\\n\\nHuman: {q}\\n\\nAssistant:'\n"
        f"r = c.completions.create(prompt=p, {ASK})\nx = p + r.completion\n",
        "with its markers",
    ),
    "a stream or not": (
        f"def ask(q, s):\n    for p in c.completions.create(stream=s, {PLAIN}):\n"
        "        print(p)\n",
        "there are two ways",
    ),
    "a stream that is returned": (
        f"def ask(q):\n    return c.completions.create(stream=True, {PLAIN})\n",
        "handed on",
    ),
    "a stream that is read elsewhere": (
        f"def ask(q):\n    s = c.completions.create(stream=True, {PLAIN})\n    return list(s)\n",
        "not read in one loop",
    ),
    "the reasons of a stream": (
        f"def ask(q):\n    for p in c.completions.create(stream=True, {PLAIN}):\n"
        "        print(p.stop_reason)\n",
        "More than the text of a piece",
    ),
    "pieces by two names": (
        f"def ask(q):\n    for a, b in c.completions.create(stream=True, {PLAIN}):\n        pass\n",
        "by a name of their own",
    ),
    "parameters that are not in sight": (
        f"def ask(q, more):\n    return c.completions.create({PLAIN}, **more).completion\n",
        "not in sight",
    ),
    "parameters that are changed": (
        'p = {"model": "claude-2", "prompt": "\\n\\nHuman: a\\n\\nAssistant:", '
        '"max_tokens_to_sample": 9}\np["model"] = "x"\nc.completions.create(**p)\n',
        "is used in line",
    ),
    "parameters that are spread": (
        'more = {}\np = {"model": "claude-2", "max_tokens_to_sample": 9, **more}\n'
        "c.completions.create(**p)\n",
        "not in sight",
    ),
    "another cloud": (
        "b = anthropic.AnthropicBedrock()\nq = 1\n"
        f"print(b.completions.create({PLAIN}).completion)\n",
        "another cloud",
    ),
    "parameters of somebody else's API": (
        'c.completions.create(model="claude-2", prompt="Hi", max_tokens=5)\n',
        "max_tokens: extra fields not permitted",
    ),
    "a whole number with a fraction": (
        'c.completions.create(model="a", prompt="\\n\\nHuman: a\\n\\nAssistant:", '
        "max_tokens_to_sample=1.5)\n",
        "with a fraction",
    ),
    "no prompt": ('c.completions.create(model="a", max_tokens_to_sample=1)\n', "prompt: field"),
    "metadata with more": (
        f"q = 1\nc.completions.create({PLAIN}, metadata={{'user_id': 'u', 'x': 1}})\n",
        "more than a user id",
    ),
    "a prompt of bytes": (
        f'c.completions.create(prompt=b"x", {ASK})\n',
        "bytes",
    ),
    "a field that repeats its source": (
        f'q = 1\nc.completions.create(prompt=f"\\n\\nHuman: {{q=}}\\n\\nAssistant:", {ASK})\n',
        "repeats its source",
    ),
    "a template with a format": (
        f'c.completions.create(prompt="\\n\\nHuman: {{:>9}}\\n\\nAssistant:".format(1), {ASK})\n',
        "not followed",
    ),
    "a template with arguments elsewhere": (
        'a = 1\nc.completions.create(prompt="\\n\\nHuman: {}\\n\\nAssistant:".format(*a), '
        f"{ASK})\n",
        "not in sight",
    ),
    "a template that is none": (
        f'c.completions.create(prompt="\\n\\nHuman: {{\\n\\nAssistant:".format(1), {ASK})\n',
        "cannot be formatted",
    ),
    "a template whose values call each other": (
        f'c.completions.create(prompt="\\n\\nHuman: {{1}}{{0}}\\n\\nAssistant:".format(f(), g()), '
        f"{ASK})\n",
        "in another order",
    ),
    "percents": (
        f'c.completions.create(prompt="\\n\\nHuman: %d\\n\\nAssistant:" % 1, {ASK})\n',
        "not followed",
    ),
    "a system prompt with values in a name": (
        "def ask(q, who):\n    p = f'You are {who}.\\n\\nHuman: {q}\\n\\nAssistant:'\n"
        f"    return c.completions.create(prompt=p, {ASK}).completion\n",
        "has values in it",
    ),
    "several turns in a name that is printed": (
        "def ask(q):\n    p = f'\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: {q}\\n\\nAssistant:'\n"
        f"    print(p)\n    return c.completions.create(prompt=p, {ASK}).completion\n",
        "several messages",
    ),
    "sampling beside a body of its own": (
        'c.completions.create(model="claude-instant-1", max_tokens_to_sample=1, temperature=0.5, '
        'prompt="\\n\\nHuman: a\\n\\nAssistant:", extra_body={})\n',
        "take sampling parameters only",
    ),
}


@pytest.mark.parametrize(("source", "reason"), LISTED.values(), ids=LISTED)
def test_what_is_not_in_sight_is_left_alone_with_the_reason(source: str, reason: str):
    finding = found(source)

    assert finding.verdict is Verdict.BY_HAND
    assert reason in finding.reasons[0]
    assert "messages.create(" in finding.code or "messages.stream(" in finding.code


OLD_LISTED = {
    "a stream": (
        f"q = 1\nfor d in c.completion_stream({PLAIN}):\n    print(d['completion'])\n",
        "whole text so far",
    ),
    "a growing string": (
        "h = ''\nh += anthropic.HUMAN_PROMPT + 'a' + anthropic.AI_PROMPT\n"
        f"r = c.completion(prompt=h, {ASK})\nh += r['completion']\n",
        "from pieces with markers",
    ),
    "a field that no message has": (
        f"q = 1\nr = c.completion({PLAIN})\nprint(r['log_id'])\n",
        "`log_id` of the answer",
    ),
    "a client with and without await": (
        f"q = 1\nprint(c.completion({PLAIN})['completion'])\n"
        f"async def f(q):\n    return (await c.acompletion({PLAIN}))['completion']\n",
        "with and without `await`",
    ),
}


@pytest.mark.parametrize(("source", "reason"), OLD_LISTED.values(), ids=OLD_LISTED)
def test_so_is_what_sdk_0_2_did(source: str, reason: str):
    assert reason in found(source, head=OLD_HEAD).reasons[0]


def test_a_client_of_0_2_is_rewritten_with_all_of_its_calls_or_not_at_all():
    stream = f"q = 1\nfor d in c.completion_stream({PLAIN}):\n    print(d)\n"

    examined = examine(
        f"{OLD_HEAD}{stream}print(c.completion({PLAIN})['completion'])\n"
        "try:\n    pass\nexcept anthropic.ApiException:\n    pass\n",
        TARGET,
    )

    assert examined.edits == ()
    assert [finding.verdict for finding in examined.findings] == [Verdict.BY_HAND] * 3
    assert "shares its client" in examined.findings[1].reasons[0]


def test_options_of_clients_that_are_gone_are_said():
    _, findings = rewritten(
        "d = anthropic.Anthropic(proxies='x')\nq = 1\n"
        f"print(d.completions.create({PLAIN}).completion)\n"
    )
    old = found(
        f"q = 1\nc.completion({PLAIN})\n",
        head="import anthropic\nc = anthropic.Client('k', proxy_url='x')\n",
    )

    assert findings[0].verdict is Verdict.BY_HAND
    assert "made with `proxies`" in findings[0].reasons[0]
    assert "takes `proxy_url`" in old.reasons[0]


@pytest.mark.parametrize(
    "source",
    [
        "from openai import OpenAI\nc = OpenAI()\nc.completions.create(prompt='x', max_tokens=5)\n",
        "import litellm\nlitellm.completion(model='a', max_tokens_to_sample=3)\n",
        "import anthropic\nc = anthropic.Anthropic()\nc.messages.create(max_tokens=5)\n",
        "x = 'Human: and Assistant: are words, and so is completions.create'\n",
        "def completion(x): ...\ncompletion(1)\n",
    ],
)
def test_what_is_not_of_the_legacy_api_is_not_mentioned(source: str):
    examined = examine(source, TARGET)

    assert (examined.findings, examined.edits) == ((), ())


def test_mocks_counts_types_and_constants_are_listed():
    source = """\
    from unittest.mock import Mock, patch
    from anthropic import HUMAN_PROMPT
    n = c.count_tokens("a b")
    m = Mock()
    m.completions.create.return_value = Mock(completion=" hi")
    m.completions.create.assert_called_once()
    patch("anthropic.resources.Completions.create"), patch("app.completions.create")
    x: anthropic.types.Completion
    print(HUMAN_PROMPT)
    c.completions.with_raw_response.create(max_tokens_to_sample=1)
    """

    text, findings = rewritten(source)

    assert text == textwrap.dedent(source)
    assert [finding.shape for finding in findings] == [
        "count_tokens",
        "a mock of a call",
        "a mock of an answer",
        "a mock of a call",
        "a mock of a call",
        "a type of the SDK",
        "a constant of the SDK",
        "completions.create with its response",
    ]
    assert "messages.count_tokens" in findings[0].code


def test_a_file_that_cannot_be_parsed_is_said():
    finding = found("print 'a'\n")

    assert "cannot be parsed" in finding.reasons[0]
    assert finding.line == 4


LOOKED_AT = {
    "a printed answer": (f"q = 1\nprint(c.completions.create({PLAIN}))\n", "is printed"),
    "an answer in a text": (f"q = 1\nx = f'{{c.completions.create({PLAIN})}}'\n", "is a text"),
    "a reason that is kept": (
        f"def f(q):\n    return c.completions.create({PLAIN}).stop_reason\n",
        "`end_turn` now",
    ),
    "a sequence": (f"def f(q):\n    return c.completions.create({PLAIN}).stop\n", "is None where"),
    "a prompt that is printed": (
        "q = 1\np = f'\\n\\nHuman: {q}\\n\\nAssistant:'\nprint(p)\n"
        f"r = c.completions.create(prompt=p, {ASK})\nprint(r.completion)\n",
        "no markers any more",
    ),
    "a model of the caller": (
        "def f(m):\n    return c.completions.create(model=m, max_tokens_to_sample=1, "
        'prompt="\\n\\nHuman: a\\n\\nAssistant:").completion\n',
        "The model is `m`",
    ),
    "a default": (
        "def f(m='claude-2'):\n    return c.completions.create(model=m, max_tokens_to_sample=1, "
        'prompt="\\n\\nHuman: a\\n\\nAssistant:").completion\n',
        "only a default",
    ),
    "a default of the environment in the call": (
        "import os\nprint(c.completions.create(model=os.getenv('M', 'claude-2'), "
        'max_tokens_to_sample=1, prompt="\\n\\nHuman: a\\n\\nAssistant:").completion)\n',
        "only a default",
    ),
    "a default of the environment": (
        "import os\nM = os.environ.get('M', 'claude-2')\n"
        "print(c.completions.create(model=M, max_tokens_to_sample=1, "
        'prompt="\\n\\nHuman: a\\n\\nAssistant:").completion)\n',
        "only a default",
    ),
}


@pytest.mark.parametrize(("source", "reason"), LOOKED_AT.values(), ids=LOOKED_AT)
def test_what_may_be_another_than_before_is_rewritten_to_be_looked_at(source: str, reason: str):
    text, (finding, *_) = rewritten(source)

    assert "messages.create" in text
    assert finding.verdict is Verdict.LOOK
    assert any(reason in each for each in finding.reasons)


def test_a_client_that_is_made_elsewhere_must_be_looked_at():
    _, (finding, *_) = rewritten(
        f"def f(client, q):\n    return client.completion({PLAIN})['completion']\n"
    )

    assert "made elsewhere" in finding.reasons[0]


def test_an_answer_in_nested_f_strings_is_left_alone():
    finding = found(f"q = 1\nr = c.completions.create({PLAIN})\nx = f\"{{f'{{r.completion}}'}}\"\n")

    assert "f-string in an f-string" in finding.reasons[0]


MODEL = 'MODEL = "claude-2"\n'
OF_MODEL = PLAIN.replace('"claude-2"', "MODEL")


def test_a_model_stays_where_it_is_assigned_if_a_call_that_is_left_alone_needs_it():
    text, _ = rewritten(
        f"{MODEL}def f(q):\n    return c.completions.create({OF_MODEL}).completion\n"
        "def g(q):\n"
        "    return c.completions.create(max_tokens_to_sample=9, model=MODEL, prompt=q)\n"
    )

    assert MODEL in text
    assert 'messages.create(messages=[{"role": "user", "content": f"{q}"}]' in text
    assert 'model="claude-opus-4-8"' in text


def test_a_stream_is_asked_for_by_a_literal():
    reason = found(f"def f(q, s):\n    return c.completions.create({PLAIN}, stream=not s)\n")

    assert "depends on `not s`" in reason.reasons[0]


def test_a_default_stays_if_it_is_more_than_the_model_of_calls():
    text, findings = rewritten(
        "def f(q, MODEL='claude-2'):\n    if MODEL == 'claude-2':\n        q += '!'\n"
        f"    return c.completions.create({OF_MODEL}).completion\n"
    )

    assert "MODEL='claude-2'" in text
    assert any("The model is `MODEL`" in each for found in findings for each in found.reasons)


def test_a_client_of_0_2_that_is_made_in_two_places_is_left_alone():
    reason = found(
        "if x:\n    d = anthropic.Client('a')\nelse:\n    d = anthropic.Client('b')\nq = 1\n"
        f"print(d.completion({PLAIN})['completion'])\n"
    )
    examined = examine(
        f"{OLD_HEAD}if x: d = make()\nelse: d = other()\nq = 1\nprint(d.completion({PLAIN}))\n",
        TARGET,
    )

    assert "anthropic.Anthropic(api_key='a')" in reason.code
    assert "made in line 4, 5" in examined.findings[-1].reasons[0]


def test_a_client_of_0_2_that_no_call_uses_is_listed():
    finding = found("def make(key):\n    return anthropic.Client(key)\n", head="import anthropic\n")

    assert "takes its key by name" in finding.reasons[0]
    assert finding.code == "anthropic.Anthropic(api_key=key)"


def test_a_method_that_is_handed_on_is_listed():
    finding = found("import functools\nask = functools.partial(c.completions.create, model='a')\n")

    assert finding.shape == "completions.create, which is handed on"
    assert finding.code == "c.messages.create"


def test_stop_sequences_that_are_changed_are_not_read():
    reason = found(
        f"def f(q, s):\n    stops = ['a']\n    stops.append(s)\n"
        f"    return c.completions.create({PLAIN}, stop_sequences=stops).completion\n"
    ).reasons[0]

    assert "The stop sequences are `stops`" in reason


def test_constants_that_others_import_from_here_stay():
    source = "from anthropic import Anthropic, HUMAN_PROMPT, AI_PROMPT  # noqa: F401\n"

    assert examine(source, TARGET).edits == ()


def test_mocks_are_listed_in_tests_that_import_no_sdk():
    source = (
        "def test(client):\n    client.completions.create.return_value = Mock(completion=' hi')\n"
        "    ask('claude')\n"
    )

    shapes = [each.shape for each in examine(source, TARGET).findings]
    others = examine(source.replace("claude", "gpt"), TARGET).findings

    assert shapes == ["a mock of a call", "a mock of an answer"]
    assert others == ()


def test_code_to_write_has_the_model_and_limit_of_the_call_and_streams_if_it_does():
    whole = found(
        "def f(p, m):\n    return c.completions.create(model=m, prompt=p, "
        "max_tokens_to_sample=77).completion\n"
    ).code
    streamed = found(
        "async def f(p):\n    return await c.completions.create(model='claude-instant-1', "
        "prompt=p, max_tokens_to_sample=1.5, stream=True)\n"
    ).code

    assert "model=m,  # one that is served today" in whole
    assert "max_tokens=77," in whole
    assert streamed.startswith("async with c.messages.stream(\n")
    assert 'model="claude-haiku-4-5-20251001"' in streamed


def test_an_answer_may_be_asked_for_its_truth_and_no_more():
    text, _ = rewritten(
        f"def f(q):\n    r = c.completions.create({PLAIN})\n    assert r\n"
        "    return r.completion if r and not r is None else None\n"
    )
    handed_on = found(
        f"def f(q):\n    r = c.completions.create({PLAIN})\n    return r or None\n"
    ).reasons[0]

    assert "messages.create" in text
    assert "handed on" in handed_on


POST = (
    "import requests\ndef f(q):\n    r = requests.post('https://h/v1/complete', headers={'a': 'b'},"
    " json={'model': 'claude-2', 'max_tokens_to_sample': 9, 'prompt': '\\n\\nHuman: ' + q + "
    "'\\n\\nAssistant:'})\n"
)


def test_a_post_may_be_asked_for_errors():
    text = POST + (
        "    if r.status_code != 200:\n        raise ValueError(r.text)\n    d = r.json()\n"
        "    if 'completion' in d:\n        return d['completion']\n"
        "    if 'error' in d:\n        return d['error']['message']\n"
        "    return d.get('completion', ''), d.get('completion')\n"
    )

    examined = examine(text, TARGET)
    new = apply_edits(text, examined.edits)

    assert "if 'content' in d:" in new
    assert 'for block in d.get("content", []) if' in new
    assert "return d['error']['message']" in new
    assert any("is empty now" in each for each in examined.findings[0].reasons)


def test_a_body_that_is_left_alone_has_code_to_write():
    other = POST + "    return 'x' in r.json()\n"
    bedrock = (
        "import json\ndef f(b, q):\n    return b.invoke_model(modelId='anthropic.claude-v2', "
        "body=json.dumps({'prompt': q, 'max_tokens_to_sample': 9}))\n"
    )

    codes = [examine(each, TARGET).findings[0].code for each in (other, bedrock)]

    assert '"model": "claude-opus-4-8"' in codes[0]
    assert "}  # to /v1/messages, anthropic-version 2023-06-01" in codes[0]
    assert '"anthropic_version": "bedrock-2023-05-31",\n    "max_tokens": 9' in codes[1]


def test_a_system_prompt_that_is_empty_by_default_is_left_alone():
    prompt = "prompt=f'{system}\\n\\nHuman: {q}\\n\\nAssistant:'"
    ask = f"c.completions.create({prompt}, {ASK}).completion\n"
    reason = found(f"def f(q, system=''):\n    return {ask}").reasons[0]
    text, _ = rewritten(f"def f(q, system='Be kind.'):\n    return {ask}")

    assert "empty by default" in reason
    assert "system=f'{system}'" in text


@pytest.mark.parametrize(
    ("system", "is_left"),
    [
        ("''", True),
        ("given or ''", True),
        ("os.environ.get('SYSTEM', '')", True),
        ("os.getenv('SYSTEM', '')", True),
        ("'Be kind.' if given else ''", True),
        ("given", False),
        ("os.environ.get('SYSTEM')", False),
        ("os.environ.get('SYSTEM', 'Be kind.')", False),
    ],
)
def test_a_system_prompt_that_is_empty_if_there_is_none_is_left_alone(system: str, is_left: bool):
    prompt = "f'{system}\\n\\nHuman: {q}\\n\\nAssistant:'"
    asked = f"c.completions.create(prompt={prompt}, {ASK}).completion.strip()"
    posted = POST.replace("(q):\n", f"(q, given):\n    system = {system}\n").replace(
        "'\\n\\nHuman: ' + q + '\\n\\nAssistant:'", prompt
    )

    for code in (
        f"import os\ndef f(q, given):\n    system = {system}\n    return {asked}\n",
        f"import os\n{posted}",
    ):
        [finding] = rewritten(code)[1]
        assert (finding.verdict is Verdict.BY_HAND) == is_left
        assert ("empty by default" in finding.reasons[0]) == is_left


def test_models_that_stay_and_are_retired_are_listed():
    _, findings = rewritten(
        "MODELS = {'a': 'claude-2', 'b': 'claude-opus-4-8'}\nx = b'claude-2'\n"
        f"def f(q, k):\n    return c.completions.create({OF_MODEL}).completion\n".replace(
            "=MODEL,", "=MODELS[k],"
        )
    )

    assert findings[0].shape == "a model that is retired"
    assert findings[0].code == '"claude-opus-4-8"'
    assert [each.verdict for each in findings] == [Verdict.BY_HAND, Verdict.LOOK]


@pytest.mark.parametrize(
    ("code", "shapes"),
    [
        ("u = 'https://h/v1/complete'", ["the path /v1/complete"]),
        ("send(f'{base}/v1/complete')", ["the path /v1/complete"]),
        ("b = dict(prompt=p, max_tokens_to_sample=9)", ["the body of a legacy request"]),
        (
            "b = dict(prompt=p, max_tokens_to_sample=9, model='claude-2')",
            ["the body of a legacy request"],
        ),
        ("b['max_tokens_to_sample'] = 9", ["a parameter of a legacy request"]),
        (
            "b = {'max_tokens_to_sample': 9, 'model': 'claude-2'}",
            ["a parameter of a legacy request"],
        ),
        # Texts for people, and names of the program's own.
        ("'''Posts to /v1/complete.'''", []),
        ("('Posts to ' '/v1/complete.')", []),
        ("ask(p, max_tokens_to_sample=9)", []),
        ("u = '/v1/complete/now'", []),
    ],
)
def test_what_is_put_together_from_pieces_is_listed(code: str, shapes: list[str]):
    examined = examine(f"p = base = b = send = ask = None\n{code}\n", TARGET)

    assert examined.edits == ()
    assert [each.shape for each in examined.findings] == shapes
    assert all("/v1/messages" in each.code for each in examined.findings)


def test_calls_of_which_one_asks_with_the_answer_of_the_other_are_left_alone_together():
    first = f"a = c.completions.create({PLAIN})\n"
    second = f"b = c.completions.create({PLAIN})\n".replace("{q}", "{a.completion.strip()}")
    third = f"print(c.completions.create({PLAIN}).completion)\n"
    _, findings = rewritten(f"q = 1\n{first}{second}print(b.completion)\n{third}")

    assert all("meet in line 6: assign the one" in each.reasons[0] for each in findings[:2])
    assert [each.verdict for each in findings[:3]] == [
        Verdict.BY_HAND,
        Verdict.BY_HAND,
        Verdict.REWRITTEN,
    ]


def test_posts_of_which_one_asks_with_the_answer_of_the_other_are_left_alone_together():
    second = POST.partition("def f(q):\n")[2].replace("q +", "d['completion'].strip() +")
    _, findings = rewritten(f"{POST}    d = r.json()\n{second.replace('r = ', 's = ')}")

    assert all("meet in line 8: assign the one" in each.reasons[0] for each in findings)
    assert [each.verdict for each in findings] == [Verdict.BY_HAND] * 2
