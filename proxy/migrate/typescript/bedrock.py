"""
Rewrite bodies for Bedrock, which AWS's SDK sends with an `InvokeModelCommand`.

They are rewritten for the same model, because that product has models of its own. The answer has to
be read as JSON in sight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from proxy.migrate.calls import Expression
from proxy.migrate.findings import Edit, Finding
from proxy.migrate.outcomes import CannotRewrite, Outcome, planned_whole
from proxy.migrate.planning import Target
from proxy.migrate.typescript.answers import AnswerFollower, AnswerUse
from proxy.migrate.typescript.arguments import (
    ArgumentReader,
    Entries,
    entries_in_sight,
    entries_of,
    write_entry,
)
from proxy.migrate.typescript.bodies import bodies_in, given_to, only_use, use_of_declared
from proxy.migrate.typescript.listed import BEDROCK_BODY, BEDROCK_REASON, BEDROCK_SHAPE
from proxy.migrate.typescript.nodes import Node, unwrapped, wrapped
from proxy.migrate.typescript.posts import MUST_READ, UNKNOWN, body_edits
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.writing import Writer

_COMMAND: Final = ("@aws-sdk/client-bedrock-runtime", "InvokeModelCommand")
_VERSION_NAME: Final = "anthropic_version"
_VERSION: Final = "bedrock-2023-05-31"
_ENCODERS: Final = frozenset({"JSON.stringify", "Buffer.from", "new TextEncoder().encode"})
_DECODERS: Final = frozenset({"Buffer.from", "String", "Uint8Array"})
_DECODING: Final = frozenset({"decode", "toString", "transformToString"})
_HARMLESS: Final = frozenset({"$metadata", "contentType"})


@dataclass(slots=True)
class BedrockOutcome(Outcome):
    """The outcome of a body for Bedrock."""

    body: Node
    command: Node
    """The expression that makes the command."""


class BedrockRewriter:
    """Rewrites the bodies for Bedrock of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self._reader = ArgumentReader(source)
        self._answers = AnswerFollower(source, self._reader.texts.quote)

    def rewrite(self) -> list[BedrockOutcome]:
        """Return an outcome for each body whose command is in sight."""
        return [
            self._try(BedrockOutcome(body, command))
            for body in bodies_in(self._source)
            if (command := self._command_of(body)) is not None
        ]

    def finding(self, outcome: BedrockOutcome) -> Finding:
        """Return what is said of a body."""
        return outcome.finding(
            line=self._source.line(outcome.body),
            column=self._source.column(outcome.body),
            end_line=self._source.line_at(outcome.body.end),
            shape=BEDROCK_SHAPE,
            code=lambda: BEDROCK_BODY,
        )

    def _command_of(self, body: Node) -> Node | None:
        """Follow a body to the command that is made with it, as JSON, and by names used once."""
        source, current = self._source, self._sent(body)
        if current is None:
            return None
        parent = current.parent
        assert parent is not None
        options = parent.parent if parent.kind == "pair" else parent
        entry = source.code(parent.named[0] if parent.kind == "pair" else current)
        if options is None or options.kind != "object" or entry != "body":
            return None
        made, _ = given_to(source, options) or (None, None)
        if made is None or made.kind != "new_expression":
            return None
        return made if source.origin(made.named[0]) == _COMMAND else None

    def _sent(self, body: Node) -> Node | None:
        """Follow a body to the entry of the options that is sent."""
        source, current = self._source, wrapped(body)
        while True:
            parent = current.parent
            assert parent is not None
            if parent.kind == "variable_declarator":
                used = use_of_declared(source, current, parent)
                if used is None:
                    return None
                current = used
            elif parent.kind == "arguments":
                call = parent.parent
                assert call is not None
                if source.code(call.named[0]) not in _ENCODERS or parent.named[1:]:
                    return None
                current = wrapped(call)
            else:
                return current

    def _try(self, outcome: BedrockOutcome) -> BedrockOutcome:
        try:
            self._rewrite(outcome)
        except CannotRewrite as exc:
            outcome.leave(str(exc))
        return outcome

    def _rewrite(self, outcome: BedrockOutcome) -> None:
        source = self._source
        entries = entries_of(source, outcome.body)
        asked = self._model(outcome.command)
        others = tuple(each for each in entries.listed if each.name != _VERSION_NAME)
        read = self._reader.read_call(replace(entries, listed=others))
        new = planned_whole(replace(read.call, model=Expression(source.code(asked))), self._target)
        outcome.call, outcome.new = read.call, new
        # The first says that the model is an expression; here it stays what it is.
        outcome.looks += [BEDROCK_REASON, *new.looks[1:]]
        edits = body_edits(source, self._target, replace(entries, listed=others), read, new)
        if _VERSION_NAME not in entries.names:
            edits.append(self._version(entries))
        use = AnswerUse(
            self._reader.texts.quote, began_with_space=new.began_with_space, is_json=True
        )
        for found in self._bytes_of(self._response(outcome.command)):
            self._follow_bytes(found, use)
        outcome.looks += use.looks
        outcome.edits = [*edits, *use.edits]

    def _model(self, command: Node) -> Node:
        options: Node | None = unwrapped(arguments_of(command)[0])
        if options is not None and options.kind == "identifier":
            options = self._source.value_of(options)
        assert options is not None  # it holds the body
        entries, is_whole = entries_in_sight(self._source, options)
        model = entries.get("modelId")
        if model is None or not is_whole:
            raise CannotRewrite("The command names no `modelId` in sight.")
        return model

    def _version(self, entries: Entries) -> Edit:
        """Return the edit that makes the version the first entry of a body."""
        source, start = self._source, entries.listed[0].start
        written = Writer(self._reader.texts.quote).string(_VERSION)
        entry = write_entry(_VERSION_NAME, written, entries.quote)
        own_line = source.begins_line(start)
        after = f",{source.newline}{source.indentation_at(start)}" if own_line else ", "
        return Edit(start, start, f"{entry}{after}")

    def _response(self, command: Node) -> Node:
        """Return the expression whose value is the response to a command."""
        source, sent = self._source, wrapped(command)
        if sent.parent is not None and sent.parent.kind == "variable_declarator":
            used = only_use(source, sent.parent.named[0])
            sent = sent if used is None else wrapped(used)
        arguments = sent.parent
        call = None if arguments is None or arguments.kind != "arguments" else arguments.parent
        if call is None or not source.code(call.named[0]).endswith(".send"):
            raise CannotRewrite("It cannot be told where the command is sent.")
        waiting = wrapped(call).parent
        if waiting is None or waiting.kind != "await_expression":
            raise CannotRewrite(UNKNOWN)
        return wrapped(waiting)

    def _bytes_of(self, response: Node) -> Iterator[Node]:
        """Yield the expressions whose value are the bytes in a response."""
        source, declared = self._source, response.parent
        if declared is None or declared.kind != "variable_declarator":
            yield from self._bytes_in(response)
            return
        pattern = declared.named[0]
        if source.value_of(pattern) is not None:
            for each in source.references(pattern):
                yield from self._bytes_in(each)
        elif [source.code(each) for each in pattern.named] == ["body"]:
            yield from source.references(pattern.named[0])
        else:
            raise CannotRewrite(UNKNOWN)

    def _bytes_in(self, use: Node) -> Iterator[Node]:
        """Yield the bytes that one use of a response takes out of it, if it does."""
        member = wrapped(use).parent
        name = ""
        if member is not None and member.kind == "member_expression":
            name = self._source.code(member.named[-1])
        if member is not None and name == "body":
            yield member
        elif name not in _HARMLESS:
            raise CannotRewrite(self._unknown(use))

    def _follow_bytes(self, node: Node, use: AnswerUse) -> None:
        """Follow the bytes of an answer, or their text, to where they are read as JSON."""
        source = self._source
        parent = wrapped(node).parent
        assert parent is not None
        call = parent.parent
        assert call is not None
        if parent.kind == "await_expression":
            self._follow_bytes(parent, use)
        elif parent.kind == "variable_declarator" and source.value_of(parent.named[0]) is not None:
            for each in source.references(parent.named[0]):
                self._follow_bytes(each, use)
        elif parent.kind == "arguments" and source.code(call.named[0]) == "JSON.parse":
            self._answers.follow_value(call, use)
        elif (parent.kind == "arguments" and self._decodes(call.named[0])) or (
            parent.kind == "member_expression"
            and source.code(parent.named[-1]) in _DECODING
            and call.kind == "call_expression"
        ):
            self._follow_bytes(call, use)
        else:
            raise CannotRewrite(self._unknown(node))

    def _decodes(self, function: Node) -> bool:
        code = self._source.code(function)
        return code in _DECODERS or code.rpartition(".")[2] in _DECODING

    def _unknown(self, node: Node) -> str:
        line = self._source.line(node)
        return f"It cannot be told what is done with the response in line {line}: {MUST_READ}"
