"""No comment is lost: it stays, or what holds it is left alone."""

from __future__ import annotations

import pytest

from proxy.migrate import Target, Verdict, apply_edits
from proxy.migrate.python import examine
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
HEAD = "import anthropic\nc = anthropic.Anthropic()\n"


@pytest.mark.parametrize(
    "source",
    [
        'p = (f"\\n\\nHuman: {q} "  # one\n     "two\\n\\nAssistant:")\n'
        'c.completions.create(model="claude-2", max_tokens_to_sample=9, prompt=p)\n',
        'c.completions.create(model="claude-2", max_tokens_to_sample=9, prompt="\\n\\nHuman: "\n'
        '    # two\n    "two\\n\\nAssistant:")\n',
        'c.completions.create(model="claude-2", max_tokens_to_sample=9, stop_sequences=[\n'
        '    "a",  # one\n], prompt="\\n\\nHuman: a\\n\\nAssistant:")\n',
    ],
)
def test_a_prompt_with_comments_between_its_parts_is_left_alone(source: str):
    examined = examine(f"{HEAD}q = 1\n{source}", TARGET)

    assert examined.edits == ()
    assert "comment in line" in examined.findings[0].reasons[0]


def test_langchain_s_class_with_comments_is_left_alone():
    source = (
        "from langchain.llms import Anthropic\nllm = Anthropic(\n    temperature=0,  # cold\n)\n"
        "llm('a')\n"
    )

    (finding,) = examine(source, TARGET).findings

    assert finding.verdict is Verdict.BY_HAND
    assert "have comments" in finding.reasons[0]


def test_comments_around_an_argument_that_goes_stay():
    source = f"""{HEAD}\
c.completions.create(
    model="claude-2",  # which
    top_k=5,  # few
    # how long
    max_tokens_to_sample=9,  # short
    prompt="\\n\\nHuman: a\\n\\nAssistant:",
    # how
    temperature=0.5
)
"""

    new = apply_edits(source, examine(source, TARGET).edits)

    assert new.removeprefix(HEAD) == (
        """\
c.messages.create(
    model="claude-opus-4-8",  # which
    # how long
    max_tokens=9,  # short
    messages=[{"role": "user", "content": "a"}],
    stop_sequences=["\\n\\nHuman:"],
    # how
)
"""
    )
