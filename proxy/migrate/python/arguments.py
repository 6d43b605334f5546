"""
The arguments of a call, or the entries of a dictionary that are its arguments.

    entries -> LegacyCall                (`read_call`)
    entries, NewCall -> edits of entries (`edit_entries`)

Each argument is edited in its place, so that order, comments and layout stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import libcst as cst

from proxy.migrate.calls import Expression, LegacyCall, NewCall
from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import CannotRead, known_value
from proxy.migrate.python.source import Source, called_name
from proxy.migrate.python.texts import ReadText, TextReader
from proxy.migrate.python.writing import Writer, entry
from proxy.migrate.text import Text, holes_in
from proxy.migrate.traits import NOT_SENT, CallTraits, Sampled, stops_of, words_of
from translators import UPSTREAM_VERSION

LEGACY: Final = frozenset(
    {"model", "prompt", "max_tokens_to_sample", "stop_sequences", "temperature", "top_k", "top_p"}
    | {"metadata", "stream", "tags", "disable_checks"}
)
OPTIONS: Final = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})
_NOT_GIVEN: Final = frozenset({"NOT_GIVEN", "not_given", "NotGiven"})
_KEY_AND_DEFAULT: Final = 2
_OUTSIDE: Final = re.compile(r"(?:os\.)?(?:environ\b|getenv\()|sys\.argv\b|input\(")
"""Begins an expression whose value, if there is one, is a string."""
_SIMPLE: Final = re.compile(r"[\w.]+")
_SAMPLING: Final = ("temperature", "top_p", "top_k")


@dataclass(frozen=True, slots=True)
class Entry:
    """An argument `name=value`, or an entry `"name": value`."""

    name: str
    value: cst.BaseExpression
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entries:
    """All arguments of a call, or all entries of a dictionary."""

    listed: tuple[Entry, ...]
    is_dictionary: bool = False

    def get(self, name: str) -> cst.BaseExpression | None:
        """Return the value of an entry, or None."""
        return next((each.value for each in self.listed if each.name == name), None)

    @property
    def names(self) -> frozenset[str]:
        """Names of all entries."""
        return frozenset(each.name for each in self.listed)


def entries_of(source: Source, node: cst.Call | cst.Dict) -> Entries:
    """Return the entries of a call or dictionary; raise `CannotRead` if some are not in sight."""
    listed: list[Entry] = []
    for each in node.args if isinstance(node, cst.Call) else node.elements:
        if isinstance(each, cst.Arg):
            if each.keyword is None:
                raise CannotRead("Some of its arguments are not in sight.")
            start, end = source.span(each.keyword)[0], source.span(each.value)[1]
            listed.append(Entry(each.keyword.value, each.value, start, end))
            continue
        if not isinstance(each, cst.DictElement) or not isinstance(each.key, cst.SimpleString):
            raise CannotRead("Some of its parameters are not in sight.")
        start, end = source.span(each.key)[0], source.span(each.value)[1]
        listed.append(Entry(str(each.key.evaluated_value), each.value, start, end))
    if len({each.name for each in listed}) != len(listed):
        raise CannotRead("A parameter is given twice.")
    return Entries(tuple(listed), isinstance(node, cst.Dict))


def entries_in_sight(source: Source, node: cst.Call | cst.Dict) -> tuple[Entries, bool]:
    """Return the entries whose values are certain, and if these are all that there are."""
    found: dict[str, Entry] = {}
    is_whole = True
    for each in node.args if isinstance(node, cst.Call) else node.elements:
        if isinstance(each, cst.Arg) and each.keyword is not None:
            start, end = source.span(each.keyword)[0], source.span(each.value)[1]
            found[each.keyword.value] = Entry(each.keyword.value, each.value, start, end)
        elif isinstance(each, cst.DictElement) and isinstance(each.key, cst.SimpleString):
            start, end = source.span(each.key)[0], source.span(each.value)[1]
            name = str(each.key.evaluated_value)
            found[name] = Entry(name, each.value, start, end)
        else:
            is_whole = False
            if isinstance(node, cst.Dict):
                found.clear()  # what comes later in a dictionary replaces what it has
    listed = tuple(found.values())
    return Entries(listed, isinstance(node, cst.Dict)), is_whole and "extra_body" not in found


def is_true(node: cst.CSTNode | None) -> bool:
    """Return True for the literal True."""
    return isinstance(node, cst.Name) and node.value == "True"


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A legacy call as it was read."""

    call: LegacyCall
    prompt: ReadText
    model_name: cst.Name | None = None
    """The name that the model was followed to its literal from."""
    default: cst.BaseExpression | None = None
    """The literal of a parameter's default, or of a look-up's, that the model was read from."""


