"""
The options of LangChain's `ChatAnthropic`: what its objects ask for, and the newest class's own.

The old class sent what it was not told as well: 2,048 tokens, a stop sequence, a model of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.migrate.calls import Expression, LegacyCall, NewCall
from proxy.migrate.elsewhere import RETIRED_MODEL
from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import CannotRead, CannotRewrite
from proxy.migrate.planning import Target
from proxy.migrate.text import Text
from proxy.migrate.traits import CallTraits
from proxy.migrate.typescript.answers import is_exported
from proxy.migrate.typescript.arguments import (
    ArgumentReader,
    Entries,
    Entry,
    ReadCall,
    entries_in_sight,
    entries_of,
    keys_of,
    replace_entries,
    write_entry,
)
from proxy.migrate.typescript.langchain_answers import TOKENS_LOOK
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node, unwrapped
from proxy.migrate.typescript.sdk import CLIENT_OPTIONS
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.texts import ReadText
from proxy.migrate.typescript.writing import Writer

_OLD_MODEL: Final = "claude-2"
_OLD_TOKENS: Final = 2_048
_PROMPT: Final[Text] = ("\n\nHuman: Hello\n\nAssistant:",)
"""Stands for what the object is asked, which is made of messages."""
_ON_WIRE: Final = {
    "modelName": "model",
    "model": "model",
    "maxTokensToSample": "max_tokens_to_sample",
    "maxTokens": "max_tokens_to_sample",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
    "stopSequences": "stop_sequences",
}
_SAMPLING: Final = frozenset({"temperature", "topK", "topP"})
_RENAMED: Final = {
    "modelName": "model",
    "maxTokensToSample": "maxTokens",
    "anthropicApiKey": "apiKey",
}
_KNOWN: Final = (
    (frozenset(_ON_WIRE) - {"model", "maxTokens"})
    | {"anthropicApiKey", "anthropicApiUrl", "streaming", "verbose", "maxRetries"}
    | {"maxConcurrency", "callbacks", "tags", "metadata", "clientOptions", "invocationKwargs"}
)
"""Options of the old class that the newest has, too, if by another name."""
_CHANGED: Final = frozenset({"cache", "callbackManager", "onFailedAttempt"})
_NEWEST: Final = frozenset(
    {"model", "apiKey", "maxTokens", "thinking", "outputConfig", "contextManagement", "betas"}
    | {"createClient", "streamUsage", "inferenceGeo", "disableStreaming", "outputVersion", "name"}
)
_UNSURE: Final = frozenset({"identifier", "member_expression", "subscript_expression"})
_LONG: Final = (
    "So many tokens take a timeout, or `streaming: true`: the newest class does not wait for them."
)
_ANY_TEXT: Final = re.compile(r"\b(?:any|string)\b")
"""Is in the code of a type that every model is of."""
_SIMPLE: Final = re.compile(r"[\w$.?\[\]\"']+")


@dataclass(slots=True)
class Options:
    """The options of one object, as they were read."""

    made: Node
    """The expression that makes the object."""
    is_own: bool
    """True for the class of the package `@langchain/anthropic`, which asks the Messages API."""
    is_live: bool = False
    """True for such an object whose model is none of the retired: only an option's name is old."""
    node: Node | None = None
    """The object that holds the options; None if there are none."""
    entries: Entries | None = None
    read: ReadCall | None = None
    looks: list[str] = field(default_factory=list)

    def get(self, name: str) -> Node | None:
        """Return the value of an option, or None."""
        return None if self.entries is None else self.entries.get(name)

    @property
    def names(self) -> frozenset[str]:
        """Names of all options."""
        return frozenset() if self.entries is None else self.entries.names


