"""
Every model of note, as of 2026-11-22: messages-wire 5, legacy-wire 8.

A retirement day is given only where it is certain; "not sooner than" is not a
day. The successor is the one the deprecation page names.
"""

from __future__ import annotations

from typing import Final

from translators.catalogue import Capabilities, Catalogue, Model, Sampling, Thinking

_HAIKU: Final = "claude-haiku-4-5-20251001"
_SONNET: Final = "claude-sonnet-4-6"
_OPUS: Final = "claude-opus-4-8"

_OF_4_5: Final = Capabilities(
    max_output_tokens=64_000, prefill=True, sampling=Sampling.ONE_OF, thinking=Thinking.OFF
)
_OF_4_6: Final = Capabilities(
    max_output_tokens=128_000, prefill=False, sampling=Sampling.ONE_OF, thinking=Thinking.OFF
)


def _modern(thinking: Thinking, *, max_output_tokens: int | None = 128_000) -> Capabilities:
    """From 4.7 on: neither prefill nor sampling; what is left is how they think."""
    return Capabilities(
        max_output_tokens=max_output_tokens,
        prefill=False,
        sampling=Sampling.NONE,
        thinking=thinking,
    )


def _retired(day: str, successor: str, *ids: str) -> tuple[Model, ...]:
    return tuple(Model(id=id_, retires=day, successor=successor) for id_ in ids)


LIVE: Final = (
    Model(id=_HAIKU, aliases=("claude-haiku-4-5",), capabilities=_OF_4_5),
    Model(id="claude-opus-4-5-20251101", aliases=("claude-opus-4-5",), capabilities=_OF_4_5),
    Model(
        id="claude-sonnet-4-5-20250929",
        aliases=("claude-sonnet-4-5",),
        capabilities=_OF_4_5,
        retires="2026-11-30",
        successor="claude-sonnet-5-5",
    ),
    Model(id="claude-opus-4-6", capabilities=_OF_4_6),
    Model(id=_SONNET, capabilities=_OF_4_6),
    Model(id="claude-opus-4-7", capabilities=_modern(Thinking.OFF)),
    Model(id=_OPUS, capabilities=_modern(Thinking.OFF)),
    Model(id="claude-sonnet-5", capabilities=_modern(Thinking.ON)),
    Model(id="claude-opus-5", capabilities=_modern(Thinking.ON)),
    Model(id="claude-haiku-5-5", capabilities=_modern(Thinking.ON)),
    Model(id="claude-sonnet-5-5", capabilities=_modern(Thinking.BETWEEN_TOOLS)),
    Model(id="claude-opus-5-5", capabilities=_modern(Thinking.ALWAYS)),
    *(
        Model(id=f"claude-{line}-{version}", capabilities=_modern(Thinking.ALWAYS))
        for line in ("fable", "mythos")
        for version in ("5", "5-1", "5-2")
    ),
    # Its output limit is not known, and the sources differ on when it retires.
    Model(
        id="claude-mythos-preview",
        capabilities=_modern(Thinking.ALWAYS, max_output_tokens=None),
    ),
)

RETIRED: Final = (
    *_retired(
        "2024-11-06",
        _HAIKU,
        # June 2023 on, and their 100k windows
        *("claude-1", "claude-1-100k", "claude-1.0", "claude-1.1", "claude-1.2"),
        *("claude-1.3", "claude-1.3-100k"),
        *("claude-instant-1", "claude-instant-1-100k", "claude-instant-1.0", "claude-instant-1.1"),
        *("claude-instant-1.1-100k", "claude-instant-1.2"),
        # spring 2023
        *("claude-v1", "claude-v1-100k", "claude-v1.0", "claude-v1.1", "claude-v1.2"),
        *("claude-v1.3", "claude-v1.3-100k", "claude-instant-v1", "claude-instant-v1-100k"),
        *("claude-instant-v1.0", "claude-instant-v1.1", "claude-instant-v1.1-100k"),
        # Bedrock's names for them
        *("anthropic.claude-v1", "anthropic.claude-instant-v1"),
    ),
    *_retired(
        "2025-07-21",
        _OPUS,
        *("claude-2", "claude-2.0", "claude-2.1", "anthropic.claude-v2", "anthropic.claude-v2:1"),
    ),
    *_retired("2025-07-21", _SONNET, "claude-3-sonnet-20240229"),
    *_retired(
        "2025-10-28",
        _SONNET,
        *("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-latest"),
    ),
    *_retired("2026-01-05", _OPUS, "claude-3-opus-20240229", "claude-3-opus-latest"),
    *_retired("2026-02-19", _SONNET, "claude-3-7-sonnet-20250219", "claude-3-7-sonnet-latest"),
    *_retired("2026-02-19", _HAIKU, "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
    *_retired("2026-04-20", _HAIKU, "claude-3-haiku-20240307"),
    *_retired(
        "2026-06-15",
        _SONNET,
        "claude-sonnet-4-20250514",
        "claude-sonnet-4-0",
        "claude-4-sonnet-20250514",
    ),
    *_retired(
        "2026-06-15", _OPUS, "claude-opus-4-20250514", "claude-opus-4-0", "claude-4-opus-20250514"
    ),
    *_retired("2026-08-05", _OPUS, "claude-opus-4-1-20250805", "claude-opus-4-1"),
)

KNOWN_MODELS: Final = Catalogue(models=(*LIVE, *RETIRED))

LEGACY_ALIASES: Final[dict[str, str]] = {
    # Major versions, which the legacy API answered with the full version they stood for. Only
    # those a source names: legacy-wire 2.2, 8.1.
    "claude-v1": "claude-v1.3",
    "claude-1": "claude-1.3",
    "claude-2": "claude-2.0",
    "claude-instant-1": "claude-instant-1.2",
}
"""What `model` of an answer says for an alias."""
