"""Follow what a program does with an answer, and rewrite it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.first_space import counts_on_it
from proxy.migrate.outcomes import CannotRewrite
from proxy.migrate.typescript.first_space import counts_on_space, spaces_after_labels
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import FUNCTIONS, Node, unwrapped, wrapped
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.texts import SDK

_UNCHANGED: Final = frozenset({"model", "id"})
_UNCHANGED_ON_WIRE: Final = _UNCHANGED | {"error"}
_TESTS: Final = frozenset({"if_statement", "while_statement", "unary_expression"})
_CASTS: Final = frozenset({"as_expression", "satisfies_expression", "type_assertion"})
_EMPTY: Final = frozenset({"null", "undefined"})
_GUARD: Final = (
    "if ({name}.type !== {q}content_block_delta{q} || {name}.delta.type !== {q}text_delta{q}) "
    "continue;"
)


def text_of(quote: str, *, parameter: str = "block", may_be_error: bool = False) -> str:
    """Return what follows a message to make it its text."""
    return (
        f".content{'?' if may_be_error else ''}.map(({parameter}) => "
        f"(block.type === {quote}text{quote} ? block.text : {quote}{quote}))"
        f".join({quote}{quote})"
    )


@dataclass(slots=True)
class AnswerUse:
    """The edits that follow from the new form of an answer."""

    quote: str
    began_with_space: bool = True
    """True if the old answer's text began with a space, which the new one's does not."""
    is_json: bool = False
    """True if the answer is JSON that the program reads itself, without types."""
    may_be_error: bool = False
    """True if that may be the JSON of an error, which has no text."""
    edits: list[Edit] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    values: set[int] = field(default_factory=set[int])
    """Identities of expressions whose value is the answer."""
    keys: set[Hashable] = field(default_factory=set)
    """Names that hold answers of several calls, which are rewritten together or not at all."""


class AnswerFollower:
    """Follows the answers of calls in one file."""

    def __init__(self, source: Source, quote: str) -> None:
        """`quote` is what strings are written in."""
        self._source = source
        self._quote = quote

    def follow(self, call: Node, *, began_with_space: bool = True) -> AnswerUse:
        """Follow the answer of a call; raise `CannotRewrite` if it goes out of sight."""
        use = AnswerUse(self._quote, began_with_space)
        self.follow_promise(call, use)
        return use

    def follow_value(self, node: Node, use: AnswerUse) -> None:
        """Follow an expression whose value is an answer."""
        node = wrapped(node)
        while node.parent is not None and self._is_cast_to_any(node.parent):
            node = wrapped(node.parent)
        use.values.add(id(node))
        parent = node.parent
        assert parent is not None
        if parent.kind == "expression_statement":
            return
        if parent.kind == "variable_declarator":
            self._follow_declared(node, parent, use)
        elif parent.kind == "assignment_expression" and parent.named[0].kind == "identifier":
            self._follow_name(parent.named[0], use)
            if parent.parent is None or parent.parent.kind != "expression_statement":
                raise CannotRewrite("The answer is assigned within another expression.")
        else:
            self._follow_use(node, use)

    def _is_cast_to_any(self, node: Node) -> bool:
        return node.kind == "as_expression" and self._source.code(node.named[-1]) == "any"

    def calls_of(self, call: Node) -> list[Node]:
        """Return all calls whose answers are held by the name that holds this call's."""
        node = self._awaited(call)
        parent = node.parent
        if parent is None or parent.kind not in {"variable_declarator", "assignment_expression"}:
            return [call]
        binding = self._source.binding(parent.named[0])
        if binding is None:
            return [call]
        values = [binding.value, *(_assigned_value(each) for each in binding.writes)]
        found = [unwrapped(each) for each in values if each is not None]
        return [
            unwrapped(each.named[0]) if each.kind == "await_expression" else each
            for each in found
            if self._source.code(each) not in _EMPTY
        ]

    def _awaited(self, call: Node) -> Node:
        node = wrapped(call)
        parent = node.parent
        return wrapped(parent) if parent is not None and parent.kind == "await_expression" else node

    def follow_promise(self, call: Node, use: AnswerUse) -> None:
        """Follow a call that returns a promise of an answer."""
        node = wrapped(call)
        parent = node.parent
        assert parent is not None
        if parent.kind == "await_expression":
            self.follow_value(parent, use)
            return
        if parent.kind == "expression_statement":
            return
        name = self._source.code(parent.named[-1]) if parent.kind == "member_expression" else ""
        called = parent.parent
        if name not in {"then", "catch", "finally"} or called is None:
            raise CannotRewrite(
                f"The promise of the answer is handed on in line {self._source.line(node)}: what "
                "reads `.completion` of its answer must read the text of the content blocks."
            )
        handlers = arguments_of(called)
        if name != "then":
            # What comes out is the answer, or what the handler makes of an error.
            is_unused = called.parent is not None and called.parent.kind == "expression_statement"
            if not is_unused and not all(map(self._makes_no_answer, handlers)):
                raise CannotRewrite(
                    "What handles its errors may answer itself, in the form of a completion."
                )
            self.follow_promise(called, use)
            return
        if not handlers:
            raise CannotRewrite("It cannot be told what is done with the answer.")
        self._follow_parameter(handlers[0], use)

    def _makes_no_answer(self, handler: Node) -> bool:
        code = self._source.code(handler)
        is_seen = handler.kind in FUNCTIONS or code.startswith("console.")
        return is_seen and "completion" not in code

    def _follow_parameter(self, handler: Node, use: AnswerUse) -> None:
        """Follow the answer into the function that `then` is given."""
        if handler.kind not in FUNCTIONS:
            raise CannotRewrite(
                f"The answer goes to `{self._source.code(handler)}`, which must read the text of "
                "the content blocks."
            )
        names = parameters_of(handler)
        if not names:
            return
        pattern = names[0]
        if pattern.kind in {"required_parameter", "optional_parameter"}:
            self._rewrite_annotation(pattern, use)
            pattern = pattern.named[0]
        if pattern.kind == "object_pattern":
            self.follow_pattern(pattern, None, use)
        elif pattern.kind == "identifier":
            self._follow_name(pattern, use)
        else:
            raise CannotRewrite("It cannot be told what is done with the answer.")

    def follow_uses(self, name: Node, use: AnswerUse) -> None:
        """Follow all uses of a name that is the answer."""
        for node in self._source.references(name):
            self._follow_use(node, use)

    def _follow_declared(self, node: Node, declarator: Node, use: AnswerUse) -> None:
        pattern = declarator.named[0]
        if pattern.kind == "object_pattern":
            self.follow_pattern(pattern, declarator, use)
        elif pattern.kind == "identifier":
            self._rewrite_annotation(declarator, use)
            self._follow_name(pattern, use)
        else:
            raise CannotRewrite(
                f"It cannot be told what is done with the answer in line {self._source.line(node)}."
            )

    def _rewrite_annotation(self, declared: Node, use: AnswerUse) -> None:
        """Rewrite the type of a name that holds an answer, if it is the SDK's for one."""
        annotation = declared.child("type_annotation")
        if annotation is None:
            return
        type_ = annotation.named[0]
        code, origin = self._source.code(type_), self._source.origin(type_)
        if code == "any":
            return
        head, _, name = code.rpartition(".")
        if origin != (SDK, "Completion") or not head or "." in head or name != "Completion":
            raise CannotRewrite(f"The type `{code}` must become that of a message.")
        use.edits.append(Edit(type_.end - len(name), type_.end, "Message"))

    def _follow_name(self, name: Node, use: AnswerUse) -> None:
        binding = self._source.binding(name)
        if binding is None:
            raise CannotRewrite(
                f"`{self._source.code(name)}` is declared nowhere in this file: what reads "
                "`.completion` of it must read the text of the content blocks."
            )
        values = [_assigned_value(each) for each in binding.writes]
        if binding.value is not None:
            values.append(binding.value)
        if binding.times > 1 or not all(self._is_answer_or_empty(each, use) for each in values):
            raise CannotRewrite(f"`{self._source.code(name)}` is not only the answer of this call.")
        if is_exported(binding.node):
            raise CannotRewrite(f"`{self._source.code(name)}` is exported to other files.")
        if binding.node is not name and binding.node.parent is not None:
            self._rewrite_annotation(binding.node.parent, use)
        use.keys.add(("answer", id(binding)))
        for node in binding.references:
            if node not in binding.writes:
                self._follow_use(node, use)

    def _is_answer_or_empty(self, value: Node | None, use: AnswerUse) -> bool:
        if value is None:
            return False
        if id(value) in use.values:
            return True
        inner = unwrapped(value)
        if inner.kind == "await_expression":
            inner = unwrapped(inner.named[0])
        return inner.kind == "call_expression" or self._source.code(inner) in _EMPTY

    def follow_pattern(self, pattern: Node, declarator: Node | None, use: AnswerUse) -> None:
        """Rewrite `{ completion, stop_reason: reason }`."""
        source = self._source
        if declarator is not None:
            self._rewrite_annotation(declarator, use)
        for each in pattern.named:
            is_pair = each.kind == "pair_pattern"
            if not is_pair and each.kind != "shorthand_property_identifier_pattern":
                raise CannotRewrite(f"The answer is taken apart in line {source.line(pattern)}.")
            key, local = (each.named[0], each.named[-1]) if is_pair else (each, each)
            name = source.code(key)
            if name in self._unchanged(use):
                continue
            binding = source.binding(local)
            if binding is None or binding.writes or binding.times > 1:
                raise CannotRewrite(f"The answer is taken apart in line {source.line(pattern)}.")
            if name == "completion":
                self._take_text(each, local, declarator, use)
            elif name == "stop_reason":
                for node in binding.references:
                    self._rewrite_stop_reason(node, use)
            else:
                raise CannotRewrite(
                    f"`{name}` of the answer is used in line {source.line(each)}; a message has "
                    "none."
                )

    def _take_text(self, entry: Node, local: Node, declarator: Node | None, use: AnswerUse) -> None:
        source = self._source
        if not source.is_free("content", entry):
            raise CannotRewrite("The name `content` is taken: the answer's text comes from it now.")
        use.edits.append(Edit(*entry.span, "content"))
        text = self._text(use, may_be_error=use.may_be_error).removeprefix(".")
        if declarator is None:
            for node in source.references(local):
                self._check_first_space(node, use)
                if node.kind == "shorthand_property_identifier":
                    use.edits.append(Edit(*node.span, f"{source.code(node)}: {text}"))
                else:
                    use.edits.append(Edit(*node.span, text))
            return
        statement = declarator.parent
        if (
            statement is None
            or len(statement.named) != 1
            or statement.parent is None
            or statement.parent.kind not in {"statement_block", "program"}
        ):
            raise CannotRewrite("The answer is taken apart where no statement can follow.")
        for node in source.references(local):
            self._check_first_space(node, use)
        keyword = source.code(statement.children[0])
        # A semicolon in another line protects what follows it.
        is_ended = source.text[declarator.end : statement.end] == ";"
        place, end = (statement.end, ";") if is_ended else (declarator.end, "")
        indent = source.indentation_at(statement.start)
        code = f"\n{indent}{keyword} {source.code(local)} = {text}{end}"
        use.edits.append(Edit(place, place, code))

    def _unchanged(self, use: AnswerUse) -> frozenset[str]:
        return _UNCHANGED_ON_WIRE if use.is_json else _UNCHANGED

    def _text(self, use: AnswerUse, *, may_be_error: bool) -> str:
        """Return what follows a message to make it its text."""
        is_any = use.is_json and self._source.is_typed
        parameter = "block: any" if is_any else "block"
        return text_of(self._quote, parameter=parameter, may_be_error=may_be_error)

    def _follow_use(self, node: Node, use: AnswerUse) -> None:
        """Rewrite one use of an answer."""
        source = self._source
        node = wrapped(node)
        parent = node.parent
        assert parent is not None
        if parent.kind == "member_expression":
            name: str | None = source.code(parent.named[-1])
        elif parent.kind == "subscript_expression" and parent.named[0] is node:
            name = string_value(source.text, parent.named[-1])
        elif parent.kind == "variable_declarator" and parent.named[0].kind == "object_pattern":
            self.follow_pattern(parent.named[0], parent, use)
            return
        else:
            self._follow_whole(node, parent, use)
            return
        if name == "completion":
            self._rewrite_text(node, parent, use)
        elif name == "stop_reason":
            self._rewrite_stop_reason(parent, use)
        elif name not in self._unchanged(use):
            raise CannotRewrite(
                f"`{name or source.code(parent)}` of the answer is used in line "
                f"{source.line(parent)}; a message has none."
            )

    def _rewrite_text(self, node: Node, whole: Node, use: AnswerUse) -> None:
        parent = wrapped(whole).parent
        is_left = (
            parent is not None
            and parent.kind in {"assignment_expression", "augmented_assignment_expression"}
            and unwrapped(parent.named[0]) is whole
        )
        is_deleted = parent is not None and self._source.code(parent).startswith("delete ")
        if is_left or is_deleted:
            raise CannotRewrite(f"The answer's text is changed in line {self._source.line(whole)}.")
        self._check_first_space(whole, use)
        between = self._source.text[node.end : whole.end]
        optional = "?" if between.lstrip().startswith("?.") else ""
        gap = between[: len(between) - len(between.lstrip())] if "[" not in between else ""
        # What asked more of the text of an error failed, and still does.
        may_be_error = use.may_be_error and not self._is_asked_for_more(whole)
        text = self._text(use, may_be_error=may_be_error)
        use.edits.append(Edit(node.end, whole.end, f"{gap}{optional}{text}"))

    def _is_asked_for_more(self, text: Node) -> bool:
        """Return True for `text.trim()` and `text[0]`, and not for `text?.trim()`."""
        node = wrapped(text)
        parent = node.parent
        return (
            parent is not None
            and parent.kind in {"member_expression", "subscript_expression"}
            and parent.named[0] is node
            and not self._source.text[node.end :].lstrip().startswith("?.")
        )

    def _check_first_space(self, text: Node, use: AnswerUse) -> None:
        """Refuse what counts on a text's first space, and put one behind labels."""
        if not use.began_with_space:
            return
        for node in counts_on_space(self._source, text):
            raise CannotRewrite(counts_on_it(self._source.line(node)))
        use.edits += spaces_after_labels(self._source, text)

    def _rewrite_stop_reason(self, whole: Node, use: AnswerUse) -> None:
        source = self._source
        parent = whole.parent
        if parent is not None and parent.kind == "binary_expression" and parent.named[0] is whole:
            operator, right = source.code(parent.children[1]), parent.named[-1]
            value = string_value(source.text, right)
            is_equal = operator in {"===", "=="}
            if value == "max_tokens" and (is_equal or operator in {"!==", "!="}):
                return
            written = source.code(whole)
            is_other = operator in {"!==", "!="}
            if value == "stop_sequence" and (is_equal or is_other) and "(" not in written:
                others = "||" if is_equal else "&&"
                quote = source.text[right.start]
                both = (
                    f"{written} {operator} {quote}end_turn{quote} {others} "
                    f"{written} {operator} {quote}stop_sequence{quote}"
                )
                around = parent.parent
                is_inside = around is not None and around.kind == "parenthesized_expression"
                use.edits.append(Edit(*parent.span, both if is_inside else f"({both})"))
                return
        use.looks.append(
            f"`stop_reason` is used in line {source.line(whole)}: where a turn just ends it is "
            "`end_turn` now, and was `stop_sequence`."
        )

    def _follow_whole(self, node: Node, parent: Node, use: AnswerUse) -> None:
        source = self._source
        line = source.line(node)
        call = parent.parent if parent.kind == "arguments" else None
        if call is not None and source.code(call.named[0]).startswith(("console.", "logger.")):
            use.looks.append(
                f"The whole answer is printed in line {line}; a message looks different."
            )
            return
        if parent.kind in _CASTS:
            type_ = source.code(parent.children[-1])
            if parent.kind == "type_assertion":
                type_ = source.code(parent.named[0])[1:-1]
            raise CannotRewrite(f"The type `{type_}` must become that of a message.")
        is_first = parent.named[0] is node
        operator = source.code(parent.children[1]) if parent.kind == "binary_expression" else ""
        if parent.kind in _TESTS or (is_first and parent.kind == "ternary_expression"):
            return
        if is_first and (operator == "&&" or source.code(parent.named[-1]) in _EMPTY):
            return
        raise CannotRewrite(
            f"The whole answer is handed on in line {line}: what reads `.completion` of it must "
            "read the text of the content blocks."
        )

    def follow_stream(self, call: Node) -> list[Edit]:
        """Return the edits of the one loop that reads a stream, or raise `CannotRewrite`."""
        source = self._source
        node = wrapped(call)
        if node.parent is None or node.parent.kind != "await_expression":
            raise CannotRewrite("The stream is not awaited here.")
        whole = wrapped(node.parent)
        parent = whole.parent
        assert parent is not None
        if parent.kind == "for_in_statement":
            return self._loop(parent)
        name = parent.named[0] if parent.kind == "variable_declarator" else None
        if name is None or name.kind != "identifier" or source.value_of(name) is None:
            raise CannotRewrite("The stream is handed on; what reads it must read events.")
        if parent.child("type_annotation") is not None:
            raise CannotRewrite("The type of the stream must become that of message events.")
        loops: list[Node] = []
        for each in source.references(name):
            user = each.parent
            assert user is not None
            if user.kind == "for_in_statement":
                loops.append(user)
            elif not source.text.startswith(".controller", each.end):
                raise CannotRewrite(
                    f"The stream is handed on in line {source.line(each)}; what reads it must read"
                    " events."
                )
        if len(loops) != 1:
            raise CannotRewrite("The stream is not read in one loop behind the call.")
        return self._loop(loops[0])

    def _loop(self, loop: Node) -> list[Edit]:
        """Let a loop over a stream go on with the next event if one has no text."""
        source = self._source
        pattern, body = loop.named[0], loop.named[-1]
        if loop.child("await") is None or loop.child("const", "let") is None:
            raise CannotRewrite("The stream is not read by `for await (const part of stream)`.")
        edits: list[Edit] = []
        opening: list[str] = []
        name = source.code(pattern)
        if pattern.kind == "object_pattern":
            locals_ = [each for each in pattern.named if source.code(each) == "completion"]
            free = [each for each in ("event", "part", "piece") if source.is_free(each, body)]
            if len(locals_) != len(pattern.named) or not free:
                raise CannotRewrite("More than the text of a piece of the stream is used.")
            name = free[0]
            edits.append(Edit(*pattern.span, name))
            opening.append(f"const completion = {name}.delta.text;")
        elif pattern.kind == "identifier":
            edits += self._pieces(pattern, body, opening)
        else:
            raise CannotRewrite("The pieces of the stream are not read by a name of their own.")
        guard = _GUARD.format(name=name, q=self._quote)
        return [*edits, *self._opened(loop, body, [guard, *opening])]

    def _pieces(self, pattern: Node, body: Node, opening: list[str]) -> list[Edit]:
        source = self._source
        uses: list[tuple[Node, Node]] = []
        for node in source.references(pattern):
            parent = wrapped(node).parent
            assert parent is not None
            is_member = parent.kind == "member_expression"
            if not is_member or source.code(parent.named[-1]) != "completion":
                raise CannotRewrite(
                    f"More than the text of a piece of the stream is used in line "
                    f"{source.line(node)}."
                )
            uses.append((node, parent))
        if not any(self._is_in_function(node, body) for node, _ in uses):
            return [Edit(node.end, parent.end, ".delta.text") for node, parent in uses]
        # TypeScript forgets in a function what kind of event it was.
        free = [each for each in ("text", "piece", "textOfEvent") if source.is_free(each, body)]
        if not free:
            raise CannotRewrite("All names for the text of a piece are taken.")
        opening.append(f"const {free[0]} = {source.code(pattern)}.delta.text;")
        return [Edit(*parent.span, free[0]) for _, parent in uses]

    def _is_in_function(self, node: Node, body: Node) -> bool:
        inside = [each for each in node.ancestors() if each.start >= body.start]
        return any(each.kind in FUNCTIONS for each in inside if each.end <= body.end)

    def _opened(self, loop: Node, body: Node, statements: list[str]) -> list[Edit]:
        """Return the edits that put statements at the start of a loop's body."""
        source = self._source
        outer = source.indentation_at(loop.start)
        if body.kind != "statement_block":
            lines = "".join(f"\n{outer}  {each}" for each in statements)
            return [
                Edit(body.start, body.start, f"{{{lines}\n{outer}  "),
                Edit(body.end, body.end, f"\n{outer}}}"),
            ]
        first = body.named[0] if body.named else None
        if first is not None and source.line(first) > source.line(body):
            indent = source.indentation_at(first.start)
            if not source.has_semicolons:
                statements[0] = statements[0].removesuffix(";")
            lines = "".join(f"\n{indent}{each}" for each in statements)
        else:
            lines = "".join(f" {each}" for each in statements)
        return [Edit(body.start + 1, body.start + 1, lines)]


def is_exported(node: Node) -> bool:
    """Return True if a name is declared in a statement that exports it."""
    declared = node.parent
    statement = declared.parent if declared is not None else None
    around = statement.parent if statement is not None else None
    return around is not None and around.kind == "export_statement"


def _assigned_value(node: Node) -> Node | None:
    """Return the value of `name = value`, whose name is `node`."""
    parent = node.parent
    is_assignment = parent is not None and parent.kind == "assignment_expression"
    return parent.named[-1] if is_assignment and parent is not None else None


def parameters_of(function: Node) -> list[Node]:
    """Return the parameters of a function."""
    parameters = function.child("formal_parameters")
    if parameters is not None:
        return parameters.named
    return [each for each in function.named[:1] if each.kind == "identifier"]
