"""
Old clients as the demo plays them: their headers, their habits, their prompts.

The headers and fields of each kind were observed from published releases of
the SDKs; the callers and their prompts are made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

_V1: Final = {"anthropic-version": "2023-01-01"}
_V2: Final = {"anthropic-version": "2023-06-01"}
_DELAY: Final = "simulate-delay-headers"  # milliseconds; only the simulator reads this header
_TOO_LONG: Final = '"prompt is too long: 210012 tokens > 200000 maximum"'


@dataclass(frozen=True, slots=True, kw_only=True)
class OldClient:
    """A caller of the demo: the fields that all its requests share, and its prompts."""

    name: str | None
    """Name of the caller in the demo's settings; None if the settings do not list it."""
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    prompts: tuple[str, ...]
    fault_headers: tuple[Mapping[str, str], ...] = ()
    """Headers of further requests, each of which makes the simulator fail."""
    key: str = field(repr=False)

    def requests(self) -> Iterator[tuple[Mapping[str, str], Mapping[str, Any]]]:
        """Yield the headers and the body of each of its requests."""
        headers = {"content-type": "application/json", "x-api-key": self.key, **self.headers}
        for prompt in self.prompts:
            yield headers, {"prompt": prompt, **self.fields}
        for fault in self.fault_headers:
            yield {**headers, **fault}, {"prompt": self.prompts[0], **self.fields}


def settings_for(clients: tuple[OldClient, ...]) -> dict[str, Any]:
    """
    Return the demo's settings: callers by name, and rules.

    Two callers are shadowed, and a share of the others is asked another model.
    """
    return {
        "callers": {
            client.name: {"token": f"sha256:{sha256(client.key.encode()).hexdigest()}"}
            for client in clients
            if client.name
        },
        "rollout": [
            _shadowed("cheaper", "support-bot", {"model": "claude-haiku-4-5"}),
            _shadowed("instruct", "form-filler", {"prefill": "instruct"}),
            {
                "name": "trial",
                "match": {"caller": "*-*"},  # those with a name; digests have no hyphen
                "share": 25,
                "by": "caller",
                "action": "translate",
                "model": "claude-sonnet-4-6",
            },
        ],
    }


def _shadowed(name: str, caller: str, other: Mapping[str, str]) -> dict[str, object]:
    return {
        "name": name,
        "match": {"caller": caller},
        "action": "translate",
        "shadow": {"action": "translate", "control": True, **other},
    }


def _stainless(language: str, version: str) -> dict[str, str]:
    agent = {"python": f"Anthropic/Python {version}", "js": f"Anthropic/JS {version}"}[language]
    return {
        **_V2,
        "user-agent": agent,
        "x-stainless-lang": language,
        "x-stainless-package-version": version,
    }


def _single_turn(*questions: str) -> tuple[str, ...]:
    return tuple(f"\n\nHuman: {question}\n\nAssistant:" for question in questions)


def _chat(*turns: str) -> str:
    roles = ("Human", "Assistant")
    history = (f"\n\n{roles[index % 2]}: {text}" for index, text in enumerate(turns))
    return f"You are the support desk of a garden centre.{''.join(history)}\n\nAssistant:"


