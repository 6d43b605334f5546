"""Write the arguments of a call that a person has to write, as far as they are known."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.migrate.calls import NewCall
from proxy.migrate.planning import Target
from proxy.migrate.python.arguments import Style, messages
from proxy.migrate.python.writing import Writer
from proxy.migrate.traits import CallTraits


def arguments_to_write(
    new: NewCall | None, known: CallTraits | None, target: Target
) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and comment of the arguments of a call that a person has to write."""
    writer = Writer('"')
    known = known or CallTraits()
    model, tokens = known.model, known.limit or known.max_tokens
    if new is not None:
        model, tokens = new.model, new.max_tokens
    if isinstance(model, str):
        served = model if new is not None else target.model_for(model)
        yield "model", writer.string(served), ""
    elif model is not None:
        yield "model", model.source, "  # one that is served today"
    else:
        yield "model", writer.string(target.example_model), ""
    yield "max_tokens", writer.value(300 if tokens is None else tokens), ""
    if new is None:
        turns = '[{"role": "user", "content": ...}]'
        yield "messages", turns, "  # the turns, without markers"
        return
    if new.system is not None:
        yield "system", writer.text(new.system), ""
    plain = Style(writer=writer, sdk=1)
    yield "messages", messages(new, plain, "    ", "\n"), ""
