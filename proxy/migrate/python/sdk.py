"""
Rewrite calls of the SDK: 0.3 and later (`completions.create`) and 0.2 (`completion`).

Each call is tried by itself. What several calls share (a prompt's name, a name for answers, a
dictionary of parameters, a client of 0.2) is rewritten only if all of them are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import libcst as cst

from proxy.migrate.calls import NewCall
from proxy.migrate.findings import Edit, apply_edits
from proxy.migrate.outcomes import (
    CannotRewrite,
    Outcome,
    fail_together,
    fail_where_changes_meet,
    planned,
)
from proxy.migrate.planning import Target
from proxy.migrate.python.answers import (
    AnswerUse,
    StreamUse,
    calls_of_answer,
    follow_answer,
    follow_stream,
    outermost,
)
from proxy.migrate.python.arguments import (
    ArgumentReader,
    Entries,
    ReadCall,
    Style,
    edit_entries,
    entries_of,
    is_true,
    messages,
)
from proxy.migrate.python.sites import Site, sites_of
from proxy.migrate.python.source import Source, called_name, dotted
from proxy.migrate.python.texts import without_markers
from proxy.migrate.python.writing import Writer
from proxy.migrate.text import holes_in
from proxy.migrate.traits import CallTraits

_CLIENTS: Final = frozenset(
    f"anthropic.{name}" for name in ("Anthropic", "AsyncAnthropic", "Client", "AsyncClient")
)
_OTHER_PRODUCTS: Final = frozenset(
    f"anthropic.{name}" for name in ("AnthropicBedrock", "AsyncAnthropicBedrock", "AnthropicVertex")
)
_CLIENT_OPTIONS: Final = frozenset(
    {"api_key", "auth_token", "base_url", "timeout", "max_retries", "default_headers"}
    | {"default_query", "http_client", "_strict_response_validation"}
)
_HARMLESS_USES: Final = frozenset({"print", "len", "debug", "info", "warning", "error", "log"})


@dataclass(slots=True)
class SdkOutcome(Outcome):
    """The outcome of a call of the SDK."""

    site: Site
    streams: bool = False


class SdkRewriter:
    """Rewrites the calls of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        """Find the legacy calls of a file."""
        self._source = source
        self._target = target
        self._reader = ArgumentReader(source)
        self._failed: set[int] = set()
        """The calls that are left alone, as far as it is known."""
        self.sites = sites_of(source)

    def rewrite(self) -> list[SdkOutcome]:
        """Return an outcome for each site, with edits that fit together."""
        while True:
            outcomes = [self._try(site) for site in self.sites]
            fail_where_changes_meet(outcomes, self._source.line_at)
            fail_together(outcomes, [self._source.line(each.call) for each in self.sites])
            failed = {id(each.site.call) for each in outcomes if each.reason}
            if failed <= self._failed:
                return outcomes
            # What they share with others, a model's name, must stay as it is.
            self._failed |= failed

    def _try(self, site: Site) -> SdkOutcome:
        outcome = SdkOutcome(site)
        try:
            self._rewrite(site, outcome)
        except CannotRewrite as exc:
            outcome.leave(str(exc))
        return outcome

    def _rewrite(self, site: Site, outcome: SdkOutcome) -> None:
        self._add_keys(site, outcome)
        maker_name = self._source.qualified(site.maker.func) if site.maker else None
        if maker_name in _OTHER_PRODUCTS:
            raise CannotRewrite(
                "The client is for Claude on another cloud, where models have other names."
            )
        outcome.known = self._known(site)
        entries = self._entries(site)
        outcome.streams = site.streams or is_true(entries.get("stream"))
        if site.era == "0.2" and site.streams:
            raise CannotRewrite(
                "Each piece of this stream is the whole text so far; the pieces of `messages.stream"
                "(...).text_stream` are what is new, so that what the loop does decides."
            )
        read = self._reader.read_call(entries, stream=site.streams)
        if read.default is not None and not self._is_only_for_models(entries.get("model")):
            read = self._reader.without_default(read, entries)
        outcome.call = read.call
        new = planned(read.call, self._target)
        outcome.new = new
        outcome.looks += new.looks
        if read.default is not None:
            outcome.looks.append(
                "The model is only a default, which now is one of today; whoever names another must"
                " name one of today, too."
            )
        stream = follow_stream(self._source, site.call) if new.stream else None
        answer = AnswerUse()
        if stream is None:
            answer = follow_answer(self._source, site.call, began_with_space=new.began_with_space)
        self._check_answers(site)
        outcome.looks += answer.looks
        outcome.keys |= answer.keys
        style = Style(
            writer=Writer(read.prompt.quotes, self._target.encoding),
            sdk=self._target.sdk,
            streams=stream is not None,
            unit=self._unit(site.call),
        )
        placed = self._place_template(read, new, style, outcome)
        style, edits = placed or self._place_prompt(read, new, style, outcome)
        style, more = self._place_model(read, new, style)
        edits += more
        edits += edit_entries(self._source, entries, new, style)
        edits += self._client_edits(site, outcome)
        if stream is None:
            edits.append(self._method_edit(site, "create"))
            outcome.edits = self._with_message(site, edits, answer.edits)
        else:
            edits.append(self._method_edit(site, "stream"))
            outcome.edits = self._stream_edits(site, stream, edits)

    def _add_keys(self, site: Site, outcome: SdkOutcome) -> None:
        if site.era == "0.2":
            outcome.keys.add(("client", id(site.maker) if site.maker else dotted(site.client)))
        if site.parameters is not None:
            outcome.keys.add(("parameters", id(site.parameters)))
        value = next(
            (arg.value for arg in site.call.args if arg.keyword and arg.keyword.value == "prompt"),
            None,
        )
        if isinstance(value, cst.Name):
            followed = self._source.value_of(value)
            outcome.keys.add(("prompt", id(followed) if followed is not None else value.value))

    def _entries(self, site: Site) -> Entries:
        if site.parameters is None:
            return entries_of(self._source, site.call)
        value = site.call.args[0].value
        if isinstance(value, cst.Name):
            for node in self._source.references(value):
                if not self._is_given(node):
                    raise CannotRewrite(
                        f"`{value.value}` is used in line {self._source.line(node)} too."
                    )
        return entries_of(self._source, site.parameters)

    def _known(self, site: Site) -> CallTraits:
        """Return what is certain of the requests; nothing of a dictionary that may be changed."""
        if site.parameters is None:
            return self._reader.known(site.call, stream=site.streams)
        value = site.call.args[0].value
        if isinstance(value, cst.Name) and not all(
            self._is_given(node) for node in self._source.references(value)
        ):
            return CallTraits()
        return self._reader.known(site.parameters, stream=site.streams)

    def _is_given(self, node: cst.CSTNode) -> bool:
        """Return True if a dictionary is only the arguments of a legacy call here."""
        arg = self._source.parent(node)
        call = self._source.parent(arg) if isinstance(arg, cst.Arg) else None
        return any(call is each.call for each in self.sites)

    def _check_answers(self, site: Site) -> None:
        calls = {id(outermost(self._source, each.call)) for each in self.sites}
        for value in calls_of_answer(self._source, site.call):
            if id(value) not in calls:
                raise CannotRewrite("The answer's name also holds those of other calls.")

    def _place_prompt(
        self, read: ReadCall, new: NewCall, style: Style, outcome: SdkOutcome
    ) -> tuple[Style, list[Edit]]:
        """Decide where the texts are written: in the call, or where its prompt was put together."""
        name, node = read.prompt.name, read.prompt.node
        if name is None or (not holes_in(read.call.prompt) and name.value.isupper()):
            return style, []
        outside = [
            each
            for each in self._source.uses(name, node)
            if not self._is_prompt_of_site(each)
            or (isinstance(each, cst.Name) and self._source.value_of(each) is not node)
        ]
        for each in outside:
            call = self._source.parent(self._source.parent(each) or each)
            if not (isinstance(call, cst.Call) and called_name(call) in _HARMLESS_USES):
                raise CannotRewrite(
                    f"`{name.value}` is used in line {self._source.line(each)} too, with its "
                    "markers."
                )
            outcome.looks.append(
                f"`{name.value}` is used in line {self._source.line(each)} too, where it has no "
                "markers any more."
            )
        if new.system is not None and holes_in(new.system):
            raise CannotRewrite(
                "The system prompt has values in it and is put together with the rest in line "
                f"{self._source.line(node)}: assign it to a name of its own."
            )
        start, end = self._source.span(node)
        if len(new.messages) == 1:
            placed = replace(style, in_place=name.value)
            return placed, [Edit(start, end, style.writer.text(new.messages[0].text))]
        if outside:
            raise CannotRewrite(
                f"`{name.value}` becomes several messages, and is used in line "
                f"{self._source.line(outside[0])} too."
            )
        indent = self._source.indentation_at(start)
        written = messages(new, style, indent, self._source.newline)
        return replace(style, in_place=name.value, list_in_place=True), [Edit(start, end, written)]

    def _place_template(
        self, read: ReadCall, new: NewCall, style: Style, outcome: SdkOutcome
    ) -> tuple[Style, list[Edit]] | None:
        """Take the markers out of a template that only this call formats, where it is written."""
        source, node, name = self._source, read.prompt.node, read.prompt.name
        content = new.content
        if content is None or not isinstance(node, cst.Call):
            return None
        template = node.func.value if isinstance(node.func, cst.Attribute) else None
        value = source.value_of(template) if isinstance(template, cst.Name) else None
        if not isinstance(template, cst.Name) or not isinstance(value, cst.SimpleString):
            return None
        if source.uses(template, value) != [template] or (
            name is not None and len(source.uses(name, node)) > 1
        ):
            return None
        text = without_markers(str(value.evaluated_value), read.call.prompt, content)
        if text is None:
            return None
        if source.is_public(template):
            outcome.looks.append(
                f"`{template.value}` has no markers any more, also for files that import it."
            )
        writer = Writer(value.quote, self._target.encoding)
        in_place = source.code(node) if name is None else name.value
        return replace(style, in_place=in_place), [Edit(*source.span(value), writer.text((text,)))]

    def _is_prompt_of_site(self, node: cst.CSTNode) -> bool:
        parent = self._source.parent(node)
        if isinstance(parent, cst.Arg):
            return (
                parent.keyword is not None
                and parent.keyword.value == "prompt"
                and any(self._source.parent(parent) is site.call for site in self.sites)
            )
        return isinstance(parent, cst.DictElement) and any(
            self._source.parent(parent) is site.parameters
            and isinstance(parent.key, cst.SimpleString)
            and parent.key.evaluated_value == "prompt"
            for site in self.sites
        )

    def _place_model(self, read: ReadCall, new: NewCall, style: Style) -> tuple[Style, list[Edit]]:
        """Rewrite a model where its name is assigned, if all that use it are legacy calls."""
        if not isinstance(new.model, str):
            return style, []
        if read.default is not None:
            edit = Edit(*self._source.span(read.default), style.writer.string(new.model))
            return replace(style, keeps_model=True), [edit]
        name = read.model_name
        if name is None:
            return style, []
        value = self._source.value_of(name)
        if value is None or not self._is_only_for_models(name):
            return style, []
        start, end = self._source.span(value)
        edit = Edit(start, end, style.writer.string(new.model))
        return replace(style, keeps_model=True), [edit]

    def _is_only_for_models(self, node: cst.BaseExpression | None) -> bool:
        """Return True if a name is read for nothing but the models of calls that are rewritten."""
        if not isinstance(node, cst.Name):
            return True
        value = self._source.value_of(node)
        uses = self._source.references(node) if value is None else self._source.uses(node, value)
        return all(self._is_model_of_site(each) for each in uses)

    def _is_model_of_site(self, node: cst.CSTNode) -> bool:
        parent = self._source.parent(node)
        call = self._source.parent(parent) if parent is not None else None
        return (
            isinstance(parent, cst.Arg)
            and parent.keyword is not None
            and parent.keyword.value == "model"
            and id(call) not in self._failed
            and any(call is site.call for site in self.sites)
        )

    def _method_edit(self, site: Site, name: str) -> Edit:
        func = site.call.func
        assert isinstance(func, cst.Attribute)
        first = func.attr
        if site.era == "0.3":
            assert isinstance(func.value, cst.Attribute)
            first = func.value.attr
        start, end = self._source.span(first)[0], self._source.span(func.attr)[1]
        if site.era == "0.3" and "\n" in self._source.text[start:end]:
            raise CannotRewrite("The call is spread over lines.")
        return Edit(start, end, f"messages.{name}")

    def _client_edits(self, site: Site, outcome: SdkOutcome) -> list[Edit]:
        """Rewrite what makes a client of 0.2, and say what the newest SDKs no longer take."""
        maker = site.maker
        if maker is None:
            if site.era == "0.2":
                self._check_maker_is_elsewhere(site)
                outcome.looks.append(
                    "The client is made elsewhere: it must be an `anthropic.Anthropic`."
                )
            return []
        if site.era == "0.3":
            given = {arg.keyword.value for arg in maker.args if arg.keyword}
            gone = sorted(given - _CLIENT_OPTIONS)
            if gone:
                raise CannotRewrite(
                    f"The client is made with `{', '.join(gone)}`, which the newest SDKs do not "
                    "take: `http_client=anthropic.DefaultHttpxClient(proxy=..., transport=...)` "
                    "has such options."
                )
            return []
        if self._source.qualified(maker.func) not in _CLIENTS:
            raise CannotRewrite("It cannot be told what makes the client.")
        edits: list[Edit] = []
        for index, arg in enumerate(maker.args):
            start, _ = self._source.span(arg.value)
            name = arg.keyword.value if arg.keyword else ("api_key", "api_url")[min(index, 1)]
            if name not in {"api_key", "api_url"} or arg.star or index > 1:
                raise CannotRewrite(f"The client takes `{name}`, which the newest SDKs do not.")
            new_name = {"api_url": "base_url"}.get(name, name)
            if arg.keyword is None:
                edits.append(Edit(start, start, f"{new_name}="))
            elif new_name != name:
                edits.append(Edit(*self._source.span(arg.keyword), new_name))
        edits += self._class_edits(site, maker)
        return edits

    def _check_maker_is_elsewhere(self, site: Site) -> None:
        """Refuse a client that this file makes, though it cannot be told where."""
        client, source = site.client, self._source
        wanted = dotted(client)
        makers = [
            node
            for node in source.nodes
            if isinstance(node, cst.Assign)
            and any(dotted(each.target) == wanted for each in node.targets)
            and isinstance(node.value, cst.Call)
        ]
        if makers:
            lines = ", ".join(str(source.line(each)) for each in makers)
            raise CannotRewrite(
                f"`{wanted}` is made in line {lines}, and it is not certain that it is a client of "
                "the SDK: it must be `anthropic.Anthropic(api_key=...)`."
            )

    def _class_edits(self, site: Site, maker: cst.Call) -> list[Edit]:
        mine = {each.is_async for each in self.sites if each.maker is maker and each.era == "0.2"}
        if len(mine) > 1:
            raise CannotRewrite(
                "The client is used with and without `await`: make an `AsyncAnthropic` for the one."
            )
        name = "AsyncAnthropic" if site.is_async else "Anthropic"
        if isinstance(maker.func, cst.Attribute):
            return [Edit(*self._source.span(maker.func.attr), name)]
        if site.is_async:
            raise CannotRewrite("The client must be an `AsyncAnthropic`; import it by that name.")
        return []  # `Client` is another name of `Anthropic` to this day

    def _with_message(self, site: Site, edits: list[Edit], answer: list[Edit]) -> list[Edit]:
        """Assign a message to a name before the statement that uses its text, if that is simple."""
        source = self._source
        whole = outermost(source, site.call)
        statement = _statement_of_text(source, whole)
        name = None if statement is None else _free_name(source, statement)
        if statement is None or name is None:
            return [*edits, *answer]
        span = source.span(whole)
        start = source.inner_span(statement)[0]
        indent = source.indentation_at(start)
        code = _written(source, source.inner_span(whole), edits)
        opening = Edit(start, start, f"{name} = {code}{source.newline}{indent}")
        outside = [edit for edit in edits if not _is_within(edit, span)]
        return [*outside, opening, Edit(*span, name), *answer]

    def _stream_edits(self, site: Site, stream: StreamUse, edits: list[Edit]) -> list[Edit]:
        """Put a `with` statement around the loop, and let it read texts."""
        source = self._source
        call = _written(source, source.span(site.call), edits)
        outside = [edit for edit in edits if not _is_within(edit, source.span(site.call))]
        is_async = stream.loop.asynchronous is not None
        if is_async != isinstance(source.parent(site.call), cst.Await):
            raise CannotRewrite("The stream is awaited, and its loop is not, or the other way.")
        head = f"{'async ' if is_async else ''}with {call} as {stream.name}:"
        unit = self._unit(stream.loop)
        loop_start = source.inner_span(stream.loop)[0]
        iterated = Edit(*source.span(stream.loop.iter), f"{stream.name}.text_stream")
        last = self._last_statement(stream)
        if stream.assigned is None:
            indent = source.indentation_at(loop_start)
            opening = Edit(loop_start, loop_start, f"{head}{source.newline}{indent}{unit}")
            first_line = source.line_at(iterated.end) + 1
        else:
            start, end = source.inner_span(stream.assigned.body[0])
            opening = Edit(start, end, head)
            first_line = source.line_at(end) + 1
        indents = self._indents(first_line, last, unit)
        return [*outside, opening, iterated, *indents, *stream.edits]

    def _last_statement(self, stream: StreamUse) -> int:
        """Return where the statement ends that the `with` statement must hold."""
        block = self._source.parent(stream.assigned) if stream.assigned else None
        around = (stream.loop, *self._source.ancestors(stream.loop))
        last = next(each for each in around if block in {None, self._source.parent(each)})
        return self._source.inner_span(last)[1]

    def _indents(self, first_line: int, end: int, unit: str) -> list[Edit]:
        source = self._source
        inside: set[int] = set()
        for node in source.nodes:
            if isinstance(node, cst.SimpleString | cst.FormattedString):
                start, stop = source.inner_span(node)
                inside.update(range(source.line_at(start) + 1, source.line_at(stop) + 1))
        edits: list[Edit] = []
        for line in range(first_line, source.line_at(max(end - 1, 0)) + 1):
            offset = source.start_of_line(line)
            if line not in inside and source.text[offset : offset + 1] not in {"\r", "\n", ""}:
                edits.append(Edit(offset, offset, unit))
        return edits

    def _unit(self, node: cst.CSTNode) -> str:
        indent = self._source.indentation_at(self._source.span(node)[0])
        usual = self._source.tree.default_indent
        if not indent:
            return usual
        return "\t" if "\t" in indent else usual.replace("\t", "    ")


