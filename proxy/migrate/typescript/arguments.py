"""
The entries of an object that are the arguments of a call, or the body of a request.

    entries -> LegacyCall                (`read_call`)
    entries, NewCall -> edits of entries (`edit_entries`)

Each entry is edited in its place, so that order, comments and layout stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.migrate.calls import Expression, LegacyCall, NewCall
from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import CannotRead, known_value
from proxy.migrate.text import Text, holes_in
from proxy.migrate.traits import NOT_SENT, CallTraits, Sampled, stops_of, words_of
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node, unwrapped
from proxy.migrate.typescript.source import Source, default_of
from proxy.migrate.typescript.texts import ReadText, TextReader
from proxy.migrate.typescript.writing import Writer

LEGACY: Final = frozenset(
    {"model", "prompt", "max_tokens_to_sample", "stop_sequences", "temperature", "top_k", "top_p"}
    | {"metadata", "stream", "tags"}
)
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_SEPARATOR: Final = re.compile(r"\s*,(?:[^\S\n]*//[^\n]*)?\s*")
_COMMA: Final = re.compile(r"\s*,")
_READING: Final = frozenset({"length", "includes", "indexOf", "map", "filter", "some", "join"})
_GIVING: Final = frozenset({"pair", "spread_element", "export_specifier"})
_SIMPLE: Final = re.compile(r"[\w$.]+")
_OUTSIDE: Final = re.compile(r"(?:process\.env|import\.meta\.env|process\.argv)\b")
"""Begins an expression whose value, if there is one, is a string."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry `name: value` of an object, or `name` alone."""

    name: str
    value: Node
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entries:
    """All entries of an object."""

    listed: tuple[Entry, ...]
    node: Node
    quote: str = ""
    """The quote of its keys, if they have one."""

    def get(self, name: str) -> Node | None:
        """Return the value of an entry, or None."""
        return next((each.value for each in self.listed if each.name == name), None)

    @property
    def names(self) -> frozenset[str]:
        """Names of all entries."""
        return frozenset(each.name for each in self.listed)


def keys_of(source: Source, node: Node) -> frozenset[str]:
    """Return the keys of an object that are in sight."""
    return frozenset(each.name for each in _entries(source, node) if isinstance(each, Entry))


def entries_of(source: Source, node: Node) -> Entries:
    """Return the entries of an object; raise `CannotRead` if some are not in sight."""
    listed: list[Entry] = []
    for each in _entries(source, node):
        if isinstance(each, Node):
            raise CannotRead(
                f"Some of its parameters are not in sight: `{source.code(each)}` in line "
                f"{source.line(each)}."
            )
        listed.append(each)
    if len({each.name for each in listed}) != len(listed):
        raise CannotRead("A parameter is given twice.")
    first = source.text[listed[0].start] if listed else ""
    return Entries(tuple(listed), node, first if first in {'"', "'"} else "")


def entries_in_sight(source: Source, node: Node) -> tuple[Entries, bool]:
    """Return the entries whose values are certain, and if these are all that there are."""
    found: dict[str, Entry] = {}
    is_whole = True
    for each in _entries(source, node):
        if isinstance(each, Entry):
            found[each.name] = each
        else:
            is_whole = False
            found.clear()  # what comes later in an object replaces what it has
    return Entries(tuple(found.values()), node), is_whole


