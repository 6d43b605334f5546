"""
What a file imports of LangChain's packages, which work together only if all are of one age.

Names that have moved are imported from where they are now, with `ChatAnthropic` or not at all: a
prompt or a message of an old package is none for a model of the newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import CannotRewrite
from proxy.migrate.typescript.literals import quoted, string_value
from proxy.migrate.typescript.nodes import Node, wrapped
from proxy.migrate.typescript.rest import lines_of
from proxy.migrate.typescript.source import Source

CLASS: Final = "ChatAnthropic"
CHAIN: Final = "LLMChain"
CHAINS: Final = "langchain/chains"
OWN: Final = "@langchain/anthropic"
LEGACY: Final = frozenset(
    {"langchain/chat_models/anthropic", "langchain/chat_models/anthropic.js"}
    | {"langchain/chat_models"}
)
_MESSAGES: Final = "@langchain/core/messages"
_PROMPTS: Final = "@langchain/core/prompts"
_PARSERS: Final = "@langchain/core/output_parsers"
_RUNNABLES: Final = "@langchain/core/runnables"
_DOCUMENTS: Final = "@langchain/core/documents"
_NAMES: Final = {
    _MESSAGES: frozenset(
        {"AIMessage", "AIMessageChunk", "BaseMessage", "BaseMessageChunk", "HumanMessage"}
        | {"SystemMessage"}
    ),
    _PROMPTS: frozenset(
        {"AIMessagePromptTemplate", "ChatPromptTemplate", "HumanMessagePromptTemplate"}
        | {"MessagesPlaceholder", "PromptTemplate", "SystemMessagePromptTemplate"}
    ),
    _PARSERS: frozenset(
        {"BytesOutputParser", "CommaSeparatedListOutputParser", "StringOutputParser"}
    ),
    _RUNNABLES: frozenset(
        {"RunnableBranch", "RunnableLambda", "RunnableMap", "RunnablePassthrough"}
        | {"RunnableSequence"}
    ),
    _DOCUMENTS: frozenset({"Document"}),
}
"""Names of the newest packages that are what they were."""
_MOVED: Final = {
    "langchain/schema": _MESSAGES,
    "langchain/prompts": _PROMPTS,
    "langchain/schema/output_parser": _PARSERS,
    "langchain/output_parsers": _PARSERS,
    "langchain/schema/runnable": _RUNNABLES,
    "langchain/runnables": _RUNNABLES,
    "langchain/document": _DOCUMENTS,
}
_RENAMED: Final = {
    "AIChatMessage": "AIMessage",
    "BaseChatMessage": "BaseMessage",
    "HumanChatMessage": "HumanMessage",
    "SystemChatMessage": "SystemMessage",
}
_APART: Final = ("langchain/text_splitter", "langchain/document_loaders/")
"""Modules whose objects have nothing to do with those of a model."""
_PLAIN: Final = frozenset({"identifier", "type_identifier"})
_IMPORTED_PARTS: Final = {
    "import_statement": 2,
    "lexical_declaration": 1,
    "variable_declaration": 1,
}
_STATEMENTS: Final = frozenset(_IMPORTED_PARTS)
_REFERENCES: Final = _PLAIN | {"member_expression", "nested_type_identifier"}
_HARMLESS: Final = frozenset(
    {"new_expression", "type_annotation", "type_arguments", "union_type", "import_specifier"}
    | {"variable_declarator", "pair_pattern"}
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A place where a module is loaded, or only spoken of."""

    path: Node
    module: str
    place: Node | None
    """The import, or the call of `require` or `import`; None for anything else."""


def loaded_modules(source: Source) -> Iterator[Loaded]:
    """Yield all places that name a module of LangChain."""
    for node in source.nodes:
        if node.kind != "string" or node.parent is None:
            continue
        module = string_value(source.text, node) or ""
        if module != "langchain" and not module.startswith(("langchain/", "@langchain/")):
            continue
        place: Node | None = node.parent
        if place is not None and place.kind == "arguments":
            place = place.parent
        is_call = place is not None and place.kind == "call_expression"
        if place is None or not (
            place.kind == "import_statement"
            or (is_call and source.code(place.named[0]) in {"require", "import"})
        ):
            place = None
        yield Loaded(node, module, place)


