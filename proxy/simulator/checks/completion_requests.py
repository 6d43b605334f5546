"""
Parsing of `POST /v1/complete` bodies: decoded JSON in, a validated completion request out.

The prompt is held to the rules for strictly checked keys (legacy-wire 5.1 and 5.2).
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.simulator.api_errors import invalid_request
from proxy.simulator.checks.field_checks import (
    Check,
    anything,
    boolean,
    integer,
    list_of,
    nullable,
    number_within,
    record,
    text,
)

HUMAN: Final = "\n\nHuman:"
ASSISTANT: Final = "\n\nAssistant:"
_MAX_USER_ID_LENGTH: Final = 256

_REQUIRED: Final[dict[str, Check]] = {
    "model": text(at_least=1),
    "prompt": text(at_least=1),
    "max_tokens_to_sample": integer(at_least=1),
}
_OPTIONAL: Final[dict[str, Check]] = {
    "metadata": record(
        required={}, optional={"user_id": nullable(text(at_most=_MAX_USER_ID_LENGTH))}
    ),
    "stop_sequences": nullable(list_of(text())),
    "stream": nullable(boolean),
    "temperature": nullable(number_within(0, 1)),
    # Clients of both versions sent -1, the documented default of 2023 (legacy-wire 1.3).
    "top_k": nullable(integer(at_least=-1)),
    "top_p": nullable(number_within(-1, 1)),
}
# Only clients of the first version send these; since they worked, the API must accept them.
_FIRST_VERSION: Final[dict[str, Check]] = {"tags": anything, "disable_checks": anything}

_CHECK: Final = record(required=_REQUIRED, optional=_OPTIONAL)
_CHECK_FIRST_VERSION: Final = record(required=_REQUIRED, optional={**_OPTIONAL, **_FIRST_VERSION})


class CompletionRequest(msgspec.Struct, frozen=True):
    model: str
    prompt: str
    max_tokens_to_sample: int
    stop_sequences: list[str] | None = None
    stream: bool | None = None

    @property
    def stops(self) -> list[str]:
        """The built-in stop (always active, legacy-wire 6) and the non-empty ones of the body."""
        return [HUMAN, *(sequence for sequence in self.stop_sequences or () if sequence)]

    @property
    def last_question(self) -> str:
        return self.prompt.rpartition(HUMAN)[2].partition(ASSISTANT)[0].strip()

    @property
    def prefill(self) -> str:
        return self.prompt.rpartition(ASSISTANT)[2].lstrip(" ")


def parse_completion_request(body: object, *, is_first_version: bool) -> CompletionRequest:
    """Return the request, or raise a 400 for the first invalid field."""
    check = _CHECK_FIRST_VERSION if is_first_version else _CHECK
    check("", body)
    return msgspec.convert(body, CompletionRequest, strict=False)


def check_prompt(prompt: str) -> None:
    """Refuse a prompt whose turns are wrong, after the two repairs that the API documents."""
    prompt = prompt.rstrip(" ")
    if prompt.startswith(HUMAN.lstrip()):
        prompt = "\n\n" + prompt
    human, assistant = prompt.find(HUMAN), prompt.find(ASSISTANT)
    complaints = []
    if human < 0 or 0 <= assistant < human:
        complaints.append(f'prompt must start with "{HUMAN}" turn after an optional system prompt')
    if prompt.rfind(ASSISTANT) <= prompt.rfind(HUMAN):
        complaints.append(f'prompt must end with "{ASSISTANT}" turn')
    if complaints:
        # That both complaints are joined is recorded from a partner cloud only.
        raise invalid_request(", ".join(complaints))
