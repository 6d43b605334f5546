"""
Rewrite LangChain.js's `ChatAnthropic`, whose old class asks the legacy API, to the newest.

The old one is that of `langchain/chat_models/anthropic`. That of `@langchain/anthropic` has asked
the Messages API since 0.0.9, so that only names and models of old are rewritten there. The old
objects of a file change together, and with the packages that they are used with, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.migrate.calls import Expression, LegacyCall, NewCall
from proxy.migrate.elsewhere import RETIRED_MODEL
from proxy.migrate.findings import Finding
from proxy.migrate.outcomes import (
    CannotRewrite,
    Outcome,
    fail_together,
    fail_where_changes_meet,
    planned,
)
from proxy.migrate.planning import Target
from proxy.migrate.typescript.langchain_conversations import conversation_edits
from proxy.migrate.typescript.langchain_options import OptionReader, Options
from proxy.migrate.typescript.langchain_packages import (
    CLASS,
    LEGACY,
    OWN,
    loaded_modules,
    package_edits,
)
from proxy.migrate.typescript.langchain_uses import ObjectFollower
from proxy.migrate.typescript.nodes import Node
from proxy.migrate.typescript.rest import finding_at
from proxy.migrate.typescript.source import Source

_OWN_CLASSES: Final = frozenset({CLASS, "ChatAnthropicMessages"})
_FUNCTIONS: Final = "langchain/experimental/chat_models/anthropic_functions"
_SHAPE: Final = "ChatAnthropic of LangChain"
_ENDS: Final = ("/chat_models/anthropic", "/chat_models/anthropic.js")
_INSTALL: Final = (
    "The newest `@langchain/anthropic` and `@langchain/core` must be installed; they take no "
    "objects of older packages of LangChain, and those take none of theirs."
)
_NEWEST: Final = (
    "Models of today refuse what older versions of `@langchain/anthropic` send by themselves: the "
    "newest must be installed, with the newest `@langchain/core`."
)
_ASKS: Final = (
    "The old class asks the legacy API; that of `@langchain/anthropic` does not, and wants the "
    "newest packages of LangChain wherever it is used."
)
_CODE: Final = """\
import {{ ChatAnthropic }} from "@langchain/anthropic";

