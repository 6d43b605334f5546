"""
Follow what a program does with an object of LangChain's `ChatAnthropic`.

The newest packages have `invoke` in place of `call`, `predict` and `predictMessages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import CannotRewrite
from proxy.migrate.typescript.answers import is_exported
from proxy.migrate.typescript.arguments import entries_of, keys_of
from proxy.migrate.typescript.langchain_answers import TOKENS_LOOK, AnswerFollower, ObjectUse
from proxy.migrate.typescript.langchain_conversations import LISTING
from proxy.migrate.typescript.langchain_packages import CHAIN, CHAINS, CLASS
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node, unwrapped, wrapped
from proxy.migrate.typescript.sites import CLASSES, arguments_of, assigned_in_class
from proxy.migrate.typescript.source import Source

_ANSWERED: Final = frozenset({"call", "predictMessages", "invoke"})
_GONE: Final = frozenset({"call", "predict", "predictMessages"})
_CHAINED: Final = frozenset({"batch", "pipe"})
_METHODS: Final = _ANSWERED | _GONE | _CHAINED | {"stream"}
_CHAIN_CALLS: Final = frozenset({"call", "invoke", "predict", "run"})
_VARIABLE: Final = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
_SIMPLE: Final = frozenset(
    {"identifier", "shorthand_property_identifier", "member_expression", "call_expression"}
)
_WITH_OPTIONS: Final = 2
_WITH_CALLBACKS: Final = 3
_PER_CALL: Final = frozenset({"callbacks", "signal", "tags", "metadata", "timeout"})
"""Options of a call that are what they were."""
_CALL_KEYS: Final = _PER_CALL | {"stop", "options"}
"""Variables of an `LLMChain` that are options of the call, and none of the prompt."""
_OUT_OF_SIGHT: Final = (
    "It may be used out of sight: the newest packages have neither `call` nor `predict`."
)
_FIELDS: Final = frozenset({"public_field_definition", "field_definition"})


class ObjectFollower:
    """Follows the objects of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answers = AnswerFollower(source)
        self.chains: list[Node] = []
        """The expressions that made chains of a prompt and an object, which are written anew."""

    def follow(self, made: Node) -> ObjectUse:
        """Follow an object to all its uses; raise `CannotRewrite` if it goes out of sight."""
        use = ObjectUse()
        for each in self._uses(made):
            self._follow_use(each, use)
        self._look_at_field(made, use)
        use.looks = list(dict.fromkeys(use.looks))
        return use

    def renamed(self, made: Node) -> ObjectUse:
        """Follow an object as far as it goes, for the methods that are gone."""
        use = ObjectUse()
        for each in self._uses_in_sight(made, use):
            parent = wrapped(each).parent
            assert parent is not None
            is_method = parent.kind == "member_expression" and parent.named[0] is wrapped(each)
            if is_method and self._source.code(parent.named[-1]) in _GONE:
                self._follow_use(each, use)
            elif not is_method and not self._is_chained(wrapped(each), parent):
                use.looks.append(_OUT_OF_SIGHT)
        use.looks = list(dict.fromkeys(use.looks))
        return use

    def _uses_in_sight(self, made: Node, use: ObjectUse) -> list[Node]:
        """Return the uses of an object that are here, and say if there may be others."""
        try:
            return list(self._uses(made))
        except CannotRewrite:
            use.looks.append(_OUT_OF_SIGHT)
        try:
            return list(self._uses(made, may_leave=True))
        except CannotRewrite:
            return []

    def _uses(self, made: Node, *, may_leave: bool = False) -> Iterator[Node]:
        """Yield the expressions whose value is an object, of an exported one if it `may_leave`."""
        source, node = self._source, wrapped(made)
        parent = node.parent
        assert parent is not None
        name: Node | None = None
        if parent.kind == "variable_declarator":
            name = parent.named[0]
            self._check_type(parent)
        elif parent.kind == "assignment_expression":
            name = unwrapped(parent.named[0])
        elif parent.kind in _FIELDS:
            self._check_type(parent)
            if (field := self._field(parent)) is None:
                raise CannotRewrite(self._lost(parent))
            yield from self._field_uses(parent, f"this.{field}")
            return
        if name is None:
            yield node
        elif name.kind == "member_expression" and name.named[0].kind == "this":
            yield from self._field_uses(name, source.code(name))
        else:
            yield from self._name_uses(name, made, may_leave=may_leave)

    def _look_at_field(self, made: Node, use: ObjectUse) -> None:
        """Say of a field that holds an object, or a chain, that other files may use it, too."""
        parent = wrapped(made).parent
        assert parent is not None
        place = parent if parent.kind in _FIELDS else unwrapped(parent.named[0])
        if place.kind not in {*_FIELDS, "member_expression"} or place is made:
            return
        name = self._field(place)
        around = next(each for each in place.ancestors() if each.kind in CLASSES)
        declared = [
            each for each in around.walk() if each.kind in _FIELDS and self._field(each) == name
        ]
        modifiers = [each.child("accessibility_modifier") for each in declared]
        is_closed = any(
            each is not None and self._source.code(each) != "public" for each in modifiers
        )
        if not is_closed and name is not None and not name.startswith("#"):
            use.looks.append(
                f"`this.{name}` may be used by other files: the newest packages have neither `call`"
                " nor `predict`."
            )

    def _field(self, declared: Node) -> str | None:
        """Return the name of a field, unless that is computed."""
        key = declared.child("property_identifier", "private_property_identifier")
        return None if key is None else self._source.code(key)

    def _name_uses(self, name: Node, made: Node, *, may_leave: bool) -> Iterator[Node]:
        source = self._source
        binding = source.binding(name) if name.kind == "identifier" else None
        if binding is None:
            raise CannotRewrite(self._lost(name))
        values = [] if binding.value is None else [unwrapped(binding.value)]
        values += [unwrapped(each.parent.named[-1]) for each in binding.writes if each.parent]
        if values != [made] or binding.times > 1:
            raise CannotRewrite(f"`{source.code(name)}` is not always this object.")
        if is_exported(binding.node) and not may_leave:
            raise CannotRewrite(
                f"`{source.code(name)}` is exported to other files, which may use `call` and "
                "`predict`, and objects of older packages."
            )
        assert binding.node.parent is not None
        self._check_type(binding.node.parent)
        yield from (each for each in binding.references if each not in binding.writes)

    def _field_uses(self, place: Node, code: str) -> Iterator[Node]:
        """Yield the uses of `this.name` in the class around a place."""
        source = self._source
        around = next((each for each in place.ancestors() if each.kind in CLASSES), None)
        if around is None:
            raise CannotRewrite(self._lost(place))
        found = [
            each
            for each in source.nodes
            if each.kind == "member_expression"
            and source.code(each.named[-1]) == code.removeprefix("this.")
        ]
        own = [
            each for each in found if each.named[0].kind == "this" and around in each.ancestors()
        ]
        assigned = assigned_in_class(source, own[0]) if own else [place]
        if (
            self._is_taken_apart(around, code)
            or len(assigned) != 1
            or any(each not in own and self._is_asked(each) for each in found)
        ):
            raise CannotRewrite(f"`{code}` is not always this object, or not only used here.")
        for node in around.walk():
            if node.kind in _FIELDS and code == f"this.{self._field(node)}":
                self._check_type(node)
        yield from (each for each in own if not self._is_assigned(each))

    def _is_taken_apart(self, around: Node, code: str) -> bool:
        """Return True if a field may have a name of its own: `const { name } = this`."""
        return any(
            each.kind == "variable_declarator"
            and each.named[0].kind == "object_pattern"
            and self._source.code(each.named[-1]) == "this"
            and code.removeprefix("this.") in self._source.code(each.named[0])
            for each in around.walk()
        )

    def _is_asked(self, node: Node) -> bool:
        """Return True if a method is called that such objects have."""
        parent = wrapped(node).parent
        return (
            parent is not None
            and parent.kind == "member_expression"
            and parent.named[0] is wrapped(node)
            and self._source.code(parent.named[-1]) in _METHODS
        )

    def _is_assigned(self, node: Node) -> bool:
        parent = node.parent
        return (
            parent is not None
            and parent.kind == "assignment_expression"
            and parent.named[0] is node
        )

    def _check_type(self, declared: Node) -> None:
        annotation = declared.child("type_annotation")
        if annotation is None:
            return
        origin = self._source.origin(annotation.named[0])
        if origin is None or origin[1] != CLASS:
            type_ = self._source.code(annotation.named[0])
            raise CannotRewrite(f"Its type is `{type_}`, which may be one of an older package.")

    def _lost(self, node: Node) -> str:
        return (
            f"The object is handed on in line {self._source.line(node)}, where it cannot be "
            "followed: the newest class has neither `call` nor `predict`, and takes no objects of "
            "older packages."
        )

    def _follow_use(self, node: Node, use: ObjectUse) -> None:
        source, node = self._source, wrapped(node)
        parent = node.parent
        assert parent is not None
        if parent.kind == "member_expression" and parent.named[0] is node:
            self._follow_method(parent, use)
        elif (chain := self._chain_of(node)) is not None:
            self._rewrite_chain(chain, node, use)
        elif not self._is_chained(node, parent):
            raise CannotRewrite(self._lost(node))
        else:
            use.looks.append(_chain_look(source.line(node)))
            self._follow_end(node, parent, use)

    def _chain_of(self, node: Node) -> Node | None:
        """Return the `new LLMChain({ llm: object, prompt })` that an object is given to."""
        parent = node.parent
        holder = parent.parent if parent is not None and parent.kind == "pair" else parent
        arguments = None if holder is None or holder.kind != "object" else wrapped(holder).parent
        made = None if arguments is None else arguments.parent
        if made is None or made.kind != "new_expression":
            return None
        return made if self._source.origin(made.named[0]) == (CHAINS, CHAIN) else None

    def _rewrite_chain(self, made: Node, llm: Node, use: ObjectUse) -> None:
        """Make a chain `prompt.pipe(object)`, whose answer has a `.text` as well."""
        source = self._source
        line = source.line(made)
        entries = entries_of(source, unwrapped(arguments_of(made)[0]))
        prompt = entries.get("prompt")
        is_simple = prompt is not None and (
            prompt.kind in _SIMPLE
            or (prompt.kind == "new_expression" and prompt.child("arguments") is not None)
        )
        has_comment = any(each.kind == "comment" for each in made.walk())
        if prompt is None or entries.names != {"llm", "prompt"} or not is_simple or has_comment:
            raise CannotRewrite(
                f"The chain in line {line} is made of more than a prompt and an object: write "
                "`prompt.pipe(llm)`."
            )
        if llm.kind == "new_expression" and llm.start < prompt.start:
            raise CannotRewrite(f"The object is made within the chain in line {line}: name it.")
        use.edits.append(Edit(made.start, prompt.start, ""))
        if llm.start < prompt.start:
            use.edits.append(Edit(prompt.end, made.end, f".pipe({source.code(llm)})"))
        else:
            use.edits += [Edit(prompt.end, llm.start, ".pipe("), Edit(llm.end, made.end, ")")]
        self.chains.append(made)
        use.looks.append(_chain_look(line))
        variable = self._variable_of(prompt)
        for each in self._uses(made):
            self._follow_chain(wrapped(each), variable, use)
        self._look_at_field(made, use)

    def _variable_of(self, prompt: Node) -> str | None:
        """Return the only variable of a prompt, if its template is in sight."""
        source = self._source
        made = unwrapped(source.value_of(prompt) or prompt)
        given = arguments_of(made)
        template = given[0] if given else made
        if made.kind == "new_expression" and template.kind == "object":
            entries = entries_of(source, template)
            if entries.names != {"template", "inputVariables"}:
                return None
            template = entries.get("template") or template
        elif not source.code(made).startswith("PromptTemplate.fromTemplate("):
            return None
        text = string_value(source.text, unwrapped(source.value_of(template) or template))
        names = set(_VARIABLE.findall(text or ""))
        return names.pop() if len(names) == 1 else None

    def _follow_chain(self, node: Node, variable: str | None, use: ObjectUse) -> None:
        """Rewrite a call of a chain, which answered `{ text }` or with the text itself."""
        source, member = self._source, node.parent
        assert member is not None
        call = member.parent
        name = source.code(member.named[-1]) if member.kind == "member_expression" else ""
        is_called = call is not None and call.kind == "call_expression" and call.named[0] is member
        line = source.line(node)
        if call is None or not is_called or name not in _CHAIN_CALLS or len(arguments_of(call)) > 1:
            raise CannotRewrite(
                f"The chain is used in line {line} in a way that `prompt.pipe(llm)` has not."
            )
        given = arguments_of(call)
        values = unwrapped(source.value_of(given[0]) or given[0]) if given else node
        if values.kind == "object" and keys_of(source, values) & _CALL_KEYS:
            raise CannotRewrite(
                f"What the chain in line {line} is given has options of the call, which `invoke` "
                "takes apart from the variables."
            )
        if name != "invoke":
            use.edits.append(Edit(*member.named[-1].span, "invoke"))
        if name == "run":
            if variable is None or not given or given[0].kind == "spread_element":
                raise CannotRewrite(
                    f"`run` in line {line} fills the variable of a prompt that is not in sight."
                )
            use.edits.append(Edit(given[0].start, given[0].start, f"{{ {variable}: "))
            use.edits.append(Edit(given[0].end, given[0].end, " }"))
        if name in {"predict", "run"}:
            self._answers.follow_text(call, use)
            return
        waiting = wrapped(call).parent
        if waiting is None or waiting.kind != "await_expression":
            raise CannotRewrite(f"What the chain in line {line} answers is not awaited there.")
        self._answers.follow_result(wrapped(waiting), use)

    def _is_chained(self, node: Node, parent: Node) -> bool:
        """Return True for `prompt.pipe(object)` and an element of `RunnableSequence.from`."""
        list_ = parent if parent.kind == "array" else None
        arguments = parent if list_ is None else wrapped(list_).parent
        call = None if arguments is None or arguments.kind != "arguments" else arguments.parent
        if call is None or call.kind != "call_expression":
            return False
        function = self._source.code(call.named[0])
        wanted = ".pipe" if list_ is None else "RunnableSequence.from"
        return function.endswith(wanted) and len(arguments_of(call)) == 1 and node is not call

    def _follow_end(self, node: Node, parent: Node, use: ObjectUse) -> None:
        """Follow what a chain answers that ends with the object, as far as it goes."""
        if parent.kind == "array" and parent.named[-1] is not node:
            return
        made = next(each for each in node.ancestors() if each.kind == "call_expression")
        try:
            uses = list(self._uses(made))
        except CannotRewrite:
            return
        for each in uses:
            member = wrapped(each).parent
            call = None if member is None else member.parent
            if call is None or call.kind != "call_expression" or call.named[0] is not member:
                continue
            name = self._source.code(member.named[-1])
            if name == "invoke":
                self._answers.follow_answer(call, use)
            elif name == "stream":
                self._answers.follow_stream(call, use)

    def _follow_method(self, member: Node, use: ObjectUse) -> None:
        source, call = self._source, member.parent
        method = member.named[-1]
        name, line = source.code(method), source.line(member)
        is_called = call is not None and call.kind == "call_expression"
        if name == "verbose" and self._is_assigned(member):
            return
        given = arguments_of(call) if call is not None and is_called else []
        if call is None or not is_called or call.named[0] is not member or name not in _METHODS:
            raise CannotRewrite(f"`{name}` of the object is used in line {line}, in another way.")
        self._follow_asked(name, given, line, use)
        if name in _GONE:
            use.edits.append(Edit(*method.span, "invoke"))
        if name == "predict":
            self._answers.follow_text(call, use)
        elif name in _ANSWERED:
            self._answers.follow_answer(call, use)
        elif name == "stream":
            self._answers.follow_stream(call, use)
        else:
            use.looks.append(_chain_look(line))

    def _follow_asked(self, name: str, given: list[Node], line: int, use: ObjectUse) -> None:
        """Rewrite the arguments of a call; raise `CannotRewrite` if they have another meaning."""
        if len(given) == _WITH_CALLBACKS and name in _GONE and self._is_empty(given[1]):
            use.edits.append(Edit(given[1].start, given[2].start, "{ callbacks: "))
            use.edits.append(Edit(given[2].end, given[2].end, " }"))
            use.looks.append(TOKENS_LOOK)
        elif not given or len(given) > _WITH_OPTIONS or not all(map(self._is_plain, given[1:])):
            raise CannotRewrite(
                f"`{name}` in line {line} is given more than what is asked, which the newest class "
                "may take in another form."
            )
        if any("callbacks" in keys_of(self._source, each) for each in given[1:2]):
            use.looks.append(TOKENS_LOOK)
        if given[0].kind == "spread_element":
            raise CannotRewrite(f"What is asked in line {line} is not in sight.")
        if name in LISTING - {"invoke", "stream"} and unwrapped(given[0]).kind != "array":
            use.looks.append(
                f"What is asked in line {line} is put together elsewhere: it must be of messages "
                "of the newest packages, whose list is a `BaseMessage[]` where types are checked, "
                "and begin and end with what a human says."
            )

    def _is_empty(self, options: Node) -> bool:
        return self._source.code(options) in {"{}", "undefined", "null"}

    def _is_plain(self, options: Node) -> bool:
        """Return True for options of a call that the newest class takes as they are."""
        if options.kind != "object":
            return False
        names = {each.name for each in entries_of(self._source, options).listed}
        return names <= _PER_CALL


def _chain_look(line: int) -> str:
    return (
        f"It is part of a chain in line {line}: what comes out begins with no space now, and "
        "whatever else is in the chain must be of the newest packages."
    )
