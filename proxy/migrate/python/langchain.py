"""
Rewrite LangChain's `Anthropic` and `AnthropicLLM`, which call the legacy API, to `ChatAnthropic`.

That one answers with a message instead of a string. It is rewritten where each use of the object is
a call whose answer is in sight; objects that go into chains are listed. LangChain puts prompts
without markers between them, and adds words of its own as a prefill, which go away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import libcst as cst

from proxy.migrate.calls import Expression, LegacyCall, NewCall
from proxy.migrate.findings import Edit, Finding, Verdict
from proxy.migrate.outcomes import CannotRewrite, planned
from proxy.migrate.planning import Target
from proxy.migrate.python.arguments import ArgumentReader
from proxy.migrate.python.source import Source, called_name
from proxy.migrate.python.writing import Writer
from proxy.migrate.text import MARKER_WORD
from proxy.migrate.traits import NOT_SENT, CallTraits

_CLASSES: Final = frozenset(
    {"langchain.llms.Anthropic", "langchain.llms.anthropic.Anthropic"}
    | {"langchain_community.llms.Anthropic", "langchain_community.llms.anthropic.Anthropic"}
    | {"langchain.Anthropic", "langchain_anthropic.AnthropicLLM", "langchain_anthropic.Anthropic"}
    | {"langchain_anthropic.llms.AnthropicLLM", "langchain_anthropic.llms.Anthropic"}
)
_OLD_MODEL: Final = "claude-2"
_OLD_TOKENS: Final = 256
_OWN_PACKAGE_TOKENS: Final = 1_024
"""What LangChain's classes asked for if they were not told: the model, and the tokens in the large
package and in the one of its own."""
_CALLS: Final = frozenset({"invoke", "predict", "__call__"})
_RENAMED: Final = {"max_tokens_to_sample": "max_tokens", "model_name": "model"}
_KEPT: Final = frozenset(
    {"model", "model_name", "max_tokens_to_sample", "max_tokens", "temperature", "top_k", "top_p"}
    | {"anthropic_api_key", "anthropic_api_url", "api_key", "base_url", "max_retries", "verbose"}
)
_CODE: Final = """\
from langchain_anthropic import ChatAnthropic

llm = ChatAnthropic(model="{model}", max_tokens=256)
text = llm.invoke(prompt).content"""


@dataclass(slots=True)
class _Outcome:
    call: cst.Call
    edits: list[Edit] = field(default_factory=list)
    reason: str = ""
    new: NewCall | None = None
    asked: str | None = None


def langchain_of(source: Source, target: Target) -> tuple[list[Finding], list[Edit]]:
    """Return what is found of LangChain's legacy classes, and the edits of what is rewritten."""
    made = [
        node
        for node in source.nodes
        if isinstance(node, cst.Call) and source.qualified(node.func) in _CLASSES
    ]
    imports = [
        node
        for node in source.nodes
        if isinstance(node, cst.ImportFrom) and _imported(source, node) is not None
    ]
    if not made and not imports:
        return [], []
    outcomes = [_outcome(source, call, target) for call in made]
    reason = next((each.reason for each in outcomes if each.reason), "")
    edits: list[Edit] = []
    try:
        if not reason:
            edits = _import_edits(source, imports, made)
    except CannotRewrite as exc:
        reason = str(exc)
    if reason or not made:
        reason = reason or "It is only imported here."
        nodes: list[cst.CSTNode] = [*(made or imports)]
        return [_finding(source, node, target, reason=reason) for node in nodes], []
    edits += [edit for each in outcomes for edit in each.edits]
    return [_finding(source, each.call, target, outcome=each) for each in outcomes], edits


def _imported(source: Source, node: cst.ImportFrom) -> cst.ImportAlias | None:
    if isinstance(node.names, cst.ImportStar) or node.module is None:
        return None
    module = source.code(node.module)
    return next(
        (each for each in node.names if f"{module}.{source.code(each.name)}" in _CLASSES), None
    )


def _import_edits(
    source: Source, imports: list[cst.ImportFrom], made: list[cst.Call]
) -> list[Edit]:
    edits: list[Edit] = []
    if not imports or any(not isinstance(call.func, cst.Name) for call in made):
        raise CannotRewrite("The class is not imported by its name.")
    for node in imports:
        assert not isinstance(node.names, cst.ImportStar)
        if len(node.names) != 1 or node.names[0].asname is not None:
            raise CannotRewrite("The class is imported together with others, or as another name.")
        local = node.names[0].name
        assert isinstance(local, cst.Name)
        uses = {id(each) for each in source.references(local)}
        if uses - {id(call.func) for call in made}:
            raise CannotRewrite("The class is not only called.")
        span = source.inner_span(node)
        edits.append(Edit(*span, "from langchain_anthropic import ChatAnthropic"))
    return edits


def _outcome(source: Source, call: cst.Call, target: Target) -> _Outcome:
    outcome = _Outcome(call)
    try:
        outcome.edits = [
            *_constructor(source, call, target, outcome),
            *_uses(source, call),
        ]
    except CannotRewrite as exc:
        outcome.reason = str(exc)
    return outcome


