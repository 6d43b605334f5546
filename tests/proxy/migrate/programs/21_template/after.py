"""A template of a module, and answers behind a label."""

import os

import anthropic

TEMPLATE = """Read this letter.

<letter>{letter}</letter>

Who wrote it? {how}"""

client = anthropic.Anthropic(base_url=os.environ["BASE_URL"])


def ask(letter, how="In one word."):
    completion = client.messages.create(
        model="claude-opus-4-8",
        max_tokens=20,
        messages=[{"role": "user", "content": TEMPLATE.format(letter=letter, how=how)}],
        stop_sequences=["\n\nHuman:"],
    )
    return "".join(block.text for block in completion.content if block.type == "text")


print(ask("Dear all").strip())
response = client.messages.create(
    model="claude-opus-4-8",
    max_tokens=20,
    messages=[{"role": "user", "content": "Who?"}],
    stop_sequences=["\n\nHuman:"],
)
print(f"Claude: {''.join(block.text for block in response.content if block.type == 'text')}")
