"""Rewritten sources, beside those that are run: layout, quotes, bodies, LangChain, notebooks."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace

import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.python import examine, examine_notebook
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = "import anthropic\nc = anthropic.Anthropic()\n"
ASK = 'model="claude-2", max_tokens_to_sample=9'
STOPS = 'stop_sequences=["\\n\\nHuman:"]'


def rewritten(source: str, target: Target = TARGET) -> str:
    text = textwrap.dedent(source)
    examined = examine(text, target)
    new = apply_edits(text, examined.edits)
    assert examine(new, target).edits == ()
    assert Verdict.BY_HAND not in {each.verdict for each in examined.findings}, examined.findings
    return new


def content(prompt: str, before: str = "") -> str:
    """The content of the only message of a call with this prompt."""
    text = f"{HEAD}{before}c.completions.create({ASK}, prompt={prompt})\n"
    new = rewritten(text)
    return new.partition('"content": ')[2].partition("}],")[0]


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ('f"\\n\\nHuman: {q}\\n\\nAssistant:"', 'f"{q}"'),
        ("f'\\n\\nHuman: {q[\"a\"]}!\\n\\nAssistant:'", "f'{q[\"a\"]}!'"),
        ('f"\\n\\nHuman: {q!r:>8} {{x}}\\n\\nAssistant:"', 'f"{q!r:>8} {{x}}"'),
        ('f"\\n\\nHuman: {1:,.2f}\\n\\nAssistant:"', 'f"{1:,.2f}"'),
        ('f"\\n\\nHuman: {str(q)}\\n\\nAssistant:"', "str(q)"),
        ('f"\\n\\nHuman: { {1}}\\n\\nAssistant:"', 'f"{ {1}}"'),
        ('"\\n\\nHuman: " + q + "\\n\\nAssistant:"', "q"),
        ('"\\n\\nHuman: a" + q["b"] + f"{q}c" + "\\n\\nAssistant:"', '"a" + q["b"] + f"{q}c"'),
        ('f"\\n\\nHuman: {a}" f\'{b["x"]}\\n\\nAssistant:\'', 'f"{a}" + f\'{b["x"]}\''),
        ("'\\n\\nHuman: it\\'s \"so\"\\n\\nAssistant:'", "'it\\'s \"so\"'"),
        ('"\\n\\nHuman: \\t\\x07\\u200b\\U0001f600\\n\\nAssistant:"', '"\\t\\x07\\u200b😀"'),
        ('r"""\n\nHuman: a\\b\n\nAssistant:"""', '"a\\\\b"'),
        ('"""\n\nHuman: a\nb"\\"\\"\\"c"\n\nAssistant:"""', '"""a\nb\\"\\"\\""c\\""""'),
        ('f"""\n\nHuman: say "{q}" \'{q}\'\n\nAssistant:"""', 'f"""say "{q}" \'{q}\'"""'),
        ('"\\n\\nHuman: {} and {x}\\n\\nAssistant:".format(a, x=b)', 'f"{a} and {b}"'),
        ('"\\n\\nHuman: {0}{0}\\n\\nAssistant:".format(a)', 'f"{a}{a}"'),
        ('"\\n\\nHuman: %s is 5%%\\n\\nAssistant:" % (a,)', 'f"{a} is 5%"'),
        ('"\\n\\nHuman: " + (a if b else "") + "\\n\\nAssistant:"', '(a if b else "")'),
        ("c.HUMAN_PROMPT + ' Hi' + c.AI_PROMPT", "'Hi'"),
        ("anthropic.HUMAN_PROMPT + ' Hi' + anthropic.AI_PROMPT", "'Hi'"),
    ],
)
def test_texts_are_written_in_the_way_they_were(prompt: str, written: str):
    assert content(prompt) == written