def _constructor(source: Source, call: cst.Call, target: Target, outcome: _Outcome) -> list[Edit]:
    given: dict[str, cst.Arg] = {}
    if source.comment_in(*source.span(call)) is not None:
        raise CannotRewrite("Its arguments are written anew, and have comments.")
    for arg in call.args:
        if arg.keyword is None or arg.keyword.value not in _KEPT:
            raise CannotRewrite(
                f"`{source.code(arg)}` has another form, or none, for `ChatAnthropic`."
            )
        given[_RENAMED.get(arg.keyword.value, arg.keyword.value)] = arg
    reader = ArgumentReader(source)
    model_node = given["model"].value if "model" in given else None
    asked = _OLD_MODEL if model_node is None else reader.texts.literal(model_node)
    if asked is None:
        raise CannotRewrite("The model is not in sight.")
    sampling = {
        name: Expression(source.code(given[name].value))
        for name in ("temperature", "top_k", "top_p")
        if name in given
    }
    plain = LegacyCall(
        model=asked,
        prompt=("\n\nHuman: Hello\n\nAssistant:",),
        max_tokens_to_sample=_OLD_TOKENS,
        temperature=sampling.get("temperature"),
        top_k=sampling.get("top_k"),
        top_p=sampling.get("top_p"),
    )
    new = planned(plain, target)
    if new.thinking is not None or new.effort is not None:
        raise CannotRewrite("The model thinks by default: say in `ChatAnthropic` that it must not.")
    outcome.new, outcome.asked = new, asked
    return [Edit(*source.span(call.func), "ChatAnthropic"), *_arguments(source, call, new, given)]


def _arguments(
    source: Source, call: cst.Call, new: NewCall, given: dict[str, cst.Arg]
) -> list[Edit]:
    assert isinstance(new.model, str)
    model = Writer('"').string(new.model)
    written: list[str] = []
    if "model" not in given:
        written.append(f"model={model}")
    if "max_tokens" not in given:
        is_own = (source.qualified(call.func) or "").startswith("langchain_anthropic")
        written.append(f"max_tokens={_OWN_PACKAGE_TOKENS if is_own else _OLD_TOKENS}")
    for arg in call.args:
        assert arg.keyword is not None
        name = _RENAMED.get(arg.keyword.value, arg.keyword.value)
        if name in {"temperature", "top_k", "top_p"} and getattr(new, name) is None:
            continue
        written.append(f"{name}={model if name == 'model' else source.code(arg.value)}")
    start = source.span(call.func)[1]
    end = source.inner_span(call)[1]
    return [Edit(start, end, f"({', '.join(written)})")]


def _uses(source: Source, call: cst.Call) -> list[Edit]:
    """Return the edits of all uses of the object, or raise `CannotRewrite`."""
    parent = source.parent(call)
    if not isinstance(parent, cst.Assign) or not isinstance(parent.targets[0].target, cst.Name):
        raise CannotRewrite("What is made goes where it cannot be followed.")
    name = parent.targets[0].target
    if source.value_of(name) is not call:
        raise CannotRewrite(f"`{name.value}` is assigned more than once.")
    edits: list[Edit] = []
    for node in source.references(name):
        used = source.parent(node)
        if isinstance(used, cst.Attribute) and used.value is node and used.attr.value in _CALLS:
            method, called = used.attr, source.parent(used)
        else:
            method, called = None, used
        is_call = isinstance(called, cst.Call) and called.func in {node, used}
        if not is_call or not isinstance(called, cst.Call) or len(called.args) != 1:
            raise CannotRewrite(
                f"It is used in line {source.line(node)} in a chain, or in another way: its answers"
                " are messages now, and their text is `.content`."
            )
        if MARKER_WORD.search(source.code(called)):
            raise CannotRewrite(f"The prompt in line {source.line(node)} has markers of its own.")
        if method is None:
            end = source.span(node)[1]
            edits.append(Edit(end, end, ".invoke"))
        elif method.value != "invoke":
            edits.append(Edit(*source.span(method), "invoke"))
        end = source.inner_span(called)[1]
        edits.append(Edit(end, end, ".content"))
    return edits


def _finding(
    source: Source,
    node: cst.CSTNode,
    target: Target,
    *,
    reason: str = "",
    outcome: _Outcome | None = None,
) -> Finding:
    start, end = source.span(node)
    shape, traits = "an LLM of LangChain", None
    if isinstance(node, cst.Call):
        shape, traits = f"{called_name(node)} of LangChain", _known(source, node)
    found = Finding(
        line=source.line_at(start),
        column=source.column_at(start),
        end_line=source.line_at(end),
        shape=shape,
        verdict=Verdict.BY_HAND,
        reasons=(reason,),
        code=_CODE.format(model=target.example_model),
        traits=traits,
    )
    if outcome is None or outcome.new is None:
        return found
    new = outcome.new
    assert outcome.asked is not None
    assert isinstance(new.model, str)
    return replace(
        found,
        code="",
        verdict=Verdict.LOOK,
        reasons=(
            "LangChain's old class ended prompts without markers with words of its own (`Sure, here"
            " you go:`), and the answers went on from there; `ChatAnthropic` does not.",
        ),
        models=(outcome.asked, new.model),
        adjustments=new.adjustments,
    )


def _known(source: Source, call: cst.Call) -> CallTraits:
    """Return what an object says of its requests: only what it gives, as each use may add more."""
    known = ArgumentReader(source).known(call)
    return CallTraits(
        model=known.model,
        max_tokens=known.max_tokens,
        temperature=None if known.temperature is NOT_SENT else known.temperature,
        top_p=None if known.top_p is NOT_SENT else known.top_p,
        top_k=None if known.top_k is NOT_SENT else known.top_k,
    )