def _entries(source: Source, node: Node) -> list[Entry | Node]:
    found: list[Entry | Node] = []
    for each in node.named:
        if each.kind == "shorthand_property_identifier":
            found.append(Entry(source.code(each), each, *each.span))
            continue
        key = each.named[0] if each.kind == "pair" else each
        name = string_value(source.text, key)
        if key.kind == "property_identifier":
            name = source.code(key)
        found.append(each if name is None else Entry(name, each.named[-1], *each.span))
    return found


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A legacy call as it was read."""

    call: LegacyCall
    prompt: ReadText
    model: Node | None = None
    """The literal that the model was followed to, by a name or to what it is by default."""
    has_default: bool = False
    """True if that is only a default."""


class ArgumentReader:
    """Reads the arguments of legacy calls of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.texts = TextReader(source)

    def read_call(self, entries: Entries) -> ReadCall:
        """Read a legacy call; raise `CannotRead` if it cannot be told from the source."""
        value = entries.get("prompt")
        if value is None:
            raise CannotRead("prompt: field required. The legacy API refuses this call.")
        return self.read_parameters(entries, self.texts.read(value))

    def read_parameters(self, entries: Entries, prompt: ReadText) -> ReadCall:
        """Read a legacy call whose prompt is put together elsewhere."""
        model, node, has_default = self._model(entries.get("model"))
        user_id, metadata = self._metadata(entries.get("metadata"))
        call = LegacyCall(
            model=model,
            prompt=prompt.text,
            max_tokens_to_sample=self._integer(entries.get("max_tokens_to_sample")),
            stop_sequences=self._stops(entries.get("stop_sequences")),
            temperature=self._sent_number(entries.get("temperature")),
            top_k=self._integer(entries.get("top_k")),
            top_p=self._sent_number(entries.get("top_p")),
            user_id=user_id,
            metadata=metadata,
            stream=self._streams(entries.get("stream")),
            unknown=tuple(each.name for each in entries.listed if each.name not in LEGACY),
        )
        return ReadCall(call, prompt, node, has_default)

    def known(self, node: Node) -> CallTraits:
        """Return what parameters say of the requests, be they of a call that cannot be read."""
        return self.known_of(*entries_in_sight(self._source, node))

    def known_of(self, entries: Entries, is_whole: bool) -> CallTraits:
        """Return what entries say of the requests; `is_whole` if there are no others."""
        asked = entries.get("model")
        model, _, has_default = self._model(asked)
        if asked is not None and has_default:
            model = Expression(self._source.code(asked))
        limit = entries.get("max_tokens_to_sample")
        tokens = None if limit is None else self._fixed_number(limit)
        is_written = limit is None or not isinstance(self._number(limit), Expression)
        return CallTraits(
            model=model,
            max_tokens=None if tokens is None or tokens % 1 else int(tokens),
            limit=None if limit is None or is_written else Expression(self._source.code(limit)),
            temperature=known_value(
                entries.get("temperature"), self._sampled, missing=NOT_SENT, is_whole=is_whole
            ),
            top_p=known_value(
                entries.get("top_p"), self._sampled, missing=NOT_SENT, is_whole=is_whole
            ),
            top_k=known_value(
                entries.get("top_k"), self._sampled, missing=NOT_SENT, is_whole=is_whole
            ),
            stops=known_value(
                entries.get("stop_sequences"), self._known_stops, missing=(), is_whole=is_whole
            ),
            stream=known_value(
                entries.get("stream"), self._streams, missing=False, is_whole=is_whole
            ),
            words=known_value(entries.get("prompt"), self._words, missing=(), is_whole=True) or (),
        )

    def _sampled(self, node: Node) -> Sampled:
        return NOT_SENT if self._is_absent(node) else self._fixed_number(node)

    def _fixed_number(self, node: Node) -> float | None:
        found = self._number(self._source.value_of(unwrapped(node)) or node)
        return None if isinstance(found, Expression) else found

    def _known_stops(self, node: Node) -> tuple[str | None, ...] | None:
        stops = self._stops(node)
        return () if stops is None else stops_of(stops)

    def _words(self, node: Node) -> tuple[str, ...]:
        return words_of(self.texts.read(node).text)

    def _model(self, node: Node | None) -> tuple[str | Expression | None, Node | None, bool]:
        """Return the model, the literal that it was followed to, and if that is a default."""
        if node is None:
            return None, None, False
        inner = unwrapped(node)
        if (literal := string_value(self._source.text, inner)) is not None:
            return literal, None, False
        value = self._source.value_of(inner)
        if value is not None and (literal := string_value(self._source.text, value)) is not None:
            return literal, value, False
        default = self._default(inner if value is None else unwrapped(value))
        if default is not None:
            return string_value(self._source.text, default), default, True
        return Expression(self._source.code(node)), None, False

    def _default(self, node: Node) -> Node | None:
        """Return the literal of `other || "literal"`, or that a parameter is by default."""
        found: Node | None = None
        if node.kind == "binary_expression" and self._source.code(node.children[1]) in {"||", "??"}:
            found = node.named[-1]
        binding = self._source.binding(node)
        if binding is not None and binding.kind == "parameter" and not binding.writes:
            found = default_of(binding) or found
        if found is None or string_value(self._source.text, found) is None:
            return None
        return found

    def _stops(self, node: Node | None) -> tuple[Text, ...] | Expression | None:
        if node is None or self._is_absent(node):
            return None
        named = self._source.value_of(node)
        if named is not None:
            self._check_unchanged(node)
        value = unwrapped(named or node)
        if value.kind == "array" and all(each.kind != "spread_element" for each in value.named):
            return tuple(self.texts.read(each).text for each in value.named)
        return Expression(self._source.code(node))

    def _check_unchanged(self, name: Node) -> None:
        """Refuse a list that is changed where it is, or handed to what may change it."""
        for each in self._source.references(name):
            parent = each.parent
            assert parent is not None
            is_read = (
                parent.kind == "member_expression"
                and self._source.code(parent.named[-1]) in _READING
            )
            is_given = each.kind == "shorthand_property_identifier" or parent.kind in _GIVING
            if not is_read and not is_given:
                raise CannotRead(
                    f"`{self._source.code(name)}` may be changed in line {self._source.line(each)}."
                )

    def _number(self, node: Node | None) -> float | Expression | None:
        if node is None or self._is_absent(node):
            return None
        code = self._source.code(node).replace("_", "")
        try:
            return float(code) if "." in code or "e" in code else int(code)
        except ValueError:
            return Expression(self._source.code(node))

    def _sent_number(self, node: Node | None) -> float | Expression | None:
        """Return a number; raise `CannotRead` for a string, which only the legacy API took."""
        if node is not None:
            value = unwrapped(self._source.value_of(unwrapped(node)) or node)
            is_literal = string_value(self._source.text, value) is not None
            if is_literal or _OUTSIDE.match(self._source.code(value)):
                raise CannotRead(
                    f"`{self._source.code(node)}` is a string where it is set, and the Messages "
                    "API takes none for a number: write `Number(...)`."
                )
        return self._number(node)

    def _integer(self, node: Node | None) -> int | Expression | None:
        found = self._sent_number(node)
        if isinstance(found, float):
            raise CannotRead("A whole number is written with a fraction.")
        return found

    def _streams(self, node: Node | None) -> bool:
        if node is None or self._is_absent(node) or unwrapped(node).kind == "false":
            return False
        if unwrapped(node).kind == "true":
            return True
        raise CannotRead(
            f"Whether the answer is streamed depends on `{self._source.code(node)}`: there are two "
            "ways to read it."
        )

    def _metadata(self, node: Node | None) -> tuple[Text | None, Expression | None]:
        if node is None or self._is_absent(node):
            return None, None
        if node.kind == "object":
            entries = entries_of(self._source, node)
            if entries.names == {"user_id"}:
                text = self.texts.read(entries.listed[0].value).text
                return text, None
            raise CannotRead("The metadata has more than a user id.")
        return None, Expression(self._source.code(node))

    def _is_absent(self, node: Node) -> bool:
        return self._source.code(node) == "undefined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How the new entries are written."""

    writer: Writer
    sdk: int = 1
    unit: str = "  "
    is_wire: bool = False
    """True for the body of a request, which no SDK builds."""
    is_const: bool = False
    """True if TypeScript would take a role for any string, because no parameter expects it."""
    in_place: str | None = None
    """The name that holds the content of the only message, if the text stays where it is."""
    list_in_place: bool = False
    """True if `in_place` names the whole list of messages."""
    keeps_model: bool = False
    """True if the model is rewritten where its literal is."""