class ArgumentReader:
    """Reads the arguments of legacy calls of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.texts = TextReader(source)

    def read_call(self, entries: Entries, *, stream: bool = False) -> ReadCall:
        """Read a legacy call; raise `CannotRead` if it cannot be told from the source."""
        value = entries.get("prompt")
        if value is None:
            raise CannotRead("prompt: field required. The legacy API refuses this call.")
        prompt = self.texts.read(value)
        self._check_comments(*self._source.span(prompt.node))
        for each in entries.listed:
            self._check_comments(each.start, each.end)
        node = entries.get("model")
        model, name = self._model(node)
        default = None
        if isinstance(model, Expression) and node is not None:
            default = self._default(node)
            model = model if default is None else self.texts.literal(default)
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
            stream=stream or self._streams(entries.get("stream")),
            unknown=tuple(
                each.name for each in entries.listed if each.name not in LEGACY | OPTIONS
            ),
        )
        return ReadCall(call, prompt, name, default)

    def _check_comments(self, start: int, end: int) -> None:
        """Refuse to write anew what has comments in it, which would be lost."""
        comment = self._source.comment_in(start, end)
        if comment is not None:
            raise CannotRead(
                f"The comment in line {self._source.line(comment)} stands between the parts of "
                "what must be written anew, and would be lost."
            )

    def known(self, node: cst.Call | cst.Dict, *, stream: bool = False) -> CallTraits:
        """Return what arguments say of the requests, be they of a call that cannot be read."""
        entries, is_whole = entries_in_sight(self._source, node)
        limit = entries.get("max_tokens_to_sample")
        tokens = None if limit is None else self._fixed_number(limit)
        return CallTraits(
            model=self._model(entries.get("model"))[0],
            max_tokens=None if tokens is None or tokens % 1 else int(tokens),
            limit=None
            if limit is None or self._followed_number(limit) is not None
            else Expression(self._source.code(limit)),
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
            stream=stream
            or known_value(entries.get("stream"), self._streams, missing=False, is_whole=is_whole),
            words=known_value(entries.get("prompt"), self._words, missing=(), is_whole=True) or (),
        )

    def _sampled(self, node: cst.BaseExpression) -> Sampled:
        return NOT_SENT if self._is_absent(node) else self._fixed_number(node)

    def _fixed_number(self, node: cst.BaseExpression) -> float | None:
        value = self._source.value_of(node) if isinstance(node, cst.Name) else None
        return self._followed_number(value or node)

    def _known_stops(self, node: cst.BaseExpression) -> tuple[str | None, ...] | None:
        stops = self._stops(node)
        return () if stops is None else stops_of(stops)

    def _words(self, node: cst.BaseExpression) -> tuple[str, ...]:
        return words_of(self.texts.read(node).text)

    def without_default(self, read: ReadCall, entries: Entries) -> ReadCall:
        """Return a call whose model is what its expression is, whatever that defaults to."""
        node = entries.get("model")
        assert node is not None
        call = replace(read.call, model=Expression(self._source.code(node)))
        return replace(read, call=call, default=None)

    def _model(
        self, node: cst.BaseExpression | None
    ) -> tuple[str | Expression | None, cst.Name | None]:
        if node is None:
            return None, None
        if (literal := self.texts.literal(node)) is not None:
            return literal, None
        if isinstance(node, cst.Name):
            value = self._source.value_of(node)
            if value is not None and (literal := self.texts.literal(value)) is not None:
                return literal, node
        return Expression(self._source.code(node)), None

    def _default(self, node: cst.BaseExpression) -> cst.BaseExpression | None:
        """Return the literal that a parameter, or a look-up in the environment, defaults to."""
        if isinstance(node, cst.Name):
            found = self._source.assignments(node)
            parameter = getattr(found[0], "node", None) if len(found) == 1 else None
            if isinstance(parameter, cst.Param):
                node = parameter.default or node
            elif (value := self._source.value_of(node)) is not None:
                node = value
        if (
            isinstance(node, cst.Call)
            and called_name(node) in {"get", "getenv"}
            and "env" in self._source.code(node.func)
            and len(node.args) == _KEY_AND_DEFAULT
        ):
            node = node.args[1].value
        is_literal = isinstance(node, cst.SimpleString)
        return node if is_literal and self.texts.literal(node) else None

    def _stops(self, node: cst.BaseExpression | None) -> tuple[Text, ...] | Expression | None:
        if node is None or self._is_absent(node):
            return None
        if isinstance(node, cst.Name):
            value = self._source.value_of(node)
            is_fixed = isinstance(value, cst.Tuple) or all(
                self._is_only_given(each) for each in self._source.references(node)
            )
            node = value if isinstance(value, cst.List | cst.Tuple) and is_fixed else node
        if isinstance(node, cst.List | cst.Tuple):
            if all(isinstance(each, cst.Element) for each in node.elements):
                return tuple(self.texts.read(each.value).text for each in node.elements)
        elif (literal := self.texts.literal(node)) is not None:
            return ((literal,),)
        return Expression(self._source.code(node))

    def _is_only_given(self, node: cst.CSTNode) -> bool:
        """Return True if a list is an argument here, and not one of what might change it."""
        parent = self._source.parent(node)
        if isinstance(parent, cst.Arg):
            return parent.keyword is not None and parent.keyword.value == "stop_sequences"
        return isinstance(parent, cst.DictElement)

    def _number(self, node: cst.BaseExpression | None) -> float | Expression | None:
        if node is None or self._is_absent(node):
            return None
        found = self._followed_number(node)
        return Expression(self._source.code(node)) if found is None else found

    def _sent_number(self, node: cst.BaseExpression | None) -> float | Expression | None:
        """Return a number; raise `CannotRead` for a string, which only the legacy API took."""
        if node is not None:
            value = self._source.value_of(node) if isinstance(node, cst.Name) else None
            value = value or node
            if self.texts.is_string(value) or _OUTSIDE.match(self._source.code(value)):
                raise CannotRead(
                    f"`{self._source.code(node)}` is a string where it is set, and the Messages "
                    "API takes none for a number: write `int(...)` or `float(...)`."
                )
        return self._number(node)

    def _integer(self, node: cst.BaseExpression | None) -> int | Expression | None:
        found = self._sent_number(node)
        if isinstance(found, float):
            raise CannotRead("A whole number is written with a fraction.")
        return found

    def _followed_number(self, node: cst.BaseExpression) -> float | None:
        sign = 1
        if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
            sign, node = -1, node.expression
        if isinstance(node, cst.Integer | cst.Float):
            return sign * node.evaluated_value
        return None

    def _streams(self, node: cst.BaseExpression | None) -> bool:
        if node is None or self._is_absent(node):
            return False
        if is_true(node):
            return True
        if isinstance(node, cst.Name) and node.value == "False":
            return False
        raise CannotRead(
            f"Whether the answer is streamed depends on `{self._source.code(node)}`: there are two "
            "ways to read it."
        )

    def _metadata(self, node: cst.BaseExpression | None) -> tuple[Text | None, Expression | None]:
        if node is None or self._is_absent(node):
            return None, None
        if isinstance(node, cst.Dict):
            entries = entries_of(self._source, node)
            if entries.names == {"user_id"}:
                return self.texts.read(entries.listed[0].value).text, None
            raise CannotRead("The metadata has more than a user id.")
        return None, Expression(self._source.code(node))

    def _is_absent(self, node: cst.BaseExpression) -> bool:
        name = node.attr.value if isinstance(node, cst.Attribute) else None
        name = node.value if isinstance(node, cst.Name) else name
        return name == "None" or name in _NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How the new arguments are written."""

    writer: Writer
    sdk: int
    streams: bool = False
    """True if the call itself says that it streams: `messages.stream`."""
    unit: str = "    "
    is_wire: bool = False
    """True for the body of a request, which no SDK builds."""
    in_place: str | None = None
    """The name that holds the content of the only message, if the text stays where it is."""
    list_in_place: bool = False
    """True if `in_place` names the whole list of messages."""
    keeps_model: bool = False
    """True if the model is rewritten where its name is assigned."""