OLD_CLIENTS: Final = (
    OldClient(
        name="support-bot",
        key="demo-key-of-support-bot",
        headers={**_stainless("python", "0.3.11"), _DELAY: "70"},
        fields={
            "model": "claude-2.1",
            "max_tokens_to_sample": 400,
            "temperature": 0.3,
            "stream": True,
        },
        prompts=(
            _chat("When do I prune roses?"),
            _chat("When do I prune roses?", "In late winter.", "And climbing ones?"),
            _chat("My order has not come. Write to ann@example.com, please."),
            _chat("My order has not come.", "Which number is it?", "4711", "Thank you.", "And?"),
            _chat("Do you sell lemon trees?"),
            _chat("Do you sell lemon trees?", "We do.", "Do they survive frost?"),
            _chat("How often do I water a cactus?"),
            _chat("Can I return an opened bag of compost?"),
        ),
    ),
    OldClient(
        name="form-filler",
        key="demo-key-of-form-filler",
        headers={**_stainless("python", "0.18.1"), _DELAY: "55"},
        fields={"model": "claude-2.1", "max_tokens_to_sample": 300, "temperature": 0},
        prompts=tuple(
            f"Answer in JSON.\n\nHuman: {order}\n\nAssistant: {{"
            for order in (
                "Two bags of bark, one rake.",
                "Forty pansies, blue.",
                "One olive tree, tall.",
                "Six metres of hedge, evergreen.",
            )
        ),
    ),
    OldClient(  # an SDK older than the generated ones, with the old stream dialect
        name="nightly-batch",
        key="demo-key-of-nightly-batch",
        headers={
            **_V1,
            "user-agent": "python-requests/2.31.0",
            "anthropic-sdk": "anthropic-python/0.2.10",
            _DELAY: "45",
        },
        fields={
            "model": "claude-v1.3",
            "max_tokens_to_sample": 100_000,
            "stop_sequences": ["\n\nHuman:"],
        },
        prompts=_single_turn(
            "Summarise: 40 trays of basil were delivered, two of them frozen.",
            "Summarise: the greenhouse was closed on Monday for repairs.",
            "Summarise: sales of seed potatoes doubled in March.",
            "Summarise: three customers asked for peat-free compost.",
            "Summarise: the irrigation in hall 2 leaks again.",
            "Summarise: the new label printer works.",
        ),
    ),
    OldClient(
        name="web-chat",
        key="demo-key-of-web-chat",
        headers={**_stainless("js", "0.5.0"), _DELAY: "30"},
        fields={"model": "claude-instant-1.2", "max_tokens_to_sample": 300, "stream": True},
        prompts=_single_turn(
            "Which herbs grow on a balcony to the north?",
            "What eats my lettuce at night?",
            "Is ivy bad for walls?",
            "How deep do I plant tulips?",
            "Name three trees for a small garden.",
            "Why do tomatoes split?",
        ),
    ),
    OldClient(  # its streams repeat the whole text so far in every event
        name="shop-window",
        key="demo-key-of-shop-window",
        headers={
            **_V1,
            "user-agent": "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
            "anthropic-sdk": "anthropic-typescript/0.4.4",
            _DELAY: "35",
        },
        fields={
            "model": "claude-instant-v1",
            "max_tokens_to_sample": 200,
            "stop_sequences": ["\n\nHuman:"],
            "stream": True,
        },
        prompts=_single_turn(
            "A slogan for spring bulbs.", "A slogan for garden gloves.", "A slogan for bird food."
        ),
    ),
    OldClient(  # LangChain adds the same prefill to every prompt without turns
        name="handbook-search",
        key="demo-key-of-handbook-search",
        headers={**_stainless("python", "0.7.8"), _DELAY: "110"},
        fields={"model": "claude-2", "max_tokens_to_sample": 256, "top_k": 0, "top_p": 1},
        prompts=tuple(
            f"\n\nHuman: {question}\n\nAssistant: Sure, here you go:\n"
            for question in (
                "Where do we keep pesticides?",
                "Who may drive the fork lift?",
                "When are the fire doors tested?",
                "What is the dress code in hall 3?",
            )
        ),
    ),
    OldClient(
        name="price-import",
        key="demo-key-of-price-import",
        headers={**_stainless("python", "0.39.0"), _DELAY: "25"},
        fields={"model": "claude-2.0", "max_tokens_to_sample": 150},
        prompts=_single_turn(
            "Read the price: EUR 12.50", "Read the price: 3,- each", "Read the price: free"
        ),
        fault_headers=(
            {"simulate-error": "529"},
            {"simulate-error": "500"},
            {"simulate-error": "400", "simulate-error-message": _TOO_LONG},
        ),
    ),
    OldClient(  # only needs its call rewritten, and calls often enough to show up
        name="newsletter",
        key="demo-key-of-newsletter",
        headers={**_stainless("python", "0.125.0"), _DELAY: "40"},
        fields={"model": "claude-haiku-4-5", "max_tokens_to_sample": 500},
        prompts=_single_turn(
            "A headline for our autumn sale.",
            "One sentence about mulch.",
            "Two tips for winter.",
            "A title for the page on orchids.",
            "A subject line for our letter in May.",
            "One reason to plant a hedge.",
            "A caption for a picture of dahlias.",
            "Two sentences about frost.",
            "A headline for garden furniture.",
            "An invitation to our open day.",
        ),
    ),
    OldClient(  # a forgotten script: no version, no SDK, no name
        name=None,
        key="demo-key-that-nobody-remembers",
        headers={"user-agent": "curl/7.88.1"},
        fields={
            "model": "claude-instant-1.1",
            "max_tokens_to_sample": 60,
            "top_k": -1,
            "top_p": -1,
            "stop_sequences": ["\n"],
        },
        prompts=("Human: Is the server up?\n\nAssistant: ", "Is the server up?"),
    ),
)
"""The shadowed clients come first, so that their shadows are done when all requests are."""