def test_names_of_markers_and_of_texts_without_them_are_followed():
    before = 'A = "\\n\\nAssistant:"\nRULES = "be kind"\nN = 5\n'

    assert content('f"\\n\\nHuman: {RULES} {N}" + A', before) == 'f"{RULES} {N}"'


def test_characters_that_a_file_cannot_hold_are_escaped():
    source = f'{HEAD}c.completions.create({ASK}, prompt="\\n\\nHuman: \\u20ac\\n\\nAssistant:")\n'

    assert '"\\u20ac"' in rewritten(source, replace(TARGET, encoding="latin-1"))


def test_new_arguments_stand_where_the_old_ones_did_and_comments_stay():
    assert rewritten(
        HEAD
        + """\
c.completions.create(
\tprompt="\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: c\\n\\nAssistant:",  # what
\ttop_p=0.9,
\tmodel="claude-2",  # which
\tmax_tokens_to_sample=9, # many
\ttemperature=None, metadata={"user_id": "u"}, stop_sequences="END",
\ttimeout=5,
\ttop_k=-1,
)
"""
    ).removeprefix(HEAD) == (
        """\
c.messages.create(
\tmessages=[
\t    {"role": "user", "content": "a"},
\t    {"role": "assistant", "content": "b"},
\t    {"role": "user", "content": "c"},
\t],  # what
\tmodel="claude-opus-4-8",  # which
\tmax_tokens=9, # many
\tmetadata={"user_id": "u"}, stop_sequences=["END", "\\n\\nHuman:"],
\ttimeout=5,
)
"""
    )


def test_sampling_goes_into_the_body_for_the_newest_sdks_only():
    source = HEAD + (
        'c.completions.create(model="claude-instant-1", max_tokens_to_sample=9, temperature=0.5, '
        'top_k=n, prompt="\\n\\nHuman: a\\n\\nAssistant:")\n'
    )

    assert (
        'extra_headers={"anthropic-version": "2023-06-01"}, '
        'extra_body={"temperature": 0.5, "top_k": n}, messages='
    ) in rewritten(source)
    assert "temperature=0.5, top_k=n, messages=" in rewritten(source, replace(TARGET, sdk=0))


def test_models_that_think_are_told_not_to_and_given_room():
    source = HEAD + (
        "def f(n, s):\n    return c.completions.create(model='claude-opus-5-5', "
        "max_tokens_to_sample=n, prompt='\\n\\nHuman: a\\n\\nAssistant:').completion\n"
        "x = c.completions.create(model='claude-opus-5', max_tokens_to_sample=90000, "
        "prompt='\\n\\nHuman: a\\n\\nAssistant:').completion\n"
    )

    new = rewritten(source)

    assert "max_tokens=n + 4096" in new
    assert 'output_config={"effort": "low"}' in new
    assert 'thinking={"type": "disabled"}' in new
    assert "timeout=600" in new


def test_a_metadata_expression_is_kept_and_a_whole_one_too():
    source = (
        f'{HEAD}c.completions.create({ASK}, metadata=m, prompt="\\n\\nHuman: a\\n\\nAssistant:")\n'
    )

    assert "metadata=m" in rewritten(source)


def test_a_stream_is_read_within_a_with_statement_that_keeps_texts_as_they_are():
    assert rewritten(
        HEAD
        + f"""\
def f(q, stream):
    if q:
        for piece in c.completions.create({ASK}, \
prompt=f"\\n\\nHuman: {{q}}\\n\\nAssistant:", stream=True):

            print('''a
b''', piece.completion)
    return 1
"""
    ).removeprefix(HEAD) == (
        f"""\
def f(q, stream):
    if q:
        with c.messages.stream(model="claude-opus-4-8", max_tokens=9, messages=[{{"role": "user", \
"content": f"{{q}}"}}], {STOPS}) as message_stream:
            for piece in message_stream.text_stream:

                print('''a
b''', piece)
    return 1
"""
    )


