"""Say what was done about a call of the SDK, or what a person has to write in its place."""

from __future__ import annotations

from proxy.migrate.findings import Finding
from proxy.migrate.planning import Target
from proxy.migrate.python.by_hand import arguments_to_write
from proxy.migrate.python.sdk import SdkOutcome
from proxy.migrate.python.sites import Site
from proxy.migrate.python.source import Source


def shape_of(site: Site) -> str:
    """Name a call in a few words."""
    name = "completions.create" if site.era == "0.3" else site.method
    return f"{name} of SDK {'0.3 and later' if site.era == '0.3' else '0.2'}"


def finding_of(source: Source, outcome: SdkOutcome, target: Target) -> Finding:
    """Return what is said of a call of the SDK."""
    start, end = source.span(outcome.site.call)
    streams = outcome.streams or bool(outcome.new and outcome.new.stream)
    return outcome.finding(
        line=source.line_at(start),
        column=source.column_at(start),
        end_line=source.line_at(end),
        shape=shape_of(outcome.site) + (", streamed" if streams else ""),
        code=lambda: code_of(source, outcome, target),
    )


def code_of(source: Source, outcome: SdkOutcome, target: Target) -> str:
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
