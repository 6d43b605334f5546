"""
The built-in table of models, as of 2026-11-28: messages-wire 5, legacy-wire 8, corrections.

`retires` is given only where it is certain; an announced "not sooner than" is
in `retires_not_before`. It is the day in UTC; upstream ends a model at 9 AM
Pacific of that day, so Holdover moves on up to 17 hours earlier. Successors of
retired and deprecated models are those that the deprecation page names. Those
of other live models are our choice (the newest of the line, then its nearest
neighbour), and are asked only if upstream says that it has the model no more.
"""

from __future__ import annotations

from typing import Final

from translators.models.catalogue import Capabilities, Catalogue, Model, Sampling, Thinking

_HAIKU: Final = "claude-haiku-4-5-20251001"
_SONNET: Final = "claude-sonnet-4-6"
_OPUS: Final = "claude-opus-4-8"
_NEWEST_HAIKU: Final = "claude-haiku-5-5"
_NEWEST_SONNET: Final = "claude-sonnet-5-5"
_NEWEST_OPUS: Final = "claude-opus-5-5"
_NEWEST_FABLE: Final = "claude-fable-5-2"
_NEWEST_MYTHOS: Final = "claude-mythos-5-2"

_NEWEST: Final = {
    "claude-haiku-latest": _NEWEST_HAIKU,
    "claude-sonnet-latest": _NEWEST_SONNET,
    "claude-opus-latest": _NEWEST_OPUS,
    "claude-fable-latest": _NEWEST_FABLE,
    "claude-mythos-latest": _NEWEST_MYTHOS,
}

_CAPABILITIES_4_5: Final = Capabilities(
    max_output_tokens=64_000, prefill=True, sampling=Sampling.ONE_OF, thinking=Thinking.OFF
)
_CAPABILITIES_4_6: Final = Capabilities(
    max_output_tokens=128_000, prefill=False, sampling=Sampling.ONE_OF, thinking=Thinking.OFF
)


def _modern(thinking: Thinking, *, max_output_tokens: int | None = 128_000) -> Capabilities:
    """Return capabilities of models since 4.7, which take neither prefill nor sampling."""
    return Capabilities(
        max_output_tokens=max_output_tokens,
        prefill=False,
        sampling=Sampling.NONE,
        thinking=thinking,
    )


def _large(
    id_: str, capabilities: Capabilities, successor: str, not_before: str | None = None
) -> Model:
    """Return a model since 4.6: a context of a million tokens, and an id without a date."""
    return Model(
        id=id_,
        capabilities=capabilities,
        context_tokens=1_000_000,
        retires_not_before=not_before,
        successor=successor,
    )


def _retired(deprecated: str | None, day: str, successor: str, *ids: str) -> tuple[Model, ...]:
    return tuple(
        Model(id=id_, deprecated=deprecated, retires=day, successor=successor) for id_ in ids
    )


LIVE: Final = (
    Model(
        id=_HAIKU,
        aliases=("claude-haiku-4-5",),
        capabilities=_CAPABILITIES_4_5,
        context_tokens=200_000,
        retires_not_before="2026-10-15",
        successor=_NEWEST_HAIKU,
    ),
    Model(
        id="claude-opus-4-5-20251101",
        aliases=("claude-opus-4-5",),
        capabilities=_CAPABILITIES_4_5,
        context_tokens=200_000,
        deprecated="2026-11-23",
        retires="2027-01-22",
        successor=_NEWEST_OPUS,
    ),
    Model(
        id="claude-sonnet-4-5-20250929",
        aliases=("claude-sonnet-4-5",),
        capabilities=_CAPABILITIES_4_5,
        context_tokens=200_000,
        deprecated="2026-09-30",
        retires="2026-11-30",
        successor=_NEWEST_SONNET,
    ),
    _large("claude-opus-4-6", _CAPABILITIES_4_6, _NEWEST_OPUS, "2027-02-05"),
    _large(_SONNET, _CAPABILITIES_4_6, _NEWEST_SONNET, "2027-02-17"),
    _large("claude-opus-4-7", _modern(Thinking.OFF), _NEWEST_OPUS, "2027-04-16"),
    _large(_OPUS, _modern(Thinking.OFF), _NEWEST_OPUS, "2027-05-28"),
    _large("claude-sonnet-5", _modern(Thinking.ON), _NEWEST_SONNET, "2027-06-30"),
    _large("claude-opus-5", _modern(Thinking.ON), _NEWEST_OPUS, "2027-07-24"),
    _large(_NEWEST_HAIKU, _modern(Thinking.ON), _NEWEST_SONNET, "2027-10-07"),
    _large(_NEWEST_SONNET, _modern(Thinking.BETWEEN_TOOLS), _NEWEST_OPUS),
    _large(_NEWEST_OPUS, _modern(Thinking.ALWAYS), _NEWEST_SONNET),
    _large("claude-fable-5", _modern(Thinking.ALWAYS), _NEWEST_FABLE, "2027-06-09"),
    _large("claude-fable-5-1", _modern(Thinking.ALWAYS), _NEWEST_FABLE),
    _large(_NEWEST_FABLE, _modern(Thinking.ALWAYS), _NEWEST_OPUS),
    _large("claude-mythos-5", _modern(Thinking.ALWAYS), _NEWEST_MYTHOS),
    _large("claude-mythos-5-1", _modern(Thinking.ALWAYS), _NEWEST_MYTHOS),
    _large(_NEWEST_MYTHOS, _modern(Thinking.ALWAYS), _NEWEST_FABLE),
    # Its output limit is not known. It is deprecated since a day that no source names; the two
    # ends that were announced (2026-06-09, 2026-06-30) have passed, and it is listed all the same.
    Model(
        id="claude-mythos-preview",
        capabilities=_modern(Thinking.ALWAYS, max_output_tokens=None),
        context_tokens=1_000_000,
        deprecated="2026-06-09",
        successor=_NEWEST_MYTHOS,
    ),
)