def test_a_post_becomes_one_to_messages():
    assert rewritten(
        """\
import requests
URL = f"{BASE}/v1/complete"
def ask(q: str):
    headers = {
        "x-api-key": KEY,
        "anthropic-version": "2023-01-01",
    }
    data = {"prompt": f"\\n\\nHuman: {q}\\n\\nAssistant:", "model": "claude-2", \
"max_tokens_to_sample": 9}
    response = requests.post(URL, headers=headers, json=data, timeout=5)
    response.raise_for_status()
    answer = response.json()
    if answer.get("stop_reason") == "max_tokens":
        print(answer["stop"])
    return answer["completion"].strip(), answer["model"]
"""
    ) == (
        """\
import requests
URL = f"{BASE}/v1/messages"
def ask(q: str):
    headers = {
        "x-api-key": KEY,
        "anthropic-version": "2023-06-01",
    }
    data = {"messages": [{"role": "user", "content": q}], "stop_sequences": ["\\n\\nHuman:"], \
"model": "claude-opus-4-8", "max_tokens": 9}
    response = requests.post(URL, headers=headers, json=data, timeout=5)
    response.raise_for_status()
    answer = response.json()
    if answer.get("stop_reason") == "max_tokens":
        print(answer["stop_sequence"])
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")\
.strip(), answer["model"]
"""
    )


POST = (
    'requests.post("https://h/v1/complete", headers={"a": "b"}, json={"prompt": '
    '"\\n\\nHuman: a\\n\\nAssistant:", "model": "claude-2", "max_tokens_to_sample": 9})'
)


def test_a_post_gets_the_version_that_it_needs_and_its_answer_may_be_read_anyhow():
    new = rewritten(
        "import json, requests\n"
        f'a = json.loads({POST}.text)["completion"]\n'
        f"print({POST}.text)\n"
        f'b = {POST}.json().get("completion")\n'
        f"{POST}.status_code\n"
    )

    assert new.count('{"a": "b", "anthropic-version": "2023-06-01"}') == 4
    assert 'a = "".join(block["text"] for block in json.loads(requests.post(' in new
    assert '.json().get("content", []) if block["type"] == "text")' in new


@pytest.mark.parametrize(
    "client",
    [
        "c = httpx.Client(base_url=base)\nx = ",
        "with httpx.Client(base_url=base) as c:\n    x = ",
        "async def f():\n    async with httpx.AsyncClient(base_url=base) as c:\n        x = await ",
    ],
)
def test_a_client_may_know_the_server(client: str):
    post = POST.replace("requests", "c").replace("https://h", "")
    code = f"import httpx\nbase = input()\n{client}{post}\n"
    new = apply_edits(code, examine(code, TARGET).edits)

    assert 'c.post("/v1/messages", ' in new


@pytest.mark.parametrize(("limit", "new"), [("n", "n + 4096"), ("n or 9", "(n or 9) + 4096")])
def test_room_for_thinking_is_added_to_the_whole_limit(limit: str, new: str):
    thinking = POST.replace("claude-2", "claude-opus-5-5").replace(": 9", f": {limit}")
    code = f"import requests\nn = int(input())\nprint({thinking}.json()['completion'])\n"

    assert f'"max_tokens": {new}' in apply_edits(code, examine(code, TARGET).edits)


