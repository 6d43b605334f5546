"""
Rewrite calls of the SDK: 0.5 and later (`completions.create`) and 0.4 (`complete`).

Each call is tried by itself. What several calls share (a prompt's name, a name for answers, an
object of parameters, a client of 0.4) is rewritten only if all of them are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from proxy.migrate.calls import NewCall
from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import (
    CannotRead,
    CannotRewrite,
    Outcome,
    fail_together,
    fail_where_changes_meet,
    planned,
)
from proxy.migrate.planning import Target
from proxy.migrate.text import Hole, holes_in
from proxy.migrate.traits import CallTraits
from proxy.migrate.typescript.answers import AnswerFollower, is_exported
from proxy.migrate.typescript.arguments import (
    ArgumentReader,
    Entries,
    ReadCall,
    Style,
    edit_entries,
    entries_of,
    keys_of,
    messages,
    write_entry,
)
from proxy.migrate.typescript.nodes import Node, unwrapped
from proxy.migrate.typescript.sites import OTHER_PRODUCTS, Site, arguments_of, sites_of
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.texts import SDK
from proxy.migrate.typescript.writing import Writer
from translators import UPSTREAM_VERSION

CLIENT_OPTIONS: Final = frozenset(
    {"apiKey", "authToken", "baseURL", "timeout", "maxRetries", "defaultHeaders", "defaultQuery"}
    | {"fetch", "dangerouslyAllowBrowser", "logLevel", "logger", "fetchOptions"}
)
_PARAMETER_TYPES: Final = {
    "CompletionCreateParams": "MessageCreateParams",
    "CompletionCreateParamsNonStreaming": "MessageCreateParamsNonStreaming",
    "CompletionCreateParamsStreaming": "MessageCreateParamsStreaming",
}
_TIMEOUT: Final = "600_000"
_KEY_AND_OPTIONS: Final = 2


@dataclass(slots=True)
class SdkOutcome(Outcome):
    """The outcome of a call of the SDK."""

    site: Site


class SdkRewriter:
    """Rewrites the calls of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        """Find the legacy calls of a file."""
        self._source = source
        self._target = target
        self._reader = ArgumentReader(source)
        self._answers = AnswerFollower(source, self._reader.texts.quote)
        self.sites = sites_of(source)
        self._objects = {id(each.parameters) for each in self.sites if each.parameters}

    def rewrite(self) -> list[SdkOutcome]:
        """Return an outcome for each site, with edits that fit together."""
        outcomes = [self._try(site) for site in self.sites]
        fail_where_changes_meet(outcomes, self._source.line_at)
        fail_together(outcomes, [self._source.line(each.call) for each in self.sites])
        return outcomes

    def _try(self, site: Site) -> SdkOutcome:
        outcome = SdkOutcome(site)
        try:
            self._rewrite(site, outcome)
        except CannotRewrite as exc:
            outcome.leave(str(exc))
        return outcome

    def _rewrite(self, site: Site, outcome: SdkOutcome) -> None:
        source = self._source
        self._add_keys(site, outcome)
        if site.module in OTHER_PRODUCTS:
            raise CannotRewrite(
                "The client is for Claude on another cloud, where models have other names."
            )
        outcome.known = self._known(site)
        if site.era == "0.4" and (site.maker is None or site.module != SDK):
            raise CannotRewrite(
                "It cannot be told from here that the client is one of @anthropic-ai/sdk 0.4."
            )
        if source.code(site.method) == "completeStream":
            raise CannotRewrite(
                "Each piece that `onUpdate` gets is the whole text so far; the events of the newest"
                " SDK have what is new, so that what the function does decides."
            )
        entries, edits = self._entries(site)
        read = self._reader.read_call(entries)
        outcome.call = read.call
        new = planned(read.call, self._target)
        outcome.new = new
        outcome.looks += new.looks
        if any(each.kind == "comment" for each in read.prompt.node.walk()):
            outcome.looks.append("The comments within the prompt are gone.")
        style = Style(
            writer=Writer(read.prompt.quote, keeps_lines=read.prompt.keeps_lines),
            sdk=self._target.sdk,
            unit=self._unit(entries),
            is_const=source.is_typed
            and entries.node.parent is not site.call.child("arguments")
            and not edits,
        )
        if new.stream:
            edits += self._answers.follow_stream(site.call)
        else:
            use = self._answers.follow(site.call, began_with_space=new.began_with_space)
            self._check_answers(site)
            edits += use.edits
            outcome.looks += use.looks
            outcome.keys |= use.keys
        style, more = self._place_prompt(read, new, style, outcome)
        edits += more
        style, more = self._place_model(read, new, style, outcome)
        edits += more
        edits += edit_entries(source, entries, new, style)
        edits += self._options(site, new)
        edits += self._client(site, outcome)
        edits.append(self._method(site))
        outcome.edits = edits

    def _add_keys(self, site: Site, outcome: SdkOutcome) -> None:
        if site.era == "0.4" and site.maker is not None:
            outcome.keys.add(("client", id(site.maker)))
        if site.parameters is None:
            return
        outcome.keys.add(("parameters", id(site.parameters)))
        for each in site.parameters.named:
            value = each if each.kind == "shorthand_property_identifier" else each.named[-1:]
            for node in [value] if isinstance(value, Node) else value:
                if (binding := self._source.binding(node)) is not None:
                    outcome.keys.add(("value", id(binding)))

    def _entries(self, site: Site) -> tuple[Entries, list[Edit]]:
        source = self._source
        given = arguments_of(site.call)
        if site.parameters is None:
            raise CannotRead("Its parameters are not in sight.")
        value = unwrapped(given[0])
        edits: list[Edit] = []
        if value.kind == "identifier":
            for node in source.references(value):
                if not self._is_given(node):
                    raise CannotRewrite(
                        f"`{source.code(value)}` is used in line {source.line(node)} too."
                    )
            binding = source.binding(value)
            assert binding is not None
            if is_exported(binding.node):
                raise CannotRewrite(f"`{source.code(value)}` is exported to other files.")
            edits = self._annotation(binding.node.parent)
        cast = site.parameters.parent
        if cast is not None and cast.kind in {"as_expression", "satisfies_expression"}:
            type_ = source.code(cast.children[-1])
            if type_ != "any" or edits:
                raise CannotRewrite(f"The type `{type_}` must become that of a message's call.")
        return entries_of(source, site.parameters), edits

    def _known(self, site: Site) -> CallTraits:
        """Return what is certain of the requests; nothing of an object that may be changed."""
        source = self._source
        if site.parameters is None:
            return CallTraits()
        value = unwrapped(arguments_of(site.call)[0])
        if value.kind == "identifier":
            binding = source.binding(value)
            is_public = binding is None or is_exported(binding.node)
            if is_public or not all(self._is_given(each) for each in source.references(value)):
                return CallTraits()
        known = self._reader.known(site.parameters)
        if site.era == "0.4":  # it is the method that says whether it streams
            streams = source.code(site.method) == "completeStream"
            known = replace(known, stream=True if streams else None)
        return known

    def _is_given(self, node: Node) -> bool:
        """Return True if an object is only the parameters of a legacy call here."""
        call = node.parent.parent if node.parent is not None else None
        return any(call is each.call for each in self.sites)

    def _annotation(self, declared: Node | None) -> list[Edit]:
        """Rewrite the type of an object of parameters, if it is the SDK's for them."""
        annotation = declared.child("type_annotation") if declared is not None else None
        if annotation is None:
            return []
        type_ = annotation.named[0]
        code, origin = self._source.code(type_), self._source.origin(type_)
        head, _, name = code.rpartition(".")
        is_known = origin == (SDK, name) and name in _PARAMETER_TYPES
        if not is_known or not head or "." in head:
            raise CannotRewrite(f"The type `{code}` must become that of a message's call.")
        return [Edit(type_.end - len(name), type_.end, _PARAMETER_TYPES[name])]

    def _check_answers(self, site: Site) -> None:
        calls = {id(each.call) for each in self.sites}
        if any(id(each) not in calls for each in self._answers.calls_of(site.call)):
            raise CannotRewrite("The answer's name also holds those of other calls.")

    def _place_prompt(
        self, read: ReadCall, new: NewCall, style: Style, outcome: SdkOutcome
    ) -> tuple[Style, list[Edit]]:
        """Decide where the texts are written: in the call, or where its prompt was put together."""
        source = self._source
        name, node = read.prompt.name, read.prompt.node
        if name is None:
            return style, []
        written = source.code(name)
        if not holes_in(read.call.prompt) and written.isupper():
            return style, []
        binding = source.binding(name)
        assert binding is not None
        if is_exported(binding.node):
            raise CannotRewrite(f"`{written}` is exported to other files, with its markers.")
        outside = [each for each in binding.references if not self._is_entry(each, "prompt")]
        for each in outside:
            if not self._is_printed(each):
                raise CannotRewrite(
                    f"`{written}` is used in line {source.line(each)} too, with its markers."
                )
            outcome.looks.append(
                f"`{written}` is used in line {source.line(each)} too, where it has no markers any "
                "more."
            )
        if not all(
            self._is_same(hole, node, outcome.site.call) for hole in holes_in(new.system or ())
        ):
            raise CannotRewrite(
                "The system prompt has values in it and is put together with the rest in line "
                f"{source.line(node)}: assign it to a name of its own."
            )
        if len(new.messages) == 1:
            placed = replace(style, in_place=written)
            return placed, [Edit(*node.span, style.writer.text(new.messages[0].text))]
        declared = binding.node.parent
        annotation = declared.child("type_annotation") if declared is not None else None
        if outside or annotation is not None:
            raise CannotRewrite(f"`{written}` becomes several messages.")
        typed = replace(style, is_const=source.is_typed)
        listed = messages(new, typed, source.indentation_at(node.start), source.newline)
        return replace(style, in_place=written, list_in_place=True), [Edit(*node.span, listed)]

    def _is_same(self, hole: Hole, node: Node, call: Node) -> bool:
        """Return True if a hole is a name with the same value at two places."""
        binding = self._source.resolve(hole.source, node)
        is_one = binding is not None and binding is self._source.resolve(hole.source, call)
        return is_one and binding is not None and not binding.writes

    def _is_entry(self, node: Node, key: str) -> bool:
        """Return True if a name is the value of an entry of a legacy call."""
        parent = node.parent
        assert parent is not None
        if node.kind == "shorthand_property_identifier":
            return self._source.code(node) == key and id(parent) in self._objects
        return (
            parent.kind == "pair"
            and id(parent.parent) in self._objects
            and self._source.code(parent.named[0]).strip("\"'") == key
        )

    def _is_printed(self, node: Node) -> bool:
        call = node.parent.parent if node.parent is not None else None
        return (
            call is not None
            and call.kind == "call_expression"
            and self._source.code(call.named[0]).startswith("console.")
        )

    def _place_model(
        self, read: ReadCall, new: NewCall, style: Style, outcome: SdkOutcome
    ) -> tuple[Style, list[Edit]]:
        """Rewrite a model where its literal is, if all that use that are legacy calls."""
        source, node = self._source, read.model
        if not isinstance(new.model, str) or node is None:
            return style, []
        quote = source.text[node.start]
        edit = Edit(*node.span, Writer('"' if quote == "`" else quote).string(new.model))
        declared = node.parent
        name = declared.named[0] if declared is not None else node
        used = source.references(name)
        if read.has_default:
            for each in used:
                if not self._is_entry(each, "model"):
                    raise CannotRewrite(
                        f"`{source.code(name)}` is used in line {source.line(each)} too, and a "
                        "retired model by default."
                    )
            outcome.looks.append(
                "The model is only a default, which now is one of today; whoever names another must"
                " name one of today, too."
            )
            return replace(style, keeps_model=True), [edit]
        if is_exported(name) or not all(self._is_entry(each, "model") for each in used):
            return style, []
        return replace(style, keeps_model=True), [edit]

    def _options(self, site: Site, new: NewCall) -> list[Edit]:
        """Return the edit of the second argument: headers of an older version, and a timeout."""
        source = self._source
        quote = self._reader.texts.quote
        first, *others = arguments_of(site.call)
        wanted: list[str] = []
        names = keys_of(source, others[0]) if others else frozenset[str]()
        if new.has_sampling and self._target.sdk != 0:
            version = f"{quote}anthropic-version{quote}: {quote}{UPSTREAM_VERSION}{quote}"
            wanted.append(write_entry("headers", f"{{ {version} }}", ""))
        if new.needs_timeout and "timeout" not in names:
            wanted.append(write_entry("timeout", _TIMEOUT, ""))
        if not wanted:
            return []
        written = ", ".join(wanted)
        if not others:
            return [Edit(first.end, first.end, f", {{ {written} }}")]
        options = others[0]
        if options.kind != "object" or not options.named or "headers" in names:
            raise CannotRewrite(f"The options of the call must have `{written}`.")
        end = options.named[-1].end
        return [Edit(end, end, f", {written}")]

    def _client(self, site: Site, outcome: SdkOutcome) -> list[Edit]:
        """Rewrite what makes a client of 0.4, and say what the newest SDKs no longer take."""
        source, maker = self._source, site.maker
        if maker is None:
            return []
        given = arguments_of(maker)
        if site.era == "0.5":
            keys = keys_of(source, given[0]) if given else frozenset[str]()
            outcome.looks += [
                f"The newest SDK's client takes no `{name}`."
                for name in sorted(keys - CLIENT_OPTIONS)
            ]
            return []
        if not given or len(given) > _KEY_AND_OPTIONS or given[0].kind == "object":
            raise CannotRewrite("It cannot be told what makes the client.")
        key = source.code(given[0])
        written = "apiKey" if key == "apiKey" else f"apiKey: {key}"
        for options in given[1:]:
            listed = entries_of(source, options).listed if options.kind == "object" else ()
            if [each.name for each in listed] != ["apiUrl"]:
                raise CannotRewrite("The client takes options that the newest SDK does not.")
            written += f", baseURL: {source.code(listed[0].value)}"
        edit = Edit(given[0].start, given[-1].end, f"{{ {written} }}")
        return [edit, *self._class(maker.named[0])]

    def _class(self, name: Node) -> list[Edit]:
        """Return the edits that make `Client` of 0.4 the class of the newest SDK."""
        source = self._source
        if name.kind == "member_expression":
            return [Edit(*name.named[-1].span, "Anthropic")]
        binding = source.binding(name)
        declared = binding.node.parent if binding is not None else None
        if binding is None or declared is None or source.origin(name) != (SDK, "Client"):
            raise CannotRewrite("It cannot be told what makes the client.")
        first = declared.named[0]
        if declared.kind in {"import_specifier", "pair_pattern"} and first is not binding.node:
            return [Edit(*first.span, "Anthropic")]
        if not source.is_free("Anthropic", binding.node):
            raise CannotRewrite("The name `Anthropic` is taken, which is that of the newest class.")
        return [Edit(*each.span, "Anthropic") for each in (binding.node, *binding.references)]

    def _method(self, site: Site) -> Edit:
        if site.era == "0.4":
            return Edit(*site.method.span, "messages.create")
        function = site.method.parent
        assert function is not None
        return Edit(*unwrapped(function.named[0]).named[-1].span, "messages")

    def _unit(self, entries: Entries) -> str:
        source = self._source
        outer = source.indentation_at(entries.node.start)
        inner = source.indentation_at(entries.listed[0].start)
        if inner.startswith(outer) and inner != outer:
            return inner[len(outer) :]
        return "\t" if "\t" in outer else "  "
