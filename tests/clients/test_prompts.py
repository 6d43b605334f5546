"""What a client asks, and what arrives upstream of it."""

from __future__ import annotations

from typing import Any

from tests.clients.harness import scripted_proxy
from tests.clients.sdks import PYTHON_0_125_0, SDKS, Client, calls_in, every

CONVERSATION = (
    "You are a guide.\n\nHuman: Hello\n\nAssistant: Hi, I'm Claude.\n\nHuman: And you are?"
    "\n\nAssistant:"
)
PREFILLED = "\n\nHuman: Count to three\n\nAssistant: One,\n"
# Half an emoji: what is left where JavaScript cuts a text by length.
HALVED = "\n\nHuman: Smile \ud83d and \U0001f600\u2028\n\nAssistant:"


def turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


@every(SDKS)
def test_prompts_become_messages_however_they_are_sent(client: Client):
    # Some of these prompts are none that the oldest clients would let through unasked.
    unchecked = {"disable_checks": True} if client.program == "python_0_2.py" else {}
    asked: list[dict[str, Any]] = [
        {"prompt": CONVERSATION},
        {"prompt": PREFILLED, "model": "claude-instant-1.2"},
        {"prompt": PREFILLED, "model": "claude-2.1"},  # whose successor takes no such beginning
        # The newest Python cannot even write half an emoji.
        {"prompt": HALVED.replace("\ud83d", "\ufffd") if client is PYTHON_0_125_0 else HALVED},
    ]
    script = [call for params in asked for call in calls_in(client.ways, **params, **unchecked)]
    said = ("A pleasure.", " two, three.", "One,\ntwo, three.", "Yes.")

    with scripted_proxy(*({"text": text} for text in said for _ in client.ways)) as proxy:
        seen = client.run(proxy.url, script)
        bodies = [received["body"] for received in proxy.received()]

    texts = (" A pleasure.", " two, three.", "two, three.", " Yes.")
    assert [one.text for one in seen] == [text for text in texts for _ in client.ways]
    begun = [turn("user", "Count to three"), turn("assistant", "One,")]
    conversation, prefilled, continued, halved = bodies[:: len(client.ways)]
    assert conversation["system"] == "You are a guide."
    assert conversation["messages"] == [
        turn("user", "Hello"),
        turn("assistant", "Hi, I'm Claude."),
        turn("user", "And you are?"),
    ]
    assert prefilled["messages"] == begun
    assert continued["messages"][:2] == begun
    assert continued["messages"][2]["role"] == "user"
    assert halved["messages"] == [turn("user", "Smile \ufffd and \U0001f600\u2028")]