BODIES = {
    "a limit that is a text": (POST.replace('sample": 9', 'sample": "9"'), "is a string where"),
    "a limit of the environment": (
        "import os\nn = os.environ.get('N', 9)\n" + POST.replace('sample": 9', 'sample": n'),
        "`n` is a string where it is set",
    ),
    "a temperature of the environment": (
        POST.replace('"max_t', '"temperature": os.getenv("T"), "max_t'),
        "write `int(...)` or `float(...)`",
    ),
    "an address elsewhere": (POST.replace('"https://h/v1/complete"', "url"), "not in sight"),
    "an address that is used elsewhere": (
        "u = 'https://h/v1/complete'\nprint(u)\n" + POST.replace('"https://h/v1/complete"', "u"),
        "used elsewhere",
    ),
    "another address": (POST.replace("complete", "completely"), "not in sight"),
    "an address of its own server": (
        "client = TestClient(app)\n" + POST.replace("requests", "client").replace("https://h", ""),
        "the program's own server",
    ),
    "an address of a client that is not in sight": (
        POST.replace("requests", "self.session").replace("https://h", ""),
        "its client is not in sight",
    ),
    "headers elsewhere": (POST.replace('{"a": "b"}', "h"), "headers are not in sight"),
    "a version elsewhere": (
        POST.replace('{"a": "b"}', '{"anthropic-version": v}'),
        "version in the headers",
    ),
    "a stream": (POST.replace('"max_t', '"stream": True, "max_t'), "stream of events"),
    "a response that is returned": (f"def f():\n    return {POST}", "done with the response"),
    "a response of two": (f"r = {POST}\nr = 1\nr.json()", "done with the response"),
    "a sender that is unknown": (POST.replace("post", "send"), "where the body is sent"),
    "a body that is listed": (POST.replace("json=", "params="), "how the body is sent"),
    "a body in a list": (POST.partition("json=")[2][:-1].join(["x = [", "]"]), "body is sent"),
    "a body with two names": (
        "x = 1\nx = " + POST.partition("json=")[2][:-1] + "\nrequests.post(x)",
        "more than once",
    ),
    "a body that is used twice": (
        "x = " + POST.partition("json=")[2][:-1] + "\nrequests.post(x, x)",
        "not used in one place",
    ),
    "a prompt elsewhere": (
        'p = "\\n\\nHuman: a\\n\\nAssistant:"\nprint(p)\n'
        + POST.replace('"\\n\\nHuman: a\\n\\nAssistant:"', "p"),
        "used elsewhere",
    ),
    "a prompt without markers": (POST.replace("\\n\\nHuman: a\\n\\nAssistant:", "x"), "No marker"),
}


@pytest.mark.parametrize(("source", "reason"), BODIES.values(), ids=BODIES)
def test_posts_of_which_not_all_is_in_sight_are_listed(source: str, reason: str):
    examined = examine(f"import requests\n{source}\n", TARGET)

    assert examined.edits == ()
    assert any(reason in each.reasons[0] for each in examined.findings)


BEDROCK = (
    'body = json.dumps({"prompt": "\\n\\nHuman: a\\n\\nAssistant:", "max_tokens_to_sample": 9})\n'
)


def test_a_body_for_bedrock_is_rewritten_for_the_same_model():
    new = rewritten(
        "import json\n"
        f"{BEDROCK}"
        'r = client.invoke_model(body=body, modelId="anthropic.claude-v2")\n'
        'out = json.loads(r.get("body").read())\n'
        'print(out.get("completion"))\n'
    )

    assert '{"anthropic_version": "bedrock-2023-05-31", "messages": [' in new
    assert 'modelId="anthropic.claude-v2"' in new
    assert 'for block in out["content"]' in new


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("client.invoke_model(body=body)", "names no `modelId`"),
        ("client.invoke_model(body=body, modelId=m)", "done with the response"),
        ("r = client.invoke_model(body=body, modelId=m)\nr = 1", "done with the response"),
        ("r = client.invoke_model(body=body, modelId=m)\nprint(r)", "in line 4"),
    ],
)
def test_what_bedrock_answers_must_be_in_sight(source: str, reason: str):
    examined = examine(f"import json\n{BEDROCK}{source}\n", TARGET)

    assert examined.edits == ()
    assert reason in examined.findings[0].reasons[0]


def test_a_bedrock_prompt_that_cannot_be_planned_is_listed():
    source = f"import json\n{BEDROCK}r = client.invoke_model(body=body, modelId=m)\n"
    examined = examine(source.replace("Human: a", "User: a").replace("Assistant:", ""), TARGET)

    assert "No marker" in examined.findings[0].reasons[0]


