"""
Compare upstream's list of models (`GET /v1/models`) with our catalogue.

The list has no fields for prefill or sampling (messages-wire 5.3), so those
capabilities cannot be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from translators.errors import UpstreamProtocolError
from translators.models.catalogue import Catalogue, Model, Thinking


class Supported(msgspec.Struct, frozen=True):
    """The `{"supported": ...}` object at the leaves of the capabilities."""

    supported: bool = False


class ThinkingTypes(msgspec.Struct, frozen=True):
    """The settings of thinking that a model supports; absent ones may be left out."""

    disabled: Supported | None = None
    between_tools: Supported | None = None


class ThinkingCapability(msgspec.Struct, frozen=True):
    """A model's support for thinking."""

    supported: bool = False
    types: ThinkingTypes = ThinkingTypes()


class ListedCapabilities(msgspec.Struct, frozen=True):
    """The part of a listed model's capabilities that is compared."""

    thinking: ThinkingCapability | None = None


class ListedModel(msgspec.Struct, frozen=True):
    """A model as upstream lists it."""

    id: str
    lifecycle: str | None = None
    """`active`, `deprecated` or `retired`: what is so, whatever the dates say (corrections A4)."""
    deprecated_at: str | None = None
    retires_at: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: ListedCapabilities | None = None


class Listing(msgspec.Struct, frozen=True):
    """A page of the list."""

    data: tuple[ListedModel, ...]
    has_more: bool = False
    last_id: str | None = None


def decode_listing(body: bytes) -> Listing:
    """Decode a page of the list; raise `UpstreamProtocolError` if it is not valid."""
    try:
        return msgspec.json.decode(body, type=Listing)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UpstreamProtocolError(f"models: {exc}") from exc


def differences(known: Catalogue, listed: Iterable[ListedModel], today: str) -> list[str]:
    """Return a sentence for each difference between the catalogue and upstream's list."""
    listed = list(listed)
    meant = {one.id: known.find_in_any_spelling(one.id) for one in listed}
    names = {model.id for model in meant.values() if model} | meant.keys()
    changed = [sentence for one in listed for sentence in _differences(meant[one.id], one, today)]
    missing = [
        f"{model.id}: upstream does not list this model"
        for model in known.models
        if not model.is_retired(today) and names.isdisjoint({model.id, *model.aliases})
    ]
    return changed + missing


def _differences(known: Model | None, listed: ListedModel, today: str) -> Iterator[str]:
    if known is None:
        yield f"{listed.id}: upstream lists this model, our table does not"
        return
    believed = known.capabilities
    pairs = (
        ("max output tokens", believed.max_output_tokens, listed.max_tokens),
        ("context tokens", known.context_tokens, listed.max_input_tokens),
        ("retires", known.retires, _day(listed.retires_at)),
        ("deprecated", known.deprecated, _day(listed.deprecated_at)),
        ("lifecycle", known.status(today), listed.lifecycle),
    )
    for name, ours, theirs in pairs:
        if theirs is not None and ours != theirs:
            yield f"{listed.id}: {name} is {theirs} upstream, {ours or 'unknown'} in our table"
    if _contradicts(believed.thinking, listed):
        yield (
            f"{listed.id}: upstream's list contradicts thinking in our table ({believed.as_text()})"
        )


def _day(moment: str | None) -> str | None:
    return moment and moment[: len("2026-11-30")]


def _contradicts(believed: Thinking | None, listed: ListedModel) -> bool:
    thinking = listed.capabilities.thinking if listed.capabilities else None
    if believed is None or thinking is None or thinking.types.disabled is None:
        return False
    can_be_disabled = thinking.types.disabled.supported
    between_tools = thinking.types.between_tools
    possible = {Thinking.OFF, Thinking.ON} if can_be_disabled else {Thinking.ALWAYS}
    if between_tools is not None and between_tools.supported:
        possible = {Thinking.BETWEEN_TOOLS}
    return believed not in possible