const llm = new ChatAnthropic({{ {options} }});
const {{ text }} = await llm.invoke(prompt);"""


@dataclass(slots=True)
class LangchainOutcome(Outcome):
    """The outcome of an object of `ChatAnthropic`."""

    options: Options


class LangchainRewriter:
    """Rewrites the objects of `ChatAnthropic` of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self._reader = OptionReader(source, target)
        self._follower = ObjectFollower(source)
        self._holders: frozenset[int] = frozenset()
        """Identities of the objects that hold options."""

    def rewrite(self, examined: Sequence[Node]) -> list[LangchainOutcome]:
        """Return an outcome for each object; other legacy calls are in the nodes `examined`."""
        outcomes = [
            LangchainOutcome(options)
            for node in self._source.nodes
            if node.kind == "new_expression" and (options := self._options(node)) is not None
        ]
        for each in outcomes:
            self._try(each, self._read)
        holders = [each.options.node for each in outcomes if each.options.node is not None]
        self._holders = frozenset(map(id, holders))
        for each in outcomes:
            self._try(each, self._rewrite)
        self._change_packages(
            [each for each in outcomes if not each.options.is_own], [*holders, *examined]
        )
        fail_where_changes_meet(outcomes, self._source.line_at)
        fail_together(outcomes, [self._source.line(each.options.made) for each in outcomes])
        return outcomes

    def finding(self, outcome: LangchainOutcome) -> Finding:
        """Return what is said of an object."""
        source, made = self._source, outcome.options.made
        return outcome.finding(
            line=source.line(made),
            column=source.column(made),
            end_line=source.line_at(made.end),
            shape=_SHAPE,
            code=lambda: self._code(outcome),
        )

    def others(self, outcomes: Sequence[LangchainOutcome]) -> list[Finding]:
        """Return what is found of LangChain's classes beside objects."""
        source = self._source
        findings = [
            finding_at(
                source,
                node,
                "AnthropicFunctions of LangChain",
                "It asks the legacy API for functions in the words of a prompt; `ChatAnthropic` of "
                "`@langchain/anthropic` takes tools by `bindTools`.",
            )
            for node in source.nodes
            if node.kind == "new_expression"
            and (source.origin(node.named[0]) or ("", ""))[0] == _FUNCTIONS
        ]
        findings += [
            finding_at(source, node, _SHAPE, _ASKS, self._example())
            for node in source.nodes
            if node.kind == "new_expression" and self._is_from_elsewhere(node)
        ]
        if any(not each.options.is_own for each in outcomes):
            return findings
        return findings + [
            finding_at(source, each.path, _SHAPE, _ASKS, self._example())
            for each in loaded_modules(source)
            if self._is_legacy_class(each.module, each.place)
        ]

    def _is_legacy_class(self, module: str, place: Node | None) -> bool:
        """Return True if a module has no other classes, or the old one is taken out of it."""
        code = "" if place is None else self._source.code(place)
        return module in LEGACY and (module != "langchain/chat_models" or CLASS in code)

    def _is_from_elsewhere(self, node: Node) -> bool:
        """Return True for the old class by an address, or by a file of its package."""
        module, name = self._source.origin(node.named[0]) or ("", "")
        is_old = name == CLASS and "langchain/" in module and module not in LEGACY
        return is_old and module.endswith(_ENDS)

    def _options(self, made: Node) -> Options | None:
        """Return options to be read, if an object is of the old class or has options of old."""
        source = self._source
        module, name = source.origin(made.named[0]) or ("", "")
        if module in LEGACY:
            return Options(made, is_own=False) if name == CLASS else None
        if module != OWN or name not in _OWN_CLASSES:
            return None
        model = self._reader.known(made).model
        is_live = not isinstance(model, str) or RETIRED_MODEL.fullmatch(model) is None
        if is_live and "maxTokensToSample" not in self._reader.names(made):
            return None
        return Options(made, is_own=True, is_live=is_live)

    def _try(self, outcome: LangchainOutcome, step: Callable[[LangchainOutcome], None]) -> None:
        if outcome.reason:
            return
        try:
            step(outcome)
        except CannotRewrite as exc:
            outcome.leave(str(exc))

    def _read(self, outcome: LangchainOutcome) -> None:
        options = outcome.options
        outcome.known = self._reader.known(options.made)
        if not options.is_own:
            outcome.keys.add(CLASS)
        call = self._reader.read(options)
        if options.is_live:
            outcome.new = self._renamed(call)
            return
        outcome.call, outcome.new = call, planned(call, self._target)

    def _renamed(self, call: LegacyCall) -> NewCall:
        """Return the same requests, for options of which only the names are old."""
        model = call.model or Expression("")
        assert call.max_tokens_to_sample is not None
        return NewCall(
            model=model,
            max_tokens=call.max_tokens_to_sample,
            messages=(),
            temperature=call.temperature,
            top_k=call.top_k,
            top_p=call.top_p,
        )

    def _rewrite(self, outcome: LangchainOutcome) -> None:
        options, new = outcome.options, outcome.new
        assert new is not None
        edits = self._reader.edits(options, new, self._holders)
        if options.is_live:
            outcome.edits = edits
            return
        if options.is_own:
            use = self._follower.renamed(options.made)
        else:
            use = self._follower.follow(options.made)
        outcome.looks += [*options.looks, *new.looks, *use.looks]
        outcome.looks += [_NEWEST if options.is_own else _INSTALL]
        outcome.edits = [*edits, *use.edits]

    def _change_packages(self, old: list[LangchainOutcome], apart: list[Node]) -> None:
        """Rewrite what else the old objects need; their file is rewritten whole or not at all."""
        if not old or any(each.reason for each in old):
            return
        try:
            edits = package_edits(self._source, self._follower.chains)
            old[0].edits += [*edits, *conversation_edits(self._source, apart)]
        except CannotRewrite as exc:
            for each in old:
                each.leave(str(exc))

    def _code(self, outcome: LangchainOutcome) -> str:
        """Return the object to write by hand, as far as it is known."""
        if outcome.new is None:
            return self._example()
        try:
            written = self._reader.written(outcome.options, outcome.new)
        except CannotRewrite:
            return self._example()
        return _CODE.format(options=", ".join(written))

    def _example(self) -> str:
        return _CODE.format(options=f'model: "{self._target.example_model}", maxTokens: 300')