def test_langchain_gets_its_chat_model():
    assert rewritten(
        """\
from langchain_community.llms import Anthropic
llm = Anthropic(model_name="claude-instant-1", temperature=0.5, anthropic_api_key=key)
print(llm("Hi"), llm.predict("Hi"), llm.invoke("Hi"))
"""
    ) == (
        """\
from langchain_anthropic import ChatAnthropic
llm = ChatAnthropic(max_tokens=256, model="claude-haiku-4-5-20251001", temperature=0.5, \
anthropic_api_key=key)
print(llm.invoke("Hi").content, llm.invoke("Hi").content, llm.invoke("Hi").content)
"""
    )


LANGCHAIN = {
    "a chain": ("llm = Anthropic()\nchain = prompt | llm", "in a chain"),
    "an option": ("llm = Anthropic(callbacks=[])", "another form"),
    "a model": ("llm = Anthropic(model=m)", "model is not in sight"),
    "an argument": ("f(Anthropic())", "cannot be followed"),
    "two names": ("llm = Anthropic()\nllm = 1", "more than once"),
    "markers": ('llm = Anthropic()\nllm("\\n\\nHuman: a\\n\\nAssistant:")', "markers of its own"),
    "a subclass": ("class X(Anthropic): ...\nllm = Anthropic()\nllm('a')", "not only called"),
    "only an import": ("", "only imported"),
    "thinking": ("llm = Anthropic(model='claude-opus-5')", "thinks by default"),
    "sampling": ("llm = Anthropic(temperature=5, model='')", "refused"),
}


@pytest.mark.parametrize(("source", "reason"), LANGCHAIN.values(), ids=LANGCHAIN)
def test_what_goes_into_chains_is_listed(source: str, reason: str):
    examined = examine(f"from langchain.llms import Anthropic\n{source}\n", TARGET)

    assert examined.edits == ()
    assert reason in examined.findings[0].reasons[0]


@pytest.mark.parametrize(
    "source",
    [
        "from langchain.llms import Anthropic, OpenAI\nllm = Anthropic()\nllm('a')\n",
        "from langchain.llms import *\nfrom langchain import llms\nx = llms.Anthropic()\nx('a')\n",
    ],
)
def test_other_imports_of_langchain_are_listed(source: str):
    examined = examine(source, TARGET)

    assert examined.edits == ()
    assert "imported" in examined.findings[0].reasons[0]


@pytest.mark.parametrize(
    ("source", "new"),
    [
        ("from anthropic import HUMAN_PROMPT\nx = 1\n", "x = 1\n"),
        ("from anthropic import HUMAN_PROMPT", ""),
        ("if x:\n    from anthropic import AI_PROMPT\n", "if x:\n    pass\n"),
        ("from anthropic import AI_PROMPT; x = 1\n", "pass; x = 1\n"),
        ("from anthropic import AI_PROMPT as A, Client\n", "from anthropic import Client\n"),
        ("from anthropic import A, HUMAN_PROMPT, AI_PROMPT, B\n", "from anthropic import A, B\n"),
        ("from anthropic import A, HUMAN_PROMPT, AI_PROMPT\n", "from anthropic import A\n"),
        ("from anthropic import A as B, AI_PROMPT as C\n", "from anthropic import A as B\n"),
        (
            "from anthropic import HUMAN_PROMPT\n__all__ = ['HUMAN_PROMPT']\n",
            "from anthropic import HUMAN_PROMPT\n__all__ = ['HUMAN_PROMPT']\n",
        ),
        ("from anthropic import *\n", "from anthropic import *\n"),
        ("from others import HUMAN_PROMPT\n", "from others import HUMAN_PROMPT\n"),
    ],
)
def test_imports_that_nothing_uses_are_taken_out(source: str, new: str):
    examined = examine(source, TARGET)

    assert apply_edits(source, examined.edits) == new