def edit_entries(source: Source, entries: Entries, new: NewCall, style: Style) -> list[Edit]:
    """Return the edits that make the entries of a legacy call those of the new call."""
    return replace_entries(source, entries, _replacements(source, entries, new, style))


def replace_entries(
    source: Source, entries: Entries, replaced: Mapping[str, list[str]]
) -> list[Edit]:
    """
    Return the edits that write entries anew, each as those that `replaced` has for its name.

    One that it does not have stays, one with an empty list is taken out; not all may be.
    """
    edits: list[Edit] = []
    listed = entries.listed
    kept: Entry | None = None
    for index, each in enumerate(listed):
        written = replaced.get(each.name)
        if written is None:
            kept = each
        elif written:
            own_line = source.begins_line(each.start) and not any(
                other.start > each.start and source.line_at(other.start) == source.line_at(each.end)
                for other in listed
            )
            indent = source.indentation_at(each.start)
            separator = f",{source.newline}{indent}" if own_line else ", "
            edits.append(Edit(each.start, each.end, separator.join(written)))
            kept = each
        elif index + 1 < len(listed):
            # A comment in a line of its own belongs to what follows.
            found = _SEPARATOR.match(source.text, each.end)
            end = listed[index + 1].start if found is None else found.end()
            edits.append(Edit(each.start, end, ""))
        else:
            assert kept is not None  # not all are taken out
            last = kept
            if "/" in source.text[last.end : each.start] and listed[index - 1] is last:
                edits.append(_without_last(source, each))
                continue
            edits = [edit for edit in edits if edit.start <= last.start]
            edits.append(Edit(last.end, each.end, ""))
    return edits