RETIRED: Final = (
    *_retired(
        "2024-09-04",
        "2024-11-06",
        _HAIKU,
        # names since June 2023, and the variants with a context of 100k tokens
        *("claude-1", "claude-1-100k", "claude-1.0", "claude-1.1", "claude-1.2"),
        *("claude-1.3", "claude-1.3-100k"),
        *("claude-instant-1", "claude-instant-1-100k", "claude-instant-1.0", "claude-instant-1.1"),
        *("claude-instant-1.1-100k", "claude-instant-1.2"),
        # names of spring 2023
        *("claude-v1", "claude-v1-100k", "claude-v1.0", "claude-v1.1", "claude-v1.2"),
        *("claude-v1.3", "claude-v1.3-100k", "claude-instant-v1", "claude-instant-v1-100k"),
        *("claude-instant-v1.0", "claude-instant-v1.1", "claude-instant-v1.1-100k"),
        # names on Bedrock
        *("anthropic.claude-v1", "anthropic.claude-instant-v1"),
    ),
    *_retired(
        "2025-01-21",
        "2025-07-21",
        _OPUS,
        *("claude-2", "claude-2.0", "claude-2.1", "anthropic.claude-v2", "anthropic.claude-v2:1"),
    ),
    *_retired("2025-01-21", "2025-07-21", _SONNET, "claude-3-sonnet-20240229"),
    *_retired(
        "2025-08-13",
        "2025-10-28",
        _SONNET,
        *("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-latest"),
    ),
    *_retired("2025-06-30", "2026-01-05", _OPUS, "claude-3-opus-20240229", "claude-3-opus-latest"),
    *_retired(
        *("2025-10-28", "2026-02-19", _SONNET),
        *("claude-3-7-sonnet-20250219", "claude-3-7-sonnet-latest"),
    ),
    *_retired(
        *("2025-12-19", "2026-02-19", _HAIKU),
        *("claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
    ),
    *_retired("2026-02-19", "2026-04-20", _HAIKU, "claude-3-haiku-20240307"),
    *_retired(
        *("2026-04-14", "2026-06-15", _SONNET),
        *("claude-sonnet-4-20250514", "claude-sonnet-4-0", "claude-4-sonnet-20250514"),
    ),
    *_retired(
        *("2026-04-14", "2026-06-15", _OPUS),
        *("claude-opus-4-20250514", "claude-opus-4-0", "claude-4-opus-20250514"),
    ),
    *_retired("2026-06-05", "2026-08-05", _OPUS, "claude-opus-4-1-20250805", "claude-opus-4-1"),
)

KNOWN_MODELS: Final = Catalogue(models=(*LIVE, *RETIRED), newest=_NEWEST)

LEGACY_ALIASES: Final[dict[str, str]] = {
    # The legacy API answered a major version with the full version that it stood for. Only
    # pairs that a source names are listed: legacy-wire 2.2, 8.1.
    "claude-v1": "claude-v1.3",
    "claude-1": "claude-1.3",
    "claude-2": "claude-2.0",
    "claude-instant-1": "claude-instant-1.2",
}
"""Requested alias -> `model` in the response of the legacy API."""
