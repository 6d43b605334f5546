"""Names, attributes, lists and functions that hold markers are no holes of a prompt."""

from __future__ import annotations

import textwrap

import pytest

from proxy.migrate import Target, apply_edits
from proxy.migrate.python import examine
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = "from anthropic import Anthropic, HUMAN_PROMPT, AI_PROMPT\nc = Anthropic()\n"

ASK = 'c.completions.create(model="claude-2", max_tokens_to_sample=9, prompt=prompt)'


def call(hole: str) -> str:
    return (
        'c.completions.create(model="claude-2", max_tokens_to_sample=9, '
        f'prompt=f"{{HUMAN_PROMPT}} Go. {{{hole}}}{{AI_PROMPT}}").completion'
    )


@pytest.mark.parametrize(
    ("before", "hole"),
    [
        ("def shots(e):\n    return HUMAN_PROMPT + e\n", "shots(q)"),
        (
            "def shots(e):\n    o = ''\n    for x in e:\n        o += f'{x}{AI_PROMPT}'\n"
            "    return o\n",
            "shots(q)",
        ),
        ("def shots(e):\n    yield HUMAN_PROMPT\n", "''.join(shots(q))"),
        ("class A:\n    def go(self, x):\n        self.seen += AI_PROMPT + x\n", "self.seen"),
        (
            "class A:\n    def go(self, x):\n        self.seen.append(AI_PROMPT + x)\n",
            "self.seen[0]",
        ),
        ("parts = []\nparts.append('\\n\\nHuman: a')\n", "' '.join(parts)"),
        ("parts = []\nparts[0] = '\\n\\nHuman: a'\n", "' '.join(reversed(parts))"),
        ("one, two = x, AI_PROMPT\n", "two.strip()"),
        ("get().append(AI_PROMPT)\none, *two = x, AI_PROMPT\n", "two[0]"),
        ("lines = [HUMAN_PROMPT, x]\nfor line in lines:\n    last = line\n", "last"),
        ("s = x if y else AI_PROMPT\n", "s"),
        ("if (s := HUMAN_PROMPT + x):\n    pass\n", "s"),
        ("s: str = HUMAN_PROMPT + x\n", "s.upper()"),
    ],
)
def test_what_holds_markers_is_no_hole(before: str, hole: str):
    source = f"{HEAD}{before}def f(self, q):\n    return {call(hole)}\n"

    examined = examine(source, TARGET)

    assert examined.edits == ()
    assert any("markers" in each for found in examined.findings for each in found.reasons)


@pytest.mark.parametrize(
    ("before", "hole"),
    [
        (f"def ask(q):\n    return {call('q')}\n", "ask(q)"),
        (f"def ask(q):\n    r = {call('q')}\n    return r\n", "ask(q)"),
        (f"q = 'a'\ntext = {call('q')}\n", "text"),
        ("def g(prompt):\n    prompt = HUMAN_PROMPT + prompt\n    print(prompt)\n", "prompt"),
        ("x = 'a' in HUMAN_PROMPT\ny = lambda: HUMAN_PROMPT\n", "x and y"),
        ("get().text = HUMAN_PROMPT\nx = y = {}\n", "x[1]"),
        ("n: int\nlen(HUMAN_PROMPT)\n", "n"),
    ],
)
def test_what_was_only_asked_with_markers_is_a_hole(before: str, hole: str):
    source = f"{HEAD}{before}def f(prompt):\n    return {call(hole)}\n"

    new = apply_edits(source, examine(source, TARGET).edits)

    assert f'"content": f"Go. {{{hole}}}"' in new


def test_a_name_that_is_assigned_again_has_the_last_value_where_it_is_read():
    source = HEAD + textwrap.dedent("""\
    def ask(prompt):
        prompt = f"{HUMAN_PROMPT} {prompt}{AI_PROMPT}"
        r = c.completions.create(model="claude-2", max_tokens_to_sample=9, prompt=prompt)
        print(r.completion)
        prompt = f"{HUMAN_PROMPT} Bye{AI_PROMPT}"
        r = c.completions.create(model="claude-2", max_tokens_to_sample=9, prompt=prompt)
        return r.completion
    """)

    new = apply_edits(source, examine(source, TARGET).edits)

    assert '    prompt = f"{prompt}"\n' in new
    assert '    prompt = "Bye"\n' in new
    assert "completions" not in new


@pytest.mark.parametrize(
    "between",
    [
        "if q:\n        prompt = q\n    ",
        "for _ in q:\n        prompt = q\n    ",
        "prompt += q\n    ",
        "print(prompt := q)\n    ",
        "def g():\n        nonlocal prompt\n        prompt = q\n    ",
        "len(prompt)\n    ",
    ],
)
def test_a_name_that_may_be_something_else_is_left_alone(between: str):
    source = (
        f'{HEAD}def ask(q):\n    prompt = f"{{HUMAN_PROMPT}} {{q}}{{AI_PROMPT}}"\n    {between}'
        f"r = {ASK}\n"
        "    x = prompt\n    return r.completion\n"
    )

    assert examine(source, TARGET).edits == ()


def test_a_name_that_a_loop_assigns_again_is_left_alone():
    source = (
        f'{HEAD}def ask(q):\n    prompt = f"{{HUMAN_PROMPT}} {{q}}{{AI_PROMPT}}"\n    while q:\n'
        f"        r = {ASK}\n"
        "        prompt = prompt + r.completion\n"
    )

    assert examine(source, TARGET).edits == ()
