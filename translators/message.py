"""A whole message in, a completion out; and the facts both wires share about how it ended."""

from __future__ import annotations

from translators.completion_text import CompletionText
from translators.errors import UpstreamProtocolError
from translators.plan import Plan
from translators.steps import AT_ONCE, Steps, completed
from translators.stop_reasons import refusal_of, translate_stop_reason
from translators.wire.completions import Completion, CompletionChunk, LastChunk, TextChunk
from translators.wire.messages import AnsweredMessage


def translate_message(message: AnsweredMessage, plan: Plan) -> Completion:
    """
    Translate a whole answer.

    Raises `UpstreamProtocolError` for one that has not ended, and
    `ModelRefused` for a refusal where the plan says that it is an error.
    """
    return completed(translate_in_steps(message, plan))


def translate_in_steps(message: AnsweredMessage, plan: Plan) -> Steps[Completion]:
    """Translate a whole answer, as `translate_message` does, in steps."""
    if message.stop_reason is None:
        raise UpstreamProtocolError("message: stop_reason is missing")
    if plan.refusal_is_error and (refusal := refusal_of(message)):
        raise refusal
    text = CompletionText(plan)
    said = "".join([block.said for block in message.content or ()])
    if len(said) <= AT_ONCE:
        completion = text.feed(said) + text.flush()
    else:
        completion = yield from text.feed_in_steps(said)
        completion += yield from text.flush_in_steps()
    end = translate_stop_reason(message.stop_reason, message.stop_sequence, text.matched)
    return Completion(
        id=completion_id(message.id),
        model=plan.echoed_model or message.model or plan.sent_model,
        text=completion,
        stop_reason=end.stop_reason,
        stop=end.stop,
    )


def as_chunks(completion: Completion) -> tuple[CompletionChunk, ...]:
    """Cut a whole answer into the chunks of the stream it could have been."""
    assert completion.stop_reason is not None, "only frames of a stream have none"
    last = LastChunk(completion.stop_reason, completion.stop)
    return (TextChunk(completion.text), last) if completion.text else (last,)


def completion_id(message_id: str) -> str:
    """`msg_01...` becomes `compl_01...`, so that one can be found by the other."""
    return f"compl_{message_id.removeprefix('msg_')}"
