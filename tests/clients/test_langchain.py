"""The one framework: LangChain's `Anthropic` LLM, with the defaults people left it at."""

from __future__ import annotations

from typing import Any

from tests.clients.harness import scripted_proxy
from tests.clients.sdks import LANGCHAIN, Client, calls_in, every

QUESTION = "Name a colour"


def question(llm: dict[str, Any] | None = None, **params: Any) -> list[dict[str, Any]]:
    return calls_in(LANGCHAIN.ways, **({"prompt": QUESTION, "llm": llm or {}} | params))


@every((LANGCHAIN,))
def test_a_bare_question_is_answered_alike_whole_and_streamed(client: Client):
    with scripted_proxy(text="Sure, here you go:\nBlue it is.") as proxy:
        seen = client.run(proxy.url, question())
        body = proxy.received()[0]["body"]

    # It begins the answer itself, with a line break at the end; its model now takes no such thing.
    assert [turn["content"] for turn in body["messages"]][:2] == [QUESTION, "Sure, here you go:"]
    assert [one.text for one in seen] == ["Blue it is."] * len(client.ways)
    assert all(len(one.pieces) > 1 for one in seen[1::2])


@every((LANGCHAIN,))
def test_its_sampling_defaults_and_stops_are_no_errors(client: Client):
    llm = {"model": "claude-instant-1.2", "temperature": 1, "top_k": 0, "top_p": 1}

    with scripted_proxy(text="Blue.\nObservation: none") as proxy:
        seen = client.run(proxy.url, question(llm, stop=["\nObservation:"]))

    assert [one.text for one in seen] == ["Blue."] * len(client.ways)


@every((LANGCHAIN,))
def test_a_failure_is_raised_whole_and_streamed(client: Client):
    with scripted_proxy(error=429) as proxy:
        seen = client.run(proxy.url, question())

    assert [one.error_class for one in seen] == ["RateLimitError"] * len(client.ways)


@every((LANGCHAIN,))
def test_a_stream_that_fails_is_raised(client: Client):
    with scripted_proxy(error_after_deltas=2) as proxy:
        seen = client.run(proxy.url, question()[1::2])

    assert [one.error_class for one in seen] == ["APIStatusError"] * 2
