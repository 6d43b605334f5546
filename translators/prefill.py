"""
Prefill: text the client has written for the Assistant, to be continued.

The contract is *continuation only*: completion text joined to the prompt must
read on. A model that takes a prefill continues it; one that refuses it
(messages-wire 1.3) is asked to, and then tends to say it again first, which
`EchoRemover` takes away. White space at its end is refused everywhere.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind, shown_blank
from translators.errors import InvalidCompletionRequest
from translators.prompt import Conversation
from translators.wire.messages import Message

PrefillStrategy: TypeAlias = Literal["continue", "instruct", "reject"]

# The documented words for models without prefill (messages-wire 1.3).
_CONTINUE: Final = (
    "Your previous response was interrupted and ended with `{prefill}`. "
    "Continue from where you left off."
)
_INSTRUCT: Final = (
    "Your response is appended, as it is, to this text, which you have already written:\n\n"
    "{prefill}\n\n"
    "Continue exactly where it ends and do not repeat any of it."
)


class PrefillPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send for a prefill, and what to take off the start of the answer."""

    closing: tuple[Message, ...] = ()
    """Messages to put after the conversation."""
    instruction: str | None = None
    """Text to add to the system prompt."""
    echo: str = ""
    """The prefill, where the model may repeat it."""
    trimmed: str = ""
    """White space taken off its end, which the answer may begin with."""
    adjustments: tuple[Adjustment, ...] = ()


_NO_PREFILL: Final = PrefillPlan()


def plan_prefill(
    conversation: Conversation, *, takes_prefill: bool, strategy: PrefillStrategy
) -> PrefillPlan:
    """Decide how to have the prefill continued; raise `InvalidCompletionRequest` for `reject`."""
    if conversation.prefill is None:
        return _NO_PREFILL
    text = conversation.prefill.rstrip()
    trimmed = conversation.prefill[len(text) :]
    adjustments: tuple[Adjustment, ...] = ()
    if trimmed:
        adjustments = (
            Adjustment(AdjustmentKind.TRIM_PREFILL, "prompt", shown_blank(trimmed), "nothing"),
        )
    prefill = Message("assistant", text)
    if takes_prefill:
        return PrefillPlan(closing=(prefill,), trimmed=trimmed, adjustments=adjustments)
    if strategy == "reject":
        raise InvalidCompletionRequest(
            'prompt: this model takes no text after the last "\n\nAssistant:"; '
            "end the prompt there, or ask for a model that does"
        )
    if strategy == "instruct":
        return PrefillPlan(
            instruction=_INSTRUCT.format(prefill=text),
            echo=text,
            trimmed=trimmed,
            adjustments=(*adjustments, _rescued(AdjustmentKind.INSTRUCT_PREFILL)),
        )
    return PrefillPlan(
        closing=(prefill, Message("user", _CONTINUE.format(prefill=text))),
        echo=text,
        trimmed=trimmed,
        adjustments=(*adjustments, _rescued(AdjustmentKind.CONTINUE_PREFILL)),
    )


def _rescued(kind: AdjustmentKind) -> Adjustment:
    return Adjustment(kind, "prompt", "a prefill", "a request to continue it")


class EchoRemover:
    """
    Take one text off the start of an answer: whole, or not at all.

    White space before either does not count: a model that says a prefill
    again begins it as it likes.
    """

    def __init__(self, echo: str) -> None:
        self._echo = echo.lstrip()
        self._heard = 0
        """How much of it was said so far: to hold that text itself would cost its square."""
        self._space: list[str] = []  # said before it

    @property
    def is_settled(self) -> bool:
        """Whether nothing is held and whatever comes passes."""
        return not self._echo

    def feed(self, text: str) -> str:
        """Take more text; return what cannot be part of the echo."""
        if not self._echo:
            return text
        said = text
        if text and not self._heard:
            said = text.lstrip()
            self._space.append(text[: len(text) - len(said)])
        missing = len(self._echo) - self._heard
        if not self._echo.startswith(said[:missing], self._heard):
            return self.flush() + said
        self._heard += len(said[:missing])
        if self._heard == len(self._echo):
            self._forget()
        return said[missing:]

    def flush(self) -> str:
        """Release what merely began like the echo; no more text is coming."""
        released = "".join(self._space) + self._echo[: self._heard]
        self._forget()
        return released

    def _forget(self) -> None:
        self._echo = ""
        self._heard = 0
        self._space = []


class TrimmedSpaceRemover:
    """Take off the start of an answer as much of the trimmed white space as it begins with."""

    def __init__(self, trimmed: str) -> None:
        self._trimmed = trimmed
        self._heard = 0

    @property
    def is_settled(self) -> bool:
        """Whether whatever comes passes."""
        return self._heard == len(self._trimmed)

    def feed(self, text: str) -> str:
        """Take more text; return it without what the prompt already ends with."""
        if self.is_settled:
            return text
        start = 0
        awaited = self._trimmed[self._heard : self._heard + len(text)]
        for said, trimmed in zip(text, awaited, strict=False):
            if said != trimmed:
                self._trimmed = ""
                self._heard = 0
                return text[start:]
            start += 1
        self._heard += start
        return text[start:]