def _statement_of_text(source: Source, whole: cst.BaseExpression) -> cst.CSTNode | None:
    """Return the statement of `return CALL.completion` and the like, if nothing runs before it."""
    attribute = source.parent(whole)
    if not isinstance(attribute, cst.Attribute) or attribute.attr.value != "completion":
        return None
    value: cst.CSTNode = attribute
    parent = source.parent(value)
    while _continues(parent, value):
        assert parent is not None
        value, parent = parent, source.parent(parent)
    if isinstance(parent, cst.Arg):
        call = source.parent(parent)
        if (
            not isinstance(call, cst.Call)
            or not isinstance(call.func, cst.Name)
            or call.args[0] is not parent
        ):
            return None
        parent = source.parent(call)
    if not isinstance(parent, cst.Return | cst.Assign | cst.Expr):
        return None
    statement = source.parent(parent)
    block = source.parent(statement) if statement is not None else None
    is_alone = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
    is_line = isinstance(block, cst.IndentedBlock | cst.Module)
    if isinstance(parent, cst.Assign) and any(
        not isinstance(each.target, cst.Name) for each in parent.targets
    ):
        return None
    return statement if is_alone and is_line else None


def _continues(parent: cst.CSTNode | None, value: cst.CSTNode) -> bool:
    """Return True if a parent goes on with a value: `value.strip`, `value.strip()`."""
    if isinstance(parent, cst.Attribute):
        return parent.value is value
    return isinstance(parent, cst.Call) and parent.func is value and not parent.args


def _free_name(source: Source, node: cst.CSTNode) -> str | None:
    scope = source.scope(node)
    names = ("message", "answered", "answered_message")
    return next((name for name in names if name not in scope), None)


def _is_within(edit: Edit, span: tuple[int, int]) -> bool:
    return span[0] <= edit.start and edit.end <= span[1]


def _written(source: Source, span: tuple[int, int], edits: list[Edit]) -> str:
    """Return the code of a span with the edits in it made."""
    start, end = span
    inner = [
        Edit(each.start - start, each.end - start, each.text)
        for each in edits
        if _is_within(each, span)
    ]
    return apply_edits(source.text[start:end], inner)