def edit_entries(source: Source, entries: Entries, new: NewCall, style: Style) -> list[Edit]:
    """Return the edits that make the arguments of a legacy call those of the new call."""
    first = entries.listed[0]
    indent = source.indentation_at(first.start)
    replaced = _replacements(source, entries, new, style, indent)
    kept: list[tuple[Entry, str]] = []
    edits: list[Edit] = []
    listed = entries.listed
    for index, each in enumerate(listed):
        written = replaced.get(each.name)
        if written is None:
            kept.append((each, source.text[each.start : each.end]))
        elif written:
            own_line = source.begins_line(each.start) and not any(
                other.start > each.start and source.line_at(other.start) == source.line_at(each.end)
                for other in listed
            )
            separator = (
                f",{source.newline}{source.indentation_at(each.start)}" if own_line else ", "
            )
            text = separator.join(written)
            edits.append(Edit(each.start, each.end, text))
            kept.append((each, text))
        elif (lines := _own_lines(source, each, listed[max(index - 1, 0) : index + 2])) is not None:
            edits.append(lines)
        elif index + 1 < len(listed):
            edits.append(Edit(each.start, listed[index + 1].start, ""))
        else:
            last = kept[-1][0]
            edits = [edit for edit in edits if edit.start <= last.start]
            edits.append(Edit(last.end, each.end, ""))
    return edits


