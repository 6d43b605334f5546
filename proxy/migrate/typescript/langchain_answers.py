"""
Follow the answers of LangChain's objects and chains to where their texts are used.

An answer of the newest class is a message as before; its text is `.text`, because `.content` may be
a list of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.first_space import counts_on_it
from proxy.migrate.outcomes import CannotRewrite
from proxy.migrate.typescript.answers import parameters_of
from proxy.migrate.typescript.first_space import counts_on_space, spaces_after_labels
from proxy.migrate.typescript.nodes import FUNCTIONS, Node, wrapped
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source

TOKENS_LOOK: Final = (
    "The tokens that callbacks are given may be empty, and the first begins with no space now."
)
_TEXTS: Final = frozenset({"content", "text"})
_ANSWER_TYPES: Final = frozenset(
    {"AIChatMessage", "AIMessage", "AIMessageChunk", "BaseChatMessage", "BaseMessage", "any"}
)
_LIST_METHODS: Final = frozenset({"map", "filter", "find", "forEach", "reduce", "flatMap", "some"})
_STATEMENT: Final = "expression_statement"
_ASKING: Final = frozenset({"if_statement", "while_statement", "do_statement", "switch_statement"})
"""Statements whose condition is in brackets of their own."""
_LINKS: Final = frozenset({"call_expression", "member_expression", "subscript_expression"})
_TEXT: Final = ".text"
_THEN_TEXT: Final = ".then((message) => message.text)"


@dataclass(slots=True)
class ObjectUse:
    """The edits that follow from the newest class, and what to look at."""

    edits: list[Edit] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)


class AnswerFollower:
    """Follows the answers in one file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def follow_result(self, node: Node, use: ObjectUse) -> None:
        """Check that of `{ text }` nothing but the text is used, which a message has as well."""
        source, parent = self._source, node.parent
        assert parent is not None
        uses = [node]
        if parent.kind == "expression_statement":
            return
        if parent.kind == "variable_declarator":
            pattern = parent.named[0]
            if pattern.kind == "object_pattern":
                for each in pattern.named:
                    key = each.named[0] if each.named else each
                    self._check_result(source.code(key) == _TEXT[1:], each)
                    for one in source.references(each.named[-1] if each.named else each):
                        self._check_first_space(one, use)
                return
            self._check_result(source.value_of(pattern) is not None, pattern)
            self._check_result(parent.child("type_annotation") is None, pattern)
            uses = source.references(pattern)
        for each in uses:
            member = wrapped(each).parent
            assert member is not None
            is_text = (
                member.kind == "member_expression" and source.code(member.named[-1]) == _TEXT[1:]
            )
            self._check_result(is_text and not self._is_list_or_changed(member), each)
            self._check_first_space(member, use)

    def _check_result(self, is_text: bool, node: Node) -> None:
        if not is_text:
            raise CannotRewrite(
                f"More than `text` of what the chain answers is used in line "
                f"{self._source.line(node)}: a message has other properties."
            )

    def follow_text(self, call: Node, use: ObjectUse) -> None:
        """Let a call that answered with a text still do so."""
        node = wrapped(call)
        waiting = node.parent
        assert waiting is not None
        if waiting.kind == "expression_statement":
            return
        if waiting.kind != "await_expression":
            use.edits.append(Edit(call.end, call.end, _THEN_TEXT))
            use.looks.append(_space_look(self._source.line(call)))
            return
        whole = wrapped(waiting)
        if whole.parent is not None and whole.parent.kind == "expression_statement":
            return
        self._check_first_space(whole, use)
        if whole.parent is not None and whole.parent.kind in _ASKING:
            # The brackets around it are those of the statement.
            whole = waiting
        if any(each.start == whole.start and each.kind == _STATEMENT for each in whole.ancestors()):
            # A bracket would go on with a statement before that has no semicolon.
            use.edits.append(Edit(call.end, call.end, _THEN_TEXT))
            return
        if whole is waiting:
            use.edits.append(Edit(waiting.start, waiting.start, "("))
        text = f"?{_TEXT}" if _may_be_none(call) else _TEXT
        after = f"){text}" if whole is waiting else text
        use.edits.append(Edit(whole.end, whole.end, after))

    def follow_answer(self, call: Node, use: ObjectUse) -> None:
        """Follow what a call answers with, a message."""
        source, node = self._source, self._uncast(call)
        parent = node.parent
        assert parent is not None
        if parent.kind == "await_expression":
            self._follow_message(wrapped(parent), use)
            return
        name = source.code(parent.named[-1]) if parent.kind == "member_expression" else ""
        then = parent.parent
        handlers = arguments_of(then) if then is not None and name == "then" else []
        names = parameters_of(handlers[0]) if handlers and handlers[0].kind in FUNCTIONS else []
        pattern = names[0] if names else None
        type_ = "any"
        if pattern is not None and pattern.kind == "required_parameter":
            annotation = pattern.child("type_annotation")
            type_ = "any" if annotation is None else source.code(annotation.named[0])
            pattern = pattern.named[0]
        if pattern is not None and pattern.kind == "identifier":
            self._follow_name(pattern, use)
        elif pattern is not None and pattern.kind == "object_pattern" and type_ in _ANSWER_TYPES:
            self._follow_pattern(pattern, use)
        elif parent.kind != "expression_statement":
            use.looks.append(_message_look(source.line(call)))

    def _uncast(self, node: Node) -> Node:
        """Return what is around an answer and is one as well: brackets, and `as AIMessage`."""
        node = wrapped(node)
        while (
            node.parent is not None
            and node.parent.kind == "as_expression"
            and self._source.code(node.parent.named[-1]) in _ANSWER_TYPES
        ):
            node = wrapped(node.parent)
        return node

    def _follow_message(self, node: Node, use: ObjectUse) -> None:
        """Follow an expression whose value is an answer."""
        node = self._uncast(node)
        parent = node.parent
        assert parent is not None
        if parent.kind == "expression_statement":
            return
        if parent.kind == "assignment_expression" and parent.named[0].kind == "identifier":
            self._follow_name(parent.named[0], use)
        elif parent.kind != "variable_declarator":
            self._follow_answers([node], use)
        elif parent.named[0].kind != "object_pattern":
            self._follow_name(parent.named[0], use)
        elif parent.child("type_annotation") is not None:
            use.looks.append(_message_look(self._source.line(parent)))
        else:
            self._follow_pattern(parent.named[0], use)

    def _follow_pattern(self, pattern: Node, use: ObjectUse) -> None:
        source = self._source
        for each in pattern.named:
            key = each.named[0] if each.named else each
            is_plain = each.kind in {"pair_pattern", "shorthand_property_identifier_pattern"}
            if not is_plain or source.code(key) not in _TEXTS:
                use.looks.append(_message_look(source.line(each)))
                continue
            local = each.named[-1] if each.named else each
            for one in source.references(local):
                self._check_first_space(one, use)
            if source.code(key) == "text":
                continue
            written = "text" if each.named else "text: content"
            use.edits.append(Edit(*key.span, written))

    def _follow_name(self, name: Node, use: ObjectUse) -> None:
        """Follow the uses of a name that is an answer, and nothing else."""
        source = self._source
        binding = source.binding(name)
        declared = binding.node.parent if binding is not None else None
        annotation = declared.child("type_annotation") if declared is not None else None
        type_ = "any" if annotation is None else source.code(annotation.named[0])
        # A name holds an answer from its declaration on, or from where it is assigned to.
        writes = [] if binding is None or name is binding.node else [name]
        is_one = binding is not None and binding.writes == writes and binding.times == 1
        is_one = is_one and (not writes or binding is None or binding.value is None)
        if binding is None or not is_one or type_ not in _ANSWER_TYPES:
            use.looks.append(_message_look(source.line(name)))
            return
        self._follow_answers([each for each in binding.references if each not in writes], use)

    def _follow_answers(self, uses: list[Node], use: ObjectUse) -> None:
        """Follow expressions whose value is an answer."""
        source = self._source
        members: list[Node] = []
        for each in uses:
            node = wrapped(each)
            member = node.parent
            assert member is not None
            is_member = member.kind == "member_expression" and member.named[0] is node
            if is_member and source.code(member.named[-1]) in _TEXTS:
                members.append(member)
            elif _is_taken_apart(member, node):
                self._follow_pattern(member.named[0], use)
            else:
                use.looks.append(_message_look(source.line(node)))
        for member in members:
            self._check_first_space(member, use)
        if any(self._is_list_or_changed(each) for each in members):
            return
        for member in members:
            if source.code(member.named[-1]) == "content":
                use.edits.append(Edit(*member.named[-1].span, "text"))

    def _is_list_or_changed(self, text: Node) -> bool:
        """Return True where a text is told from a list of blocks, or another one is put there."""
        node = wrapped(text)
        parent = node.parent
        assert parent is not None
        code = self._source.code(parent)
        if parent.kind == "member_expression":
            return self._source.code(parent.named[-1]) in _LIST_METHODS
        if parent.kind == "arguments" and parent.parent is not None:
            return self._source.code(parent.parent.named[0]) == "Array.isArray"
        if parent.kind == "as_expression":
            return self._source.code(parent.named[-1]) != "string"
        is_left = parent.kind.endswith("assignment_expression") and parent.named[0] is node
        is_other = parent.kind in {"subscript_expression", "type_assertion"}
        return is_left or is_other or code.startswith(("typeof ", "delete "))

    def follow_stream(self, call: Node, use: ObjectUse) -> None:
        """Follow the pieces that a call streams, which are messages."""
        source, node = self._source, wrapped(call)
        use.looks.append(
            f"Pieces of the stream in line {source.line(call)} may be empty, and the first begins "
            "with no space now."
        )
        waiting = node.parent
        if waiting is None or waiting.kind != "await_expression":
            return
        whole = wrapped(waiting)
        parent = whole.parent
        assert parent is not None
        loops = [parent]
        if parent.kind == "variable_declarator":
            loops = [each.parent for each in source.references(parent.named[0]) if each.parent]
        for loop in loops:
            if loop.kind != "for_in_statement":
                continue
            if loop.named[0].kind == "identifier":
                self._follow_pieces(loop.named[0], use)
            elif loop.named[0].kind == "object_pattern":
                self._follow_pattern(loop.named[0], use)

    def _follow_pieces(self, name: Node, use: ObjectUse) -> None:
        source = self._source
        members = [each.parent for each in source.references(name) if each.parent is not None]
        if not all(
            each.kind == "member_expression" and source.code(each.named[-1]) in _TEXTS
            for each in members
        ) or any(self._is_list_or_changed(each) for each in members):
            return
        for each in members:
            if source.code(each.named[-1]) == "content":
                use.edits.append(Edit(*each.named[-1].span, "text"))

    def _check_first_space(self, text: Node, use: ObjectUse) -> None:
        """Refuse what counts on a text's first space, and put one behind labels."""
        for node in counts_on_space(self._source, text):
            raise CannotRewrite(counts_on_it(self._source.line(node)))
        use.edits += spaces_after_labels(self._source, text)


def _is_taken_apart(parent: Node, answer: Node) -> bool:
    """Return True for `const { content } = answer`, which says no type."""
    return (
        parent.kind == "variable_declarator"
        and parent.named[-1] is answer
        and parent.named[0].kind == "object_pattern"
        and parent.child("type_annotation") is None
    )


def _may_be_none(call: Node) -> bool:
    """Return True for `object?.call()`, whose value may be `undefined`."""
    node = call
    while node.kind in {*_LINKS, "non_null_expression"}:
        if node.child("optional_chain") is not None:
            return True
        node = node.named[0]
    return False


def _message_look(line: int) -> str:
    return (
        f"An answer is used as a whole in line {line}: it begins with no space now, its `.content` "
        "may be a list, which `.text` is not, and what else a message has is other."
    )


def _space_look(line: int) -> str:
    return f"What comes out in line {line} began with a space, and begins with its first word now."
