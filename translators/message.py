"""Translate a whole message into a completion."""

from __future__ import annotations

from collections.abc import Iterable

from translators.completion_text import CompletionText
from translators.errors import UpstreamProtocolError
from translators.plan import Plan
from translators.steps import STEP_SIZE, Steps, completed
from translators.stop_reasons import found_sequence, refusal_of, translate_stop_reason
from translators.wire.completions import Completion, CompletionChunk, LastChunk, TextChunk
from translators.wire.messages import AnsweredMessage


def translate_message(message: AnsweredMessage, plan: Plan) -> Completion:
    """
    Translate a whole message.

    Raises `UpstreamProtocolError` if it has no stop reason, and `ModelRefused`
    if the model refused and the plan makes that an error.
    """
    return completed(translate_in_steps(message, plan))


def translate_in_steps(message: AnsweredMessage, plan: Plan) -> Steps[Completion]:
    """Translate a whole message in steps, like `translate_message`."""
    if message.stop_reason is None:
        raise UpstreamProtocolError("message: stop_reason is missing")
    if message.content is None and refusal_of(message) is None:
        raise UpstreamProtocolError("message: content is missing")
    if plan.refusal_is_error and (refusal := refusal_of(message)):
        raise refusal
    text, found = CompletionText(plan), found_sequence(message)
    visible = "".join([block.visible_text for block in message.content or ()])
    if len(visible) <= STEP_SIZE:
        completion = text.feed(visible) + text.flush(found)
    else:
        completion = yield from text.feed_in_steps(visible)
        completion += yield from text.flush_in_steps(found)
    end = translate_stop_reason(message.stop_reason, message.stop_sequence, text.matched)
    return _completion(completion, end, plan, message)


def as_chunks(completion: Completion) -> tuple[CompletionChunk, ...]:
    """Return the chunks of a stream that a whole completion is equivalent to."""
    assert completion.stop_reason is not None, "only frames of a stream have none"
    last = LastChunk(completion.stop_reason, completion.stop)
    return (TextChunk(completion.text), last) if completion.text else (last,)


def from_chunks(
    chunks: Iterable[CompletionChunk], plan: Plan, message: AnsweredMessage
) -> Completion:
    """Return the whole completion that the chunks of a stream, which did not fail, amount to."""
    *_, last = said = tuple(chunks)
    assert isinstance(last, LastChunk), "a stream that failed amounts to nothing"
    text = "".join(chunk.text for chunk in said if isinstance(chunk, TextChunk))
    return _completion(text, last, plan, message)


def _completion(text: str, end: LastChunk, plan: Plan, message: AnsweredMessage) -> Completion:
    return Completion(
        id=completion_id(message.id),
        model=plan.echoed_model or message.model or plan.sent_model,
        text=text,
        stop_reason=end.stop_reason,
        stop=end.stop,
    )


def completion_id(message_id: str) -> str:
    """Turn `msg_01...` into `compl_01...`, so that either id can be found by the other."""
    return f"compl_{message_id.removeprefix('msg_')}"
