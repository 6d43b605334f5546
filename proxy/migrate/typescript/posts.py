"""
Rewrite requests that a program builds itself: posts to `/v1/complete` by `fetch` and axios.

A post is rewritten if address, headers and body are in sight and the answer is read as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.migrate.calls import NewCall
from proxy.migrate.findings import Edit, Finding
from proxy.migrate.outcomes import CannotRewrite, Outcome, fail_where_changes_meet, planned_whole
from proxy.migrate.planning import Target
from proxy.migrate.typescript.answers import AnswerFollower, AnswerUse, parameters_of
from proxy.migrate.typescript.arguments import (
    ArgumentReader,
    Entries,
    ReadCall,
    Style,
    edit_entries,
    entries_in_sight,
    entries_of,
    write_entry,
)
from proxy.migrate.typescript.bodies import only_use
from proxy.migrate.typescript.listed import example_post
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import FUNCTIONS, Node, wrapped
from proxy.migrate.typescript.post_sites import Post, posts_in, values_of
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.writing import Writer
from translators import UPSTREAM_VERSION

_PATH: Final = "/v1/complete"
_NEW_PATH: Final = "/v1/messages"
_VERSION: Final = "anthropic-version"
_HARMLESS: Final = frozenset({"ok", "status", "statusText", "headers"})
_AXIOS_OPTIONS: Final = frozenset(
    {"url", "method", "headers", "data", "params", "timeout", "timeoutErrorMessage", "signal"}
    | {"cancelToken", "withCredentials", "maxBodyLength", "maxContentLength", "maxRedirects"}
    | {"httpAgent", "httpsAgent", "proxy", "decompress", "responseType", "responseEncoding"}
    | {"validateStatus", "adapter", "onUploadProgress", "onDownloadProgress", "fetchOptions"}
)
"""Options of axios that neither change a request nor an answer."""
_CHANGES_ALL: Final = re.compile(r"\.interceptors\.|\.defaults\.(?:transform|validateStatus)")
_TYPES: Final = re.compile(r"any|(?:globalThis\.)?Response|AxiosResponse(?:<any(?:, ?any)?>)?")
"""Types of responses that say nothing of the answer in them."""
MUST_READ: Final = "what reads `.completion` of its JSON must read the text of the content blocks."
UNKNOWN: Final = f"It cannot be told what is done with the response: {MUST_READ}"


def body_edits(
    source: Source, target: Target, entries: Entries, read: ReadCall, new: NewCall
) -> list[Edit]:
    """Return the edits of the body of a request that the program builds itself."""
    prompt, name = read.prompt, read.prompt.name
    style = Style(
        writer=Writer(prompt.quote, keeps_lines=prompt.keeps_lines), sdk=target.sdk, is_wire=True
    )
    edits: list[Edit] = []
    if name is not None:
        written = source.code(name)
        if only_use(source, name) is not entries.get("prompt"):
            raise CannotRewrite(f"`{written}` is used elsewhere, too, with its markers.")
        if new.content is None:
            raise CannotRewrite(f"`{written}` becomes several messages.")
        style = replace(style, in_place=written)
        edits.append(Edit(*prompt.node.span, style.writer.text(new.content)))
    return [*edits, *edit_entries(source, entries, new, style)]


@dataclass(slots=True)
class PostOutcome(Outcome):
    """The outcome of a post."""

    post: Post


class PostRewriter:
    """Rewrites the posts of one file."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self._reader = ArgumentReader(source)
        self._answers = AnswerFollower(source, self._reader.texts.quote)

    def rewrite(self, taken: frozenset[int]) -> list[PostOutcome]:
        """Return an outcome for each post; objects that are `taken` are no bodies of posts."""
        outcomes = [self._try(post) for post in posts_in(self._source, taken)]
        fail_where_changes_meet(outcomes, self._source.line_at)
        return outcomes

    def finding(self, outcome: PostOutcome) -> Finding:
        """Return what is said of a post."""
        call = outcome.post.call
        return outcome.finding(
            line=self._source.line(call),
            column=self._source.column(call),
            end_line=self._source.line_at(call.end),
            shape="a post to /v1/complete",
            code=lambda: example_post(self._target),
        )

    def _try(self, post: Post) -> PostOutcome:
        outcome = PostOutcome(post, known=self._reader.known(post.body))
        try:
            self._rewrite(post, outcome)
        except CannotRewrite as exc:
            outcome.leave(str(exc))
        return outcome

    def _rewrite(self, post: Post, outcome: PostOutcome) -> None:
        if post.method != "POST":
            raise CannotRewrite("It cannot be told that the method of the request is POST.")
        type_ = post.call.child("type_arguments")
        if type_ is not None and self._source.code(type_) != "<any>":
            raise CannotRewrite(
                f"The type `{self._source.code(type_)[1:-1]}` must become that of a message."
            )
        options = self._options(post)
        entries = entries_of(self._source, post.body)
        read = self._reader.read_call(entries)
        new = planned_whole(read.call, self._target)
        if read.has_default:
            raise CannotRewrite(
                "The model is only a default, and retired: name one of today there, and see that "
                "whoever names another names one of today, too."
            )
        outcome.call, outcome.new = read.call, new
        outcome.looks += new.looks
        edits = [self._address(post), *self._version(options)]
        edits += body_edits(self._source, self._target, entries, read, new)
        use = AnswerUse(
            self._reader.texts.quote,
            began_with_space=new.began_with_space,
            is_json=True,
            # Axios raises an exception for one, unless it is told otherwise.
            may_be_error=not post.is_axios or "validateStatus" in options,
        )
        self._follow_promise(post, use)
        outcome.looks += use.looks
        outcome.edits = [*edits, *use.edits]

    def _options(self, post: Post) -> Mapping[str, Node]:
        """Return the options of the request, if none of them changes its meaning."""
        source, listed = self._source, [] if post.options is None else post.options.named
        for each in listed:
            if each.kind == "spread_element":
                raise CannotRewrite(
                    f"Some options of the request are not in sight: `{source.code(each)}` in line "
                    f"{source.line(each)}."
                )
        options = {} if post.options is None else values_of(source, post.options)
        if post.is_axios:
            unknown = [each for each in options if each not in _AXIOS_OPTIONS]
            if unknown or _CHANGES_ALL.search(source.text):
                what = f"Its option `{unknown[0]}`" if unknown else "What axios is told for all"
                raise CannotRewrite(
                    f"{what} may change requests or answers: see that it knows those of the "
                    "Messages API."
                )
        return options

    def _address(self, post: Post) -> Edit:
        """Return the edit of the address, which must be a literal, or a name used only here."""
        node = post.address
        if node is not None and (value := self._source.value_of(node)) is not None:
            if only_use(self._source, node) is not node:
                raise CannotRewrite(
                    f"The address `{self._source.code(node)}` is used elsewhere, too: its path must"
                    f" become `{_NEW_PATH}` where this request is made."
                )
            node = value
        code = "" if node is None else self._source.code(node)
        at = code.rfind(_PATH)
        is_literal = node is not None and node.kind in {"string", "template_string"}
        if node is None or not is_literal or code[at + len(_PATH) :][:1] not in {*"\"'`?"}:
            raise CannotRewrite(
                f"The address of the request is not in sight: its path must become `{_NEW_PATH}`."
            )
        if "://" not in code[:at] and not code.startswith("`${"):
            raise CannotRewrite(
                "The address is one of the program's own server, which has to change with it."
            )
        start = node.start + at
        return Edit(start, start + len(_PATH), _NEW_PATH)

    def _version(self, options: Mapping[str, Node]) -> list[Edit]:
        """Return the edit that makes the headers name the version of the Messages API."""
        source, node = self._source, options.get("headers")
        if node is not None and only_use(source, node) is node:
            node = source.value_of(node)
        entries, is_whole = None, False
        if node is not None and node.kind == "object":
            entries, is_whole = entries_in_sight(source, node)
        if entries is None or not is_whole or not entries.listed:
            raise CannotRewrite(
                f"The headers are not in sight: they must have `{_VERSION}: {UPSTREAM_VERSION}`."
            )
        written = Writer(self._reader.texts.quote).string(UPSTREAM_VERSION)
        for each in entries.listed:
            if each.name.lower() != _VERSION:
                continue
            version = string_value(source.text, each.value)
            if version is None:
                raise CannotRewrite(f"The version in the headers must be {UPSTREAM_VERSION}.")
            return [] if version == UPSTREAM_VERSION else [Edit(*each.value.span, written)]
        last, quote = entries.listed[-1], self._reader.texts.quote
        space = " "
        if source.begins_line(last.start):
            space = f"{source.newline}{source.indentation_at(last.start)}"
        return [Edit(last.end, last.end, f",{space}{write_entry(_VERSION, written, quote)}")]

    def _follow_promise(self, post: Post, use: AnswerUse) -> None:
        """Follow the promise of a response to the response."""
        node = wrapped(post.call)
        parent = node.parent
        assert parent is not None
        if parent.kind == "await_expression":
            self._follow_response(wrapped(parent), post, use)
            return
        name = self._source.code(parent.named[-1]) if parent.kind == "member_expression" else ""
        handlers = arguments_of(parent.parent) if parent.parent is not None else []
        if name != "then" or len(handlers) != 1 or parent.parent is None:
            raise CannotRewrite(f"The promise of the response is handed on: {MUST_READ}")
        self._follow_handler(handlers[0], parent.parent, post, use)

    def _follow_handler(self, handler: Node, chained: Node, post: Post, use: AnswerUse) -> None:
        """Follow a response into the function that `then` is given, and what that returns on."""
        parameters = parameters_of(handler)
        if handler.kind not in FUNCTIONS or len(parameters) != 1:
            raise CannotRewrite(UNKNOWN)
        name = parameters[0]
        if name.kind in {"required_parameter", "optional_parameter"}:
            self._check_type(name)
            name = name.named[0]
        if name.kind == "object_pattern" and post.is_axios:
            self._follow_taken(name, use)
            return
        if name.kind != "identifier":
            raise CannotRewrite(UNKNOWN)
        uses = self._source.references(name)
        if post.is_axios:
            for node in uses:
                self._follow_use(node, post, use)
            return
        read = [self._json_of(each) for each in uses]
        for call in (each for each in read if each is not None):
            returned = wrapped(call).parent
            is_returned = returned is handler or (
                returned is not None and returned.kind == "return_statement"
            )
            if is_returned and "completion" in self._source.code(handler):
                raise CannotRewrite(
                    "What handles the response may answer itself, in the form of a completion."
                )
            self._answers.follow_promise(chained if is_returned else call, use)

    def _follow_response(self, node: Node, post: Post, use: AnswerUse) -> None:
        """Follow an expression whose value is a response."""
        parent = node.parent
        assert parent is not None
        if parent.kind == "expression_statement":
            return
        if parent.kind != "variable_declarator":
            self._follow_use(node, post, use)
            return
        self._check_type(parent)
        pattern = parent.named[0]
        if pattern.kind == "identifier" and self._source.value_of(pattern) is not None:
            for each in self._source.references(pattern):
                self._follow_use(each, post, use)
        elif pattern.kind == "object_pattern" and post.is_axios:
            self._follow_taken(pattern, use, parent)
        else:
            raise CannotRewrite(UNKNOWN)

    def _check_type(self, declared: Node) -> None:
        """Refuse a type of a response that says what the answer in it is."""
        annotation = declared.child("type_annotation")
        if annotation is None:
            return
        type_ = self._source.code(annotation.named[0])
        if not _TYPES.fullmatch(type_):
            raise CannotRewrite(f"The type `{type_}` must become that of a message.")

    def _follow_taken(self, pattern: Node, use: AnswerUse, declarator: Node | None = None) -> None:
        """Follow what `const { data } = await axios.post(...)` takes out of a response."""
        for entry in pattern.named:
            key, local = (entry.named[0], entry.named[-1]) if entry.named else (entry, entry)
            name = self._source.code(key)
            if name in _HARMLESS:
                continue
            binding = self._source.binding(local)
            if name == "data" and local.kind == "object_pattern":
                self._answers.follow_pattern(local, declarator, use)
            elif name != "data" or binding is None or binding.writes:
                raise CannotRewrite(UNKNOWN)
            else:
                self._answers.follow_uses(local, use)

    def _follow_use(self, node: Node, post: Post, use: AnswerUse) -> None:
        """Follow one use of a response to the answer in it."""
        if post.is_axios:
            member = wrapped(node).parent
            name = ""
            if member is not None and member.kind == "member_expression":
                name = self._source.code(member.named[-1])
            if member is None or name not in {*_HARMLESS, "data"}:
                raise CannotRewrite(self._unknown_use(node))
            if name == "data":
                self._answers.follow_value(member, use)
        elif (call := self._json_of(node)) is not None:
            self._answers.follow_promise(call, use)

    def _json_of(self, node: Node) -> Node | None:
        """Return the call that reads a response as JSON; None for a use that stays as it is."""
        source = self._source
        member = wrapped(node).parent
        name = ""
        if member is not None and member.kind == "member_expression":
            name = source.code(member.named[-1])
        call = None if member is None else member.parent
        if name == "json" and call is not None and call.kind == "call_expression":
            return call
        is_told = any(
            each.kind == "throw_statement" or source.code(each).startswith(("console.", "logger."))
            for each in node.ancestors()
            if each.kind in {"throw_statement", "call_expression"}
        )
        # Errors look alike, and so do their texts.
        if name in _HARMLESS or (name == "text" and is_told):
            return None
        raise CannotRewrite(self._unknown_use(node))

    def _unknown_use(self, node: Node) -> str:
        line = self._source.line(node)
        return f"It cannot be told what is done with the response in line {line}: {MUST_READ}"
