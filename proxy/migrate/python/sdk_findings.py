"""Say what was done about a call of the SDK, or what a person has to write in its place."""

from __future__ import annotations

from proxy.migrate.findings import Finding, Verdict
from proxy.migrate.planning import Target
from proxy.migrate.python.by_hand import arguments_to_write
from proxy.migrate.python.sdk import Outcome
from proxy.migrate.python.sites import Site
from proxy.migrate.python.source import Source


def shape_of(site: Site) -> str:
    """Name a call in a few words."""
    name = "completions.create" if site.era == "0.3" else site.method
    return f"{name} of SDK {'0.3 and later' if site.era == '0.3' else '0.2'}"


def finding_of(source: Source, outcome: Outcome, target: Target) -> Finding:
    """Return what is said of a site."""
    site, new = outcome.site, outcome.new
    start, end = source.span(site.call)
    is_by_hand = bool(outcome.reason)
    verdict = Verdict.LOOK if outcome.looks else Verdict.REWRITTEN
    notes = [
        f"A space or line end at the start of `{each}` is sent now; it was taken for the marker's."
        for each in (new.edges if new else ())
    ]
    streams = outcome.streams or bool(new and new.stream)
    models = None
    if new is not None and outcome.read is not None:
        asked = outcome.read.call.model
        if isinstance(asked, str) and isinstance(new.model, str):
            models = (asked, new.model)
    return Finding(
        line=source.line_at(start),
        column=source.column_at(start),
        end_line=source.line_at(end),
        shape=shape_of(site) + (", streamed" if streams else ""),
        verdict=Verdict.BY_HAND if is_by_hand else verdict,
        reasons=(outcome.reason,) if is_by_hand else (*dict.fromkeys(outcome.looks), *notes),
        models=None if is_by_hand else models,
        adjustments=new.adjustments if new is not None and not is_by_hand else (),
        code=code_of(source, outcome, target) if is_by_hand else "",
    )


def code_of(source: Source, outcome: Outcome, target: Target) -> str:
    """Return the call to write by hand, as far as it is known."""
    site = outcome.site
    client = source.code(site.client)
    is_awaited = site.is_async
    body = "\n".join(
        f"    {name}={value},{comment}"
        for name, value, comment in arguments_to_write(outcome.new, outcome.known, target)
    )
    if outcome.streams:
        kind = "async " if is_awaited else ""
        return (
            f"{kind}with {client}.messages.stream(\n{body}\n) as stream:\n"
            f"    {kind}for text in stream.text_stream:\n"
            "        ...  # only what is new, not the whole text so far"
        )
    return (
        f"message = {'await ' if is_awaited else ''}{client}.messages.create(\n{body}\n)\n"
        'text = "".join(block.text for block in message.content if block.type == "text")'
    )