def _own_lines(source: Source, entry: Entry, near: tuple[Entry, ...]) -> Edit | None:
    """Return the edit that takes out the lines of an entry, if comments stand around it."""
    if source.comment_in(near[0].end, near[-1].start) is None:
        return None
    first, last = source.line_at(entry.start), source.line_at(entry.end)
    rest = source.text[entry.end : source.start_of_line(last + 1)]
    if not source.begins_line(entry.start) or rest.lstrip(", \t")[:1] not in {"#", "\n", "\r"}:
        return None
    return Edit(source.start_of_line(first), source.start_of_line(last + 1), "")


def _replacements(
    source: Source, entries: Entries, new: NewCall, style: Style, indent: str
) -> dict[str, list[str]]:
    """Return what each legacy entry is replaced by; one that is missing stays as it is."""

    def write(name: str, value: str) -> str:
        return entry(name, value, is_dictionary=entries.is_dictionary)

    writer = style.writer
    newline = source.newline
    extra: list[str] = []
    replaced: dict[str, list[str]] = {}
    prompt: list[str] = []
    if new.system is not None:
        prompt.append(write("system", writer.text(new.system)))
    prompt.append(write("messages", messages(new, style, indent, newline)))
    if isinstance(new.model, str) and not style.keeps_model:
        replaced["model"] = [write("model", writer.string(new.model))]
    replaced["max_tokens_to_sample"] = [write("max_tokens", _tokens(writer, new))]
    stops = [_stop(writer, stop) for stop in new.stop_sequences]
    written_stops = [write("stop_sequences", f"[{', '.join(stops)}]")] if stops else []
    if "stop_sequences" in entries.names:
        replaced["stop_sequences"] = written_stops
    else:
        extra += written_stops
    for name in ("tags", "disable_checks"):
        replaced[name] = []
    replaced["stream"] = [] if style.streams or not new.stream else [write("stream", "True")]
    if new.metadata is None and new.user_id is None:
        replaced["metadata"] = []
    if new.thinking is not None:
        extra.append(write("thinking", f'{{"type": "{new.thinking}"}}'))
    if new.effort is not None:
        extra.append(write("output_config", f'{{"effort": "{new.effort}"}}'))
    if new.needs_timeout and not style.is_wire and "timeout" not in entries.names:
        extra.append(write("timeout", "600"))
    _replace_sampling(entries, new, style, replaced)
    replaced["prompt"] = [*prompt, *extra]
    return {name: written for name, written in replaced.items() if name in entries.names}


def _tokens(writer: Writer, new: NewCall) -> str:
    tokens = writer.value(new.max_tokens)
    if not new.extra_tokens:
        return tokens
    return f"{tokens if _SIMPLE.fullmatch(tokens) else f'({tokens})'} + {new.extra_tokens}"


def _replace_sampling(
    entries: Entries, new: NewCall, style: Style, replaced: dict[str, list[str]]
) -> None:
    values = {
        name: style.writer.value(value)
        for name, value in (
            ("temperature", new.temperature),
            ("top_p", new.top_p),
            ("top_k", new.top_k),
        )
        if value is not None
    }
    for name in _SAMPLING:
        if name not in values:
            replaced[name] = []
    if not values or style.sdk == 0 or style.is_wire:
        return
    # The newest SDKs have no such parameters; an older version of the API does (messages-wire 1.7).
    if {"extra_body", "extra_headers"} & entries.names:
        raise CannotRead(
            "The newest SDKs take sampling parameters only in `extra_body`, with `extra_headers` "
            f"that name the version {UPSTREAM_VERSION}; the call has some already."
        )
    body = ", ".join(f'"{name}": {value}' for name, value in values.items())
    written = [
        entry(
            "extra_headers",
            f'{{"anthropic-version": "{UPSTREAM_VERSION}"}}',
            is_dictionary=entries.is_dictionary,
        ),
        entry("extra_body", f"{{{body}}}", is_dictionary=entries.is_dictionary),
    ]
    first, *others = [each.name for each in entries.listed if each.name in values]
    replaced[first] = written
    for name in others:
        replaced[name] = []


def _stop(writer: Writer, stop: Text) -> str:
    literal = "".join(part for part in stop if isinstance(part, str))
    return writer.text(stop) if holes_in(stop) else writer.string(literal)


def messages(new: NewCall, style: Style, indent: str, newline: str) -> str:
    """Write the list of messages, or the name that holds it."""
    writer = style.writer
    if style.in_place is not None and style.list_in_place:
        return style.in_place
    if style.in_place is not None:
        return f'[{{"role": "user", "content": {style.in_place}}}]'
    written = [
        f'{{"role": "{message.role}", "content": {writer.text(message.text)}}}'
        for message in new.messages
    ]
    if len(written) == 1:
        return f"[{written[0]}]"
    inner = f"{newline}{indent}{style.unit}"
    return f"[{inner}{f',{inner}'.join(written)},{newline}{indent}]"
