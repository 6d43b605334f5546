"""Say what was done about a call of the SDK, or what a person has to write in its place."""

from __future__ import annotations

from proxy.migrate.findings import Finding
from proxy.migrate.planning import Target
from proxy.migrate.traits import CallTraits
from proxy.migrate.typescript.answers import text_of
from proxy.migrate.typescript.arguments import Style, messages
from proxy.migrate.typescript.sdk import SdkOutcome
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.writing import Writer

_EVENTS = """\
for await (const event of stream) {
  if (event.type !== "content_block_delta" || event.delta.type !== "text_delta") continue;
  // event.delta.text is what is new
}"""


def shape_of(source: Source, outcome: SdkOutcome) -> str:
    """Name a call in a few words."""
    site = outcome.site
    name = source.code(site.method)
    if site.era == "0.5":
        return f"completions.{name} of @anthropic-ai/sdk"
    return f"{name} of @anthropic-ai/sdk 0.4"


def finding_of(source: Source, outcome: SdkOutcome, target: Target) -> Finding:
    """Return what is said of a call of the SDK."""
    call = outcome.site.call
    return outcome.finding(
        line=source.line(call),
        column=source.column(call),
        end_line=source.line_at(call.end),
        shape=shape_of(source, outcome) + (", streamed" if _streams(source, outcome) else ""),
        code=lambda: _code(source, outcome, target),
    )


def _known_lines(known: CallTraits, target: Target, writer: Writer) -> list[str]:
    """Return the entries of a call that cannot be read as a whole, as far as they are known."""
    model = f"{writer.string(target.example_model)},"
    if isinstance(known.model, str):
        model = f"{writer.string(target.model_for(known.model))},"
    elif known.model is not None:
        model = f"{known.model.source}, // one that is served today"
    tokens = known.limit or known.max_tokens
    return [f"model: {model}", f"max_tokens: {writer.value(300 if tokens is None else tokens)},"]


def _streams(source: Source, outcome: SdkOutcome) -> bool:
    is_known = outcome.call is not None and outcome.call.stream
    return is_known or source.code(outcome.site.method) == "completeStream"


def _code(source: Source, outcome: SdkOutcome, target: Target) -> str:
    """Return the call to write by hand, as far as it is known."""
    new, writer = outcome.new, Writer()
    lines = _known_lines(outcome.known or CallTraits(), target, writer)
    turns = ['messages: [{ role: "user", content: "..." }], // the turns, without markers']
    if new is not None:
        model = new.model if isinstance(new.model, str) else None
        lines = [
            f"model: {writer.value(new.model) if model is None else writer.string(model)},",
            f"max_tokens: {writer.value(new.max_tokens)},",
        ]
        turns = [] if new.system is None else [f"system: {writer.text(new.system)},"]
        turns.append(f"messages: {messages(new, Style(writer=writer), '  ', chr(10))},")
    streams = _streams(source, outcome)
    if streams:
        turns.append("stream: true,")
    body = "\n".join(f"  {line}" for line in (*lines, *turns))
    client = source.code(outcome.site.client)
    name = "stream" if streams else "message"
    after = _EVENTS if streams else f"const text = message{text_of(chr(34))};"
    return f"const {name} = await {client}.messages.create({{\n{body}\n}});\n{after}"