class OptionReader:
    """Reads and rewrites the options of the objects of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self._reader = ArgumentReader(source)
        self._writer = Writer(self._reader.texts.quote)

    def known(self, made: Node) -> CallTraits:
        """Return what the options say of requests, be they all in sight or not."""
        node = self._node(made)
        if node is None:
            return CallTraits()
        entries, _ = entries_in_sight(self._source, node)
        # What is missing is not known: the old class sends it as well, or a call gives it.
        return self._reader.known_of(_on_wire(entries), is_whole=False)

    def names(self, made: Node) -> frozenset[str]:
        """Return the names of options that are in sight."""
        node = self._node(made)
        return frozenset() if node is None else keys_of(self._source, node)

    def read(self, options: Options) -> LegacyCall:
        """Read the options as a legacy call; raise `CannotRewrite` if they cannot be."""
        options.node = self._node(options.made)
        given = arguments_of(options.made)
        if given and (options.node is None or len(given) > 1):
            raise CannotRead(f"Its options are not in sight: `{self._source.code(given[0])}`.")
        if options.node is not None:
            if options.node is not unwrapped(given[0]):
                self._check_name(unwrapped(given[0]))
            self._check_cast(options.node)
            options.entries = entries_of(self._source, options.node)
        self._check_options(options)
        entries = options.entries or Entries((), options.made)
        asked = _on_wire(entries)
        if len(asked.names) < len(asked.listed):
            raise CannotRead("An option is given by two names.")
        if options.is_own:
            listed = tuple(each for each in asked.listed if each.name != "stop_sequences")
            asked = replace(asked, listed=listed)
        read = self._reader.read_parameters(asked, ReadText(_PROMPT, options.made))
        options.read = read
        call = replace(read.call, stream=self._is_true(options.get("streaming")))
        if "max_tokens_to_sample" not in asked.names:
            call = replace(call, max_tokens_to_sample=_OLD_TOKENS)
        elif call.max_tokens_to_sample is None:
            raise CannotRead("How many tokens it asks for is `undefined`.")
        if "model" not in asked.names and not options.is_own:
            options.looks.append(
                f"It named no model: LangChain asked for {_OLD_MODEL}, and before 0.0.139 for "
                "claude-v1."
            )
            call = replace(call, model=_OLD_MODEL)
        return call

    def edits(self, options: Options, new: NewCall, used: frozenset[int]) -> list[Edit]:
        """Return the edits that make options those of the new class; `used` are all objects."""
        if new.needs_timeout:
            raise CannotRewrite(_LONG)
        source, entries = self._source, options.entries
        names = {"maxTokensToSample": "maxTokens"} if options.is_live else _RENAMED
        replaced, edits = ({}, []) if options.is_live else self._replaced(options, new, used)
        added = self._added(options, new)
        if entries is None or not entries.listed:
            return [*edits, self._written_anew(options, added)]
        for each in entries.listed:
            if each.name in names and each.name not in replaced:
                name = names[each.name]
                value = source.code(each.value)
                written = write_entry(name, value, entries.quote)
                replaced[each.name] = [name if value == name else written]
        if added:
            kept = [each for each in entries.listed if replaced.get(each.name) != []]
            anchor = (kept or entries.listed)[0]
            itself = source.text[anchor.start : anchor.end]
            replaced[anchor.name] = [*replaced.get(anchor.name, [itself]), *added]
        return [*edits, *replace_entries(source, entries, replaced)]

    def written(self, options: Options, new: NewCall) -> list[str]:
        """Return the options of the new class as a person would write them, without keys."""
        replaced, _ = self._replaced(options, new, frozenset())
        found: list[str] = []
        for each in () if options.entries is None else options.entries.listed:
            name = _RENAMED.get(each.name, each.name)
            value = self._source.code(each.value)
            if name == "apiKey" and each.value.kind in {"string", "template_string"}:
                value = "process.env.ANTHROPIC_API_KEY"
            found += replaced.get(each.name, [write_entry(name, value, "")])
        # A call may give stop sequences of its own, which two cannot.
        stops = write_entry("stopSequences", self._stops(new), "")
        return [*found, *(each for each in self._added(options, new) if each != stops)]

    def _node(self, made: Node) -> Node | None:
        given = arguments_of(made)
        if not given:
            return None
        value = unwrapped(given[0])
        if value.kind == "identifier":
            value = unwrapped(self._source.value_of(value) or value)
        return value if value.kind == "object" else None

    def _check_name(self, name: Node) -> None:
        """Refuse options by a name that something else uses, or that has a type."""
        source = self._source
        binding = source.binding(name)
        assert binding is not None
        if len(binding.references) > 1 or is_exported(binding.node):
            raise CannotRewrite(f"`{source.code(name)}` is used elsewhere, too.")
        declared = binding.node.parent
        if declared is not None and declared.child("type_annotation") is not None:
            raise CannotRewrite(f"The type of `{source.code(name)}` must become the new class's.")

    def _check_cast(self, node: Node) -> None:
        """Refuse options that are said to be of a type, which is that of the old class."""
        cast = node.parent
        if cast is not None and cast.kind in {"as_expression", "satisfies_expression"}:
            type_ = self._source.code(cast.children[-1])
            if type_ not in {"any", "const"}:
                raise CannotRewrite(f"The type `{type_}` must become that of the newest class.")

    def _check_options(self, options: Options) -> None:
        if options.is_own:
            return
        for name in sorted(options.names - _KNOWN):
            if name in _CHANGED:
                raise CannotRewrite(f"`{name}` has another form, or none, in the newest class.")
            if name in _NEWEST:
                raise CannotRewrite(
                    f"`{name}` is no option of the old class, which did without it: decide what the"
                    " newest is told."
                )
            options.looks.append(f"`{name}` is an option of neither class, and ignored by both.")
        if "callbacks" in options.names:
            options.looks.append(TOKENS_LOOK)
        client = options.get("clientOptions")
        if client is not None and (
            client.kind != "object"
            or not {each.name for each in entries_of(self._source, client).listed} <= CLIENT_OPTIONS
            or "anthropic-" in self._source.code(client)
        ):
            raise CannotRewrite("`clientOptions` may be those of an older SDK.")
        more = options.get("invocationKwargs")
        if more is not None and (
            more.kind != "object"
            or {each.name for each in entries_of(self._source, more).listed} - {"metadata"}
        ):
            raise CannotRewrite(
                "`invocationKwargs` are sent as they are, and those of the Messages API are others."
            )

    def _is_true(self, node: Node | None) -> bool:
        return node is not None and unwrapped(node).kind == "true"

    def _replaced(
        self, options: Options, new: NewCall, used: frozenset[int]
    ) -> tuple[dict[str, list[str]], list[Edit]]:
        """Return what becomes of options, and edits of literals that are elsewhere."""
        entries = options.entries
        if entries is None:
            return {}, []
        replaced: dict[str, list[str]] = {}
        edits: list[Edit] = []
        for each in entries.listed:
            name, wire = _RENAMED.get(each.name, each.name), _ON_WIRE.get(each.name)
            value: str | None = None
            if wire == "model":
                value, more = self._model(options, each, new, used)
                edits += more
            elif wire == "max_tokens_to_sample":
                value = self._tokens(each, new, is_old=not options.is_own)
            elif each.name in _SAMPLING and getattr(new, _ON_WIRE[each.name]) is None:
                replaced[each.name] = []
            elif wire == "stop_sequences" and not options.is_own:
                value = self._stops(new)
            if value is not None and value != self._source.code(each.value):
                written = write_entry(name, value, entries.quote)
                replaced[each.name] = [name if value == name else written]
        return replaced, edits

    def _model(
        self, options: Options, entry: Entry, new: NewCall, used: frozenset[int]
    ) -> tuple[str, list[Edit]]:
        """Return the model as it is written in the options, and the edit of a literal elsewhere."""
        source, read = self._source, options.read
        assert read is not None
        code, literal = source.code(entry.value), read.model
        if not isinstance(new.model, str):
            if any(self._is_retired(each) for each in entry.value.walk()):
                raise CannotRewrite(f"`{code}` is one of several models: give each its object.")
            # Nothing is put in the place of an unknown model that may not take what is sampled by.
            is_unsure = unwrapped(entry.value).kind in _UNSURE and not options.is_own
            is_unsure = is_unsure and options.names.isdisjoint(_SAMPLING)
            default = self._writer.string(self._target.model_for(_OLD_MODEL))
            return (f"{code} ?? {default}" if is_unsure else code), []
        node = entry.value if literal is None else literal
        quote = source.text[unwrapped(node).start]
        model = Writer(quote if quote in {'"', "'"} else self._reader.texts.quote).string(new.model)
        if literal is None:
            return model, []
        self._check_type_of(literal)
        if read.has_default:
            options.looks.append(
                "The model is only a default, which now is one of today; whoever names another must"
                " name one of today, too."
            )
        if entry.start <= literal.start and literal.end <= entry.end:
            start = literal.start - entry.value.start
            return f"{code[:start]}{model}{code[start + literal.end - literal.start :]}", []
        is_only = self._is_only_used(entry.value, used)
        if read.has_default and not is_only:
            raise CannotRewrite(f"`{code}` is used elsewhere too, and a retired model by default.")
        return (code, [Edit(*literal.span, model)]) if is_only else (model, [])

    def _check_type_of(self, literal: Node) -> None:
        """Refuse a model in the place of one whose declared type may be a list of old ones."""
        declared = literal.parent
        annotation = None if declared is None else declared.child("type_annotation")
        if annotation is not None and not _ANY_TEXT.search(self._source.code(annotation)):
            type_ = self._source.code(annotation.named[0])
            raise CannotRewrite(f"The type `{type_}` may not have a model of today.")

    def _is_retired(self, node: Node) -> bool:
        text = string_value(self._source.text, node)
        return text is not None and RETIRED_MODEL.fullmatch(text) is not None

    def _is_only_used(self, name: Node, used: frozenset[int]) -> bool:
        """Return True if a name is only the model of these objects."""
        binding = self._source.binding(unwrapped(name))
        assert binding is not None  # it was followed
        for each in binding.references:
            parent = each.parent
            is_short = each.kind == "shorthand_property_identifier"
            holder = parent if is_short or parent is None else parent.parent
            key = "" if parent is None else self._source.code(each if is_short else parent.named[0])
            if id(holder) not in used or _ON_WIRE.get(key.strip("\"'")) != "model":
                return False
        return not is_exported(binding.node)

    def _tokens(self, entry: Entry, new: NewCall, *, is_old: bool) -> str:
        source = self._source
        code = source.code(entry.value)
        if not isinstance(new.max_tokens, Expression):
            written = str(new.max_tokens)
            return code if code.replace("_", "") == written else written
        value = unwrapped(self._source.value_of(unwrapped(entry.value)) or entry.value)
        if is_old and value.kind in _UNSURE:
            code = f"{code} ?? {_OLD_TOKENS}"
        if new.extra_tokens:
            code = f"{code if _SIMPLE.fullmatch(code) else f'({code})'} + {new.extra_tokens}"
        return code

    def _stops(self, new: NewCall) -> str:
        return f"[{', '.join(self._writer.text(each) for each in new.stop_sequences)}]"

    def _added(self, options: Options, new: NewCall) -> list[str]:
        quote = "" if options.entries is None else options.entries.quote
        writer = self._writer
        added: list[str] = []
        if not options.is_own:
            if isinstance(new.model, str) and "modelName" not in options.names:
                added.append(write_entry("model", writer.string(new.model), quote))
            if "maxTokensToSample" not in options.names:
                added.append(write_entry("maxTokens", writer.value(new.max_tokens), quote))
            if "stopSequences" not in options.names:
                added.append(write_entry("stopSequences", self._stops(new), quote))
        if new.thinking is not None and "thinking" not in options.names:
            value = f"{{ type: {writer.string(new.thinking)} }}"
            added.append(write_entry("thinking", value, quote))
        if new.effort is not None and "outputConfig" not in options.names:
            value = f"{{ effort: {writer.string(new.effort)} }}"
            added.append(write_entry("outputConfig", value, quote))
        return added

    def _written_anew(self, options: Options, added: list[str]) -> Edit:
        """Return the edit that gives options to an object that has none."""
        written = f"{{ {', '.join(added)} }}"
        if options.node is not None:
            return Edit(*options.node.span, written)
        given = options.made.child("arguments")
        if given is None:
            return Edit(options.made.end, options.made.end, f"({written})")
        return Edit(*given.span, f"({written})")


def _on_wire(entries: Entries) -> Entries:
    """Return the options that are parameters of requests, by the names of the API."""
    return replace(
        entries,
        listed=tuple(
            replace(each, name=_ON_WIRE[each.name])
            for each in entries.listed
            if each.name in _ON_WIRE
        ),
    )