def test_line_ends_of_windows_stay():
    source = (
        "import anthropic\r\nc = anthropic.Anthropic()\r\n"
        'def f(q):\r\n    return c.completions.create(model="claude-2", max_tokens_to_sample=9,\r\n'
        '        prompt=f"""\r\n\r\nHuman: {q}\r\nb\r\n\r\nAssistant:""",\r\n    ).completion\r\n'
    )

    examined = examine(source, TARGET)
    new = apply_edits(source, examined.edits)

    assert "\n" not in new.replace("\r\n", "")
    assert 'f"""{q}\r\nb"""' in new


def notebook(*cells: list[str] | str, kind: str = "code") -> str:
    listed: list[dict[str, object]] = [
        {"cell_type": kind, "metadata": {}, "outputs": [], "source": each} for each in cells
    ]
    return json.dumps({"cells": listed, "nbformat": 4}, indent=1, ensure_ascii=False)


CELLS: tuple[list[str] | str, ...] = (
    ["%pip install anthropic\n", "!ls\n", "import anthropic\n", "c = anthropic.Anthropic()"],
    ["%%bash\n", "echo completions"],
    [
        "q = 'ä'\n",
        "r = c.completions.create(\n",
        f"    {ASK},\n",
        '    prompt=f"\\n\\nHuman: {q}\\n\\nAssistant:",\n',
        ")",
    ],
    "print(r.completion)\n",
)


def test_code_cells_of_a_notebook_are_one_program_and_the_rest_stays():
    text = notebook(*CELLS)

    examined = examine_notebook(text, TARGET)
    new = apply_edits(text, examined.edits)

    cells = [each["source"] for each in json.loads(new)["cells"]]
    assert cells[0] == CELLS[0]
    assert cells[1] == CELLS[1]
    assert "".join(cells[2]) == (
        "q = 'ä'\nr = c.messages.create(\n"
        '    model="claude-opus-4-8", max_tokens=9,\n'
        f'    messages=[{{"role": "user", "content": q}}],\n    {STOPS},\n)'
    )
    assert cells[3] == '"".join(block.text for block in r.content if block.type == "text")\n'.join(
        ["print(", ""]
    ).replace('"text")\n', '"text"))\n')
    assert [(each.cell, each.line) for each in examined.findings] == [(3, 2)]
    assert new.startswith(text[: text.index('    "r = c')])
    assert examine_notebook(new, TARGET).edits == ()


def test_what_spans_hidden_lines_of_a_notebook_is_left_alone():
    text = notebook(
        [
            "import anthropic\n",
            "c = anthropic.Anthropic()\n",
            f'print(c.completions.create({ASK}, prompt="""\n',
            "\n",
            "Human: a\n",
            "%b\n",
            "\n",
            'Assistant:""").completion)',
        ]
    )

    examined = examine_notebook(text, TARGET)

    assert examined.edits == ()
    assert "spans" in examined.findings[0].reasons[0]


def test_a_notebook_that_is_none_is_said():
    assert "cannot be read" in examine_notebook("{", TARGET).findings[0].reasons[0]
    escaped = notebook("x = 1").replace('"x = 1"', '"\\u0078 = 1"')
    assert examine_notebook(escaped, TARGET).findings == ()


TEMPLATE = """\
ASK = \'\'\'\\n\\nHuman: Read this.

<doc>{doc}</doc>{{}}

Assistant:\'\'\'
"""