def _without_last(source: Source, entry: Entry) -> Edit:
    """Take out the last entry, and leave the comment before it."""
    start = len(source.text[: entry.start].rstrip())
    comma = _COMMA.match(source.text, entry.end)
    return Edit(start, entry.end if comma is None else comma.end(), "")


def write_entry(name: str, value: str, quote: str) -> str:
    """Write an entry of an object."""
    return f"{quote}{name}{quote}: {value}"


def _replacements(
    source: Source, entries: Entries, new: NewCall, style: Style
) -> dict[str, list[str]]:
    """Return what each legacy entry is replaced by; one that is missing stays as it is."""

    def write(name: str, value: str) -> str:
        return write_entry(name, value, entries.quote)

    writer = style.writer
    suffix = " as const" if style.is_const else ""
    prompt: list[str] = []
    if new.system is not None:
        prompt.append(write("system", writer.text(new.system)))
    indent = source.indentation_at(entries.listed[0].start)
    prompt.append(write("messages", messages(new, style, indent, source.newline)))
    replaced: dict[str, list[str]] = {}
    if isinstance(new.model, str) and not style.keeps_model:
        quote = source.text[(entries.get("model") or entries.node).start]
        model = Writer(quote if quote in {'"', "'"} else writer.quote).string(new.model)
        replaced["model"] = [write("model", model)]
    tokens = writer.value(new.max_tokens)
    asked = source.code(entries.get("max_tokens_to_sample") or entries.node)
    tokens = asked if asked.replace("_", "") == tokens else tokens
    if new.extra_tokens:
        tokens = f"{tokens if _SIMPLE.fullmatch(tokens) else f'({tokens})'} + {new.extra_tokens}"
    replaced["max_tokens_to_sample"] = [write("max_tokens", tokens)]
    stops = ", ".join(_stop(writer, stop) for stop in new.stop_sequences)
    written_stops = [write("stop_sequences", f"[{stops}]")] if stops else []
    if "stop_sequences" in entries.names:
        replaced["stop_sequences"] = written_stops
    else:
        prompt += written_stops
    replaced["tags"] = []
    if new.metadata is None and new.user_id is None:
        replaced["metadata"] = []
    if new.thinking is not None:
        value = f"{writer.string(new.thinking)}{suffix}"
        prompt.append(write("thinking", f"{{ type: {value} }}"))
    if new.effort is not None:
        value = f"{writer.string(new.effort)}{suffix}"
        prompt.append(write("output_config", f"{{ effort: {value} }}"))
    _replace_sampling(entries, new, style, replaced)
    replaced["prompt"] = prompt
    return replaced


def _replace_sampling(
    entries: Entries, new: NewCall, style: Style, replaced: dict[str, list[str]]
) -> None:
    values = {"temperature": new.temperature, "top_p": new.top_p, "top_k": new.top_k}
    sent = [name for name in _SAMPLING if values[name] is not None]
    for name in _SAMPLING:
        if name not in sent:
            replaced[name] = []
    if style.sdk == 0 or style.is_wire:
        return
    # The newest SDKs have no such parameters; an older version of the API does (messages-wire 1.7).
    # What is spread is sent, and TypeScript lets it pass.
    body = ", ".join(f"{name}: {style.writer.value(values[name])}" for name in sent)
    given = [each.name for each in entries.listed if each.name in sent]
    for name in given:
        replaced[name] = [f"...{{ {body} }}"] if name == given[0] else []


def _stop(writer: Writer, stop: Text) -> str:
    literal = "".join(part for part in stop if isinstance(part, str))
    return writer.text(stop) if holes_in(stop) else writer.string(literal)


def messages(new: NewCall, style: Style, indent: str, newline: str) -> str:
    """Write the list of messages, or the name that holds it."""
    writer = style.writer
    if style.in_place is not None and style.list_in_place:
        return style.in_place
    suffix = " as const" if style.is_const else ""
    contents = [(each.role, style.in_place or writer.text(each.text)) for each in new.messages]
    written = [
        f"{{ role: {writer.string(role)}{suffix}, content: {content} }}"
        for role, content in contents
    ]
    if len(written) == 1:
        return f"[{written[0]}]"
    inner = f"{newline}{indent}{style.unit}"
    return f"[{inner}{f',{inner}'.join(written)},{newline}{indent}]"