def package_edits(source: Source, chains: Sequence[Node]) -> list[Edit]:
    """
    Return the edits that import all from the newest packages, or raise `CannotRewrite`.

    `chains` are the expressions that make a chain of old, and will not any more.
    """
    _check_class(source)
    edits: list[Edit] = []
    for each in loaded_modules(source):
        new = OWN if each.module in LEGACY else _MOVED.get(each.module, each.module)
        line = source.line(each.path)
        if new == OWN and each.module != OWN and each.place is None:
            raise CannotRewrite(
                f"`{each.module}` is named in line {line} too, where it is not imported."
            )
        if new.startswith(_APART):
            continue
        if new == CHAINS and chains and (unused := _unused_chain(source, each, chains)):
            edits.append(unused)
            continue
        if new != OWN and new not in _NAMES:
            raise CannotRewrite(
                f"`{each.module}` is used in line {line} too: its objects must become those of the "
                "newest packages of LangChain at the same time."
            )
        if each.module == OWN:
            continue
        known = {CLASS} if new == OWN else _NAMES[new]
        for name, local in _names(source, each):
            edits += _name_edits(source, name, local, known)
        if new != each.module:
            quote = source.text[each.path.start]
            edits.append(Edit(*each.path.span, quoted(new, quote)))
    return edits


def _check_class(source: Source) -> None:
    """Refuse what makes another class of the old one, or gives it to other files."""
    for node in source.nodes:
        parent = node.parent
        if node.kind not in _REFERENCES or parent is None:
            continue
        module, name = source.origin(node) or ("", "")
        is_old = module in LEGACY and name == CLASS
        if is_old and parent.kind not in _HARMLESS and "instanceof" not in source.code(parent):
            raise CannotRewrite(
                f"`{source.code(node)}` is used in line {source.line(node)} too, and not to make an"
                " object."
            )


def _unused_chain(source: Source, loaded: Loaded, chains: Sequence[Node]) -> Edit | None:
    """Return the edit that takes out an import of chains, if nothing needs it any more."""
    names = _names(source, loaded)
    if len(names) != 1 or source.code(names[0][0]) != CHAIN:
        return None
    used = source.references(names[0][1] or names[0][0])
    made = {id(each.named[0]) for each in chains}
    statement = loaded.place
    while statement is not None and statement.kind not in _STATEMENTS:
        statement = statement.parent
    is_alone = statement is not None and len(statement.named) <= _IMPORTED_PARTS[statement.kind]
    if statement is None or not is_alone or any(id(each) not in made for each in used):
        return None
    return Edit(*lines_of(source, statement), "")


def _names(source: Source, loaded: Loaded) -> list[tuple[Node, Node | None]]:
    """Return what is taken out of a module: its name there, and the one that it gets here."""
    place = loaded.place
    if place is None:
        raise CannotRewrite(
            f"`{loaded.module}` is named in line {source.line(loaded.path)} too, where it is not "
            "imported."
        )
    found: list[tuple[Node, Node | None]]
    if place.kind == "import_statement":
        clause = place.child("import_clause")
        if clause is None:
            return []
        lists = [each for each in clause.named if each.kind == "named_imports"]
        found = [
            (each.named[0], each.named[-1] if len(each.named) > 1 else None)
            for one in lists
            for each in one.named
        ]
        is_whole = len(lists) != len(clause.named)
    else:
        found, is_whole = _required_names(place)
    if is_whole and loaded.module not in LEGACY:
        raise CannotRewrite(
            f"`{loaded.module}` is imported as a whole in line {source.line(place)}: import its "
            "names."
        )
    return found


def _required_names(call: Node) -> tuple[list[tuple[Node, Node | None]], bool]:
    """Return the names that `require(...)` is taken apart into, and if it is kept whole."""
    value = wrapped(call)
    if value.parent is not None and value.parent.kind == "await_expression":
        value = wrapped(value.parent)
    parent = value.parent
    assert parent is not None
    if parent.kind == "member_expression":
        return [(parent.named[-1], parent.named[-1])], False
    pattern = parent.named[0] if parent.kind == "variable_declarator" else None
    if pattern is None or pattern.kind != "object_pattern":
        return [], True
    found: list[tuple[Node, Node | None]] = []
    for each in pattern.named:
        if each.kind == "shorthand_property_identifier_pattern":
            found.append((each, None))
        elif each.kind == "pair_pattern" and each.named[-1].kind == "identifier":
            found.append((each.named[0], each.named[-1]))
        else:
            return [], True
    return found, False


def _name_edits(
    source: Source, name: Node, local: Node | None, known: frozenset[str] | set[str]
) -> list[Edit]:
    written = source.code(name)
    new = _RENAMED.get(written, written)
    if new not in known:
        raise CannotRewrite(
            f"`{written}` of line {source.line(name)} has another place, or none, in the newest "
            "packages of LangChain."
        )
    if new == written:
        return []
    if local is not None:
        return [Edit(*name.span, new)]
    used = source.references(name)
    if not source.is_free(new, name) or any(each.kind not in _PLAIN for each in used):
        raise CannotRewrite(f"`{written}` is called `{new}` now, which is not free.")
    return [Edit(*each.span, new) for each in (name, *used)]
