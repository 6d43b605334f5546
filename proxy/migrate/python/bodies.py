"""
Rewrite requests that a program builds itself: posts to `/v1/complete`, and bodies for Bedrock.

A post is rewritten if address, headers and body are in sight and the answer is read as JSON. A
body for Bedrock is rewritten for the same model, because that product has models of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import libcst as cst

from proxy.migrate.calls import Expression, NewCall
from proxy.migrate.findings import Edit, Finding
from proxy.migrate.outcomes import (
    CannotRewrite,
    Outcome,
    fail_where_changes_meet,
    planned,
    planned_whole,
)
from proxy.migrate.planning import Target
from proxy.migrate.python.answers import AnswerUse, follow_data, outermost
from proxy.migrate.python.arguments import (
    ArgumentReader,
    Entries,
    ReadCall,
    Style,
    edit_entries,
    entries_of,
)
from proxy.migrate.python.by_hand import arguments_to_write
from proxy.migrate.python.sites import maker_of
from proxy.migrate.python.source import Source, called_name, keys_of
from proxy.migrate.python.writing import Writer
from proxy.migrate.traits import CallTraits
from translators import UPSTREAM_VERSION

_PATH: Final = "/v1/complete"
_NEW_PATH: Final = "/v1/messages"
_FOR_BEDROCK: Final = "a body for Bedrock"
_BEDROCK_VERSION: Final = "bedrock-2023-05-31"
_NO_ADDRESS: Final = (
    f"The address of the request is not in sight: its path must become `{_NEW_PATH}`."
)
_UNSENT: Final = (
    "It cannot be told from here where the body is sent: it must be one of the Messages API, and "
    f"go to `{_NEW_PATH}`."
)
_MUST_READ: Final = "what reads `completion` of its JSON must read the text of the content blocks."
_CLIENTS: Final = frozenset({"httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession"})
_HARMLESS: Final = frozenset({"raise_for_status", "status_code", "ok", "headers", "elapsed"})
_JSON_OPTIONS: Final = frozenset({"json", "data", "content"})


@dataclass(slots=True)
class BodyOutcome(Outcome):
    """The outcome of the body of a request."""

    node: cst.Dict
    shape: str
    read: ReadCall | None = None


def bodies_of(
    source: Source, target: Target, taken: frozenset[int]
) -> tuple[list[Finding], list[Edit]]:
    """Return what is found of bodies, but for `taken`, which are those of SDK calls."""
    rewriter = _Bodies(source, target)
    outcomes = [
        rewriter.outcome(node)
        for node in source.nodes
        if isinstance(node, cst.Dict) and id(node) not in taken and _is_body(node)
    ]
    fail_where_changes_meet(outcomes, source.line_at)
    findings = [
        replace(_finding(source, each, target), traits=rewriter.traits(each)) for each in outcomes
    ]
    return findings, [edit for each in outcomes for edit in each.edits]


def _is_body(node: cst.Dict) -> bool:
    return {"prompt", "max_tokens_to_sample"} <= keys_of(node)


class _Bodies:
    """Rewrites the bodies of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self._reader = ArgumentReader(source)

    def outcome(self, node: cst.Dict) -> BodyOutcome:
        """Try to rewrite one body."""
        known = self._reader.known(node)
        outcome = BodyOutcome(node, "the body of a legacy request", known=known)
        try:
            call, argument = self._sender(node)
            if called_name(call) == "invoke_model":
                outcome.shape = _FOR_BEDROCK
                self._rewrite_bedrock(node, call, outcome)
            elif called_name(call) == "post":
                outcome.shape = "a post to /v1/complete"
                self._rewrite_post(node, call, argument, outcome)
            else:
                raise CannotRewrite(_UNSENT)
        except CannotRewrite as exc:
            outcome.leave(str(exc))
        return outcome

    def traits(self, outcome: BodyOutcome) -> CallTraits | None:
        """Return what is certain of the requests; nothing of a dictionary that may be changed."""
        if outcome.shape == _FOR_BEDROCK:
            return None
        parent = self._source.parent(outcome.node)
        target = parent.targets[0].target if isinstance(parent, cst.Assign) else None
        is_used_once = target is None or (
            isinstance(target, cst.Name) and len(self._source.references(target)) <= 1
        )
        if outcome.known is None or not is_used_once:
            return CallTraits()
        try:
            _, argument = self._sender(outcome.node)
        except CannotRewrite:
            return outcome.known.of_a_part()
        is_sent = argument.keyword is not None and argument.keyword.value in _JSON_OPTIONS
        return outcome.known if is_sent else outcome.known.of_a_part()

    def _sender(self, node: cst.BaseExpression) -> tuple[cst.Call, cst.Arg]:
        """Follow a body to the call that sends it: as it is, by `json.dumps`, by a name or two."""
        current: cst.BaseExpression = node
        while True:
            parent = self._source.parent(current)
            if isinstance(parent, cst.Assign) and isinstance(parent.targets[0].target, cst.Name):
                name = parent.targets[0].target
                if self._source.value_of(name) is not current:
                    raise CannotRewrite(f"`{name.value}` is assigned more than once.")
                references = self._source.references(name)
                if len(references) != 1:
                    raise CannotRewrite(f"`{name.value}` is not used in one place.")
                current = references[0]
                continue
            call = self._source.parent(parent) if isinstance(parent, cst.Arg) else None
            encoded = self._source.parent(parent) if isinstance(parent, cst.Attribute) else None
            if isinstance(encoded, cst.Call) and called_name(encoded) == "encode":
                current = encoded
            elif isinstance(call, cst.Call) and called_name(call) == "dumps":
                current = call
            elif isinstance(call, cst.Call) and isinstance(parent, cst.Arg):
                return call, parent
            else:
                raise CannotRewrite(_UNSENT)

    def _planned(self, entries: Entries, outcome: BodyOutcome) -> NewCall:
        read = self._reader.read_call(entries)
        new = planned_whole(read.call, self._target)
        outcome.read, outcome.call, outcome.new = read, read.call, new
        outcome.looks += new.looks
        return new

    def _body_edits(self, entries: Entries, outcome: BodyOutcome) -> list[Edit]:
        assert outcome.new is not None
        assert outcome.read is not None
        prompt = outcome.read.prompt
        style = Style(
            writer=Writer(prompt.quotes, self._target.encoding),
            sdk=self._target.sdk,
            unit=self._source.tree.default_indent,
            is_wire=True,
        )
        edits: list[Edit] = []
        name, content = prompt.name, outcome.new.content
        if (
            name is not None
            and content is not None
            and self._source.references(name) == [entries.get("prompt")]
        ):
            style = replace(style, in_place=name.value)
            span = self._source.span(prompt.node)
            edits.append(Edit(*span, style.writer.text(content)))
        elif name is not None and (content is None or self._source.references(name)[1:]):
            raise CannotRewrite(f"`{name.value}` is put together elsewhere, and used elsewhere.")
        return [*edits, *edit_entries(self._source, entries, outcome.new, style)]

    def _rewrite_post(
        self, node: cst.Dict, call: cst.Call, argument: cst.Arg, outcome: BodyOutcome
    ) -> None:
        if argument.keyword is None or argument.keyword.value not in _JSON_OPTIONS:
            raise CannotRewrite("It cannot be told how the body is sent.")
        address = self._address(call)
        entries = entries_of(self._source, node)
        self._planned(entries, outcome)
        edits = [address, *self._version(call), *self._body_edits(entries, outcome)]
        use = AnswerUse(
            is_json=True,
            may_be_error=not self._raises(call),
            began_with_space=outcome.new is None or outcome.new.began_with_space,
        )
        self._follow_response(call, use)
        outcome.looks += use.looks
        outcome.edits = [*edits, *use.edits]

    def _address(self, call: cst.Call) -> Edit:
        """Return the edit of the address, which must be a literal, or a name used only here."""
        first = next(
            (arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == "url"),
            None,
        )
        if isinstance(first, cst.Name):
            value = self._source.value_of(first)
            if value is not None and self._source.references(first) != [first]:
                raise CannotRewrite(
                    f"The address `{first.value}` is used elsewhere, too: its path must become "
                    f"`{_NEW_PATH}` where this request is made."
                )
            first = value
        if not isinstance(first, cst.SimpleString | cst.FormattedString):
            raise CannotRewrite(_NO_ADDRESS)
        start, end = self._source.inner_span(first)
        text = self._source.text[start:end]
        at = text.rfind(_PATH)
        if at < 0 or text[at + len(_PATH) : at + len(_PATH) + 1] not in {'"', "'", "?"}:
            raise CannotRewrite(_NO_ADDRESS)
        is_hole = isinstance(first, cst.FormattedString) and isinstance(
            first.parts[0], cst.FormattedStringExpression
        )
        if "://" not in text[:at] and not is_hole and not self._has_base(call):
            raise CannotRewrite(
                "The address is one of the program's own server, which has to change with it, or "
                f"its client is not in sight: its path must become `{_NEW_PATH}`."
            )
        return Edit(start + at, start + at + len(_PATH), _NEW_PATH)

    def _has_base(self, call: cst.Call) -> bool:
        """Return True if a request is made by a client that is made for another server."""
        client = call.func.value if isinstance(call.func, cst.Attribute) else None
        maker = None if client is None else maker_of(self._source, client)
        made = None if maker is None else self._source.qualified(maker.func)
        keywords = {arg.keyword.value for arg in maker.args if arg.keyword} if maker else set()
        return made in _CLIENTS and "base_url" in keywords

    def _version(self, call: cst.Call) -> Iterator[Edit]:
        """Yield the edit that makes the headers name the version of the Messages API."""
        value = next(
            (arg.value for arg in call.args if arg.keyword and arg.keyword.value == "headers"),
            None,
        )
        if isinstance(value, cst.Name):
            if len(self._source.references(value)) > 1:
                raise CannotRewrite(f"The headers `{value.value}` are used elsewhere, too.")
            value = self._source.value_of(value)
        if not isinstance(value, cst.Dict) or not value.elements:
            raise CannotRewrite(
                f"The headers are not in sight: they must have `anthropic-version: "
                f"{UPSTREAM_VERSION}`."
            )
        for each in value.elements:
            if not isinstance(each, cst.DictElement) or not isinstance(each.key, cst.SimpleString):
                continue
            if str(each.key.evaluated_value).lower() != "anthropic-version":
                continue
            if not isinstance(each.value, cst.SimpleString):
                raise CannotRewrite(f"The version in the headers must be {UPSTREAM_VERSION}.")
            if each.value.evaluated_value != UPSTREAM_VERSION:
                yield Edit(*self._source.span(each.value), f'"{UPSTREAM_VERSION}"')
            return
        last = value.elements[-1]
        end = self._source.span(last.value)[1]
        yield Edit(end, end, f', "anthropic-version": "{UPSTREAM_VERSION}"')

    def _raises(self, call: cst.Call) -> bool:
        """Return True if a response is said to raise an exception in place of an error."""
        around = self._source.function(call) or self._source.tree
        return "raise_for_status" in self._source.code(around)

    def _follow_response(self, call: cst.Call, use: AnswerUse) -> None:
        """Follow the response of a post to its JSON, and that to the answer's text."""
        source = self._source
        whole = outermost(source, call)
        parent = source.parent(whole)
        name: cst.BaseExpression | None = None
        if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
            name = parent.targets[0].target
        elif isinstance(parent, cst.WithItem) and parent.asname is not None:
            name = parent.asname.name
        if name is None:
            self._follow_response_use(whole, use)
            return
        if not isinstance(name, cst.Name) or len(source.assignments(name)) != 1:
            raise CannotRewrite(f"It cannot be told what is done with the response: {_MUST_READ}")
        for node in source.references(name):
            self._follow_response_use(node, use)

    def _follow_response_use(self, node: cst.CSTNode, use: AnswerUse) -> None:
        source = self._source
        parent = source.parent(node)
        if isinstance(parent, cst.Attribute) and parent.value is node:
            method = parent.attr.value
            called = source.parent(parent)
            if method == "json" and isinstance(called, cst.Call):
                follow_data(source, called, use)
                return
            if method in _HARMLESS:
                return
            if method in {"text", "content"} and any(
                isinstance(each, cst.Raise) for each in source.ancestors(node)
            ):
                return  # errors look alike
            loads = source.parent(source.parent(parent) or parent)
            if method in {"text", "content"} and isinstance(loads, cst.Call):
                if called_name(loads) == "loads":
                    follow_data(source, loads, use)
                    return
                if called_name(loads) == "print":
                    use.looks.append(
                        f"The response is printed in line {source.line(loads)}; a message looks "
                        "different."
                    )
                    return
        raise CannotRewrite(
            f"It cannot be told what is done with the response in line {source.line(node)}: "
            f"{_MUST_READ}"
        )

    def _rewrite_bedrock(self, node: cst.Dict, call: cst.Call, outcome: BodyOutcome) -> None:
        entries = entries_of(self._source, node)
        model = next(
            (arg.value for arg in call.args if arg.keyword and arg.keyword.value == "modelId"),
            None,
        )
        if model is None:
            raise CannotRewrite("The call names no `modelId`.")
        others = tuple(each for each in entries.listed if each.name != "anthropic_version")
        read = self._reader.read_call(Entries(others, is_dictionary=True))
        legacy = replace(read.call, model=Expression(self._source.code(model)))
        new = planned(legacy, self._target)
        outcome.read, outcome.call, outcome.new = read, read.call, new
        outcome.looks.append(
            "Bedrock is another product: the body is that of the Messages API for the same model; "
            "name one that Bedrock serves to you."
        )
        outcome.looks += new.looks[1:]
        edits = self._body_edits(Entries(others, is_dictionary=True), outcome)
        start = others[0].start
        if "anthropic_version" not in entries.names:
            own_line = self._source.begins_line(start)
            indent = self._source.indentation_at(start)
            after = f",{self._source.newline}{indent}" if own_line else ", "
            first = f'"anthropic_version": "{_BEDROCK_VERSION}"{after}'
            edits = [
                Edit(edit.start, edit.end, first + edit.text)
                if edit.start == start and edit.text
                else edit
                for edit in edits
            ]
            if not any(edit.start == start and edit.text.startswith(first) for edit in edits):
                edits.append(Edit(start, start, first))
        use = AnswerUse(is_json=True, began_with_space=new.began_with_space)
        self._follow_bedrock(call, use)
        outcome.looks += use.looks
        outcome.edits = [*edits, *use.edits]

    def _follow_bedrock(self, call: cst.Call, use: AnswerUse) -> None:
        """Follow `json.loads(response["body"].read())` to the answer's text."""
        source = self._source
        parent = source.parent(call)
        if not isinstance(parent, cst.Assign) or not isinstance(parent.targets[0].target, cst.Name):
            raise CannotRewrite(f"It cannot be told what is done with the response: {_MUST_READ}")
        name = parent.targets[0].target
        if len(source.assignments(name)) != 1:
            raise CannotRewrite(f"It cannot be told what is done with the response: {_MUST_READ}")
        for node in source.references(name):
            loads = next(
                (
                    each
                    for each in source.ancestors(node)
                    if isinstance(each, cst.Call) and called_name(each) == "loads"
                ),
                None,
            )
            if loads is None:
                raise CannotRewrite(
                    f"It cannot be told what is done with the response in line {source.line(node)}:"
                    f" {_MUST_READ}"
                )
            follow_data(source, loads, use)


def example_body(
    target: Target,
    new: NewCall | None = None,
    known: CallTraits | None = None,
    *,
    is_for_bedrock: bool = False,
) -> str:
    """Return the body to write by hand, as far as it is known."""
    lines = ["{"]
    if is_for_bedrock:
        lines.append(f'    "anthropic_version": "{_BEDROCK_VERSION}",')
    lines += [
        f'    "{name}": {value},{comment}'
        for name, value, comment in arguments_to_write(new, known, target)
        if not (is_for_bedrock and name == "model")
    ]
    return "\n".join(
        [
            *lines,
            "}"
            if is_for_bedrock
            else f"}}  # to {_NEW_PATH}, anthropic-version {UPSTREAM_VERSION}",
            'text = "".join(block["text"] for block in answer["content"] if block["type"] == '
            '"text")',
        ]
    )


def _finding(source: Source, outcome: BodyOutcome, target: Target) -> Finding:
    start, end = source.span(outcome.node)
    return outcome.finding(
        line=source.line_at(start),
        column=source.column_at(start),
        end_line=source.line_at(end),
        shape=outcome.shape,
        code=lambda: example_body(
            target, outcome.new, outcome.known, is_for_bedrock=outcome.shape == _FOR_BEDROCK
        ),
    )