def test_a_template_that_one_call_formats_loses_its_markers_where_it_is_written():
    ask = f"c.completions.create({ASK}, prompt=ASK.format(doc=doc)).completion"
    named = (
        f"{HEAD}{TEMPLATE}def f(doc):\n    p = ASK.format(doc=doc)\n"
        f"    return c.completions.create({ASK}, prompt=p).completion\n"
    )

    once = rewritten(f"{HEAD}{TEMPLATE}def f(doc):\n    return {ask}\n")
    twice = rewritten(f"{HEAD}{TEMPLATE}def f(doc):\n    return {ask}, {ask}\n")
    by_name = rewritten(named)
    printed = rewritten(named.replace("    return", "    print(p)\n    return"))

    short = "ASK = '''Read this.\n\n<doc>{doc}</doc>{{}}'''\n"
    assert short in once
    assert '"content": ASK.format(doc=doc)}]' in once
    assert TEMPLATE in twice
    assert short in by_name
    assert "    p = ASK.format(doc=doc)\n" in by_name
    assert TEMPLATE in printed


@pytest.mark.parametrize(("name", "is_public"), [("ASK", True), ("_ASK", False)])
def test_a_template_that_others_may_import_is_to_be_looked_at(name: str, is_public: bool):
    ask = f"c.completions.create({ASK}, prompt=ASK.format(doc=doc)).completion"
    program = f"{HEAD}{TEMPLATE}def f(doc):\n    return {ask}\n".replace("ASK", name)

    [finding] = examine(program, TARGET).findings

    assert (finding.verdict is Verdict.LOOK) is is_public
    assert any("files that import it" in each for each in finding.reasons) is is_public


@pytest.mark.parametrize(
    "template",
    [
        "\\n\\nHuman: {doc}\\n\\nAssistant: b {{",
        "{doc}\\n\\nHuman: {doc}\\n\\nAssistant:",
        "\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: {doc}\\n\\nAssistant:",
        "\\n\\nHuman: a\\n\\nAssistant:",
        "\\n\\nHuman: {doc}\\n\\nHuman: b\\n\\nAssistant:",
    ],
)
def test_a_template_that_becomes_more_than_a_message_stays(template: str):
    source = (
        f"{HEAD}system_T = '{template}'\ndef f(doc):\n"
        f"    return c.completions.create({ASK}, prompt=system_T.format(doc=doc)).completion\n"
    )

    new = apply_edits(source, examine(source, TARGET).edits)

    assert f"system_T = '{template}'\n" in new


def test_a_parameter_that_may_be_none_is_no_text_and_what_is_not_streamed_needs_no_stream():
    new = rewritten(
        f"{HEAD}def f(q: str = None):\n    return c.completions.create({ASK}, stream=False, "
        "prompt=f'\\n\\nHuman: {q}\\n\\nAssistant:').completion\n"
    )

    assert "\"content\": f'{q}'" in new.replace('f"{q}"', "f'{q}'")
    assert "stream" not in new


@pytest.mark.parametrize(
    ("prompt", "content"),
    [
        (r'f"\n\nHuman: \{q}\n\nAssistant:"', r'f"\\{q}"'),
        (r'f"\n\nHuman: \\{q}\n\nAssistant:"', r'f"\\{q}"'),
        (r'f"\n\nHuman: a\d{{\{q}\n\nAssistant:"', r'f"a\\d{{\\{q}"'),
        (r'HUMAN_PROMPT + rf" \{q}\\{q}" + AI_PROMPT', r'f"\\{q}\\\\{q}"'),
    ],
)
def test_a_backslash_before_a_field_is_one(prompt: str, content: str):
    code = (
        "from anthropic import AI_PROMPT, HUMAN_PROMPT, Anthropic\n\nq = input()\n"
        f"print(Anthropic().completions.create(model='claude-2', max_tokens_to_sample=9, "
        f"prompt={prompt}).completion)\n"
    )

    assert f'"content": {content}}}' in apply_edits(code, examine(code, TARGET).edits)


def test_an_escape_that_python_refuses_is_said():
    [found] = examine(f"q = 1\n{POST}\n".replace('"\\n\\nHuman: a', 'f"\\x4{q}'), TARGET).findings

    assert found.reasons == ("The text has an escape that cannot be read.",)
