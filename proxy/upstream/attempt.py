"""
Asks by one route: translated to the Messages API, or forwarded unchanged.

The first route, the fallback, shadows and replays all ask here. An attempt
that fails raises `AttemptFailed`, which says what the client would be told and
whether another route may do better.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

from proxy.errors import Failure
from proxy.headers import Headers, joined, retry_after
from proxy.outcome import Outcome, outcome_of_failure, outcome_of_status
from proxy.security.credentials import Credential
from proxy.security.keyring import Caller
from proxy.trace_context import RequestTrace
from proxy.upstream.client import UpstreamResponse, close_all
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.fallback import status_may_fall_back
from proxy.upstream.legacy_request import LegacyRequest
from proxy.upstream.request_headers import (
    forwarded_request_headers,
    translated_request_headers,
)
from translators import (
    LONGEST_USER_ID,
    UNKNOWN,
    UPSTREAM_VERSION,
    Plan,
    Policy,
    TranslatedError,
    encode_in_steps,
    learn,
    learn_gone,
    plan_in_steps,
    refuses_user_id,
    translate_error,
)

USER_AGENT: Final = f"holdover/{version('holdover')}".encode()
_MAX_PLANS: Final = 5
"""Requests for one attempt: each refusal but the last has to teach something new."""
_PATH: Final = b"/v1/complete"


class AttemptFailed(Exception):
    """An attempt brought no answer, and the client has not been told yet."""

    def __init__(
        self,
        error: TranslatedError,
        outcome: Outcome,
        *,
        may_fall_back: bool,
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.outcome = outcome
        """The outcome of the exchange if this is the last attempt."""
        self.may_fall_back = may_fall_back
        """True if another route may do better."""
        self.retry_after = retry_after
        """Seconds to wait before the next try, if the upstream named them."""
        self.detail = detail
        """Text for the operator if the upstream was not reached or broke off, or None."""

    @classmethod
    def by(cls, failure: Failure) -> AttemptFailed:
        """Return what an attempt comes to if the upstream was not reached or broke off."""
        return cls(
            error_of_failure(failure),
            outcome_of_failure(failure),
            may_fall_back=True,
            detail=failure.detail,
        )


class Attempt:
    """
    An async context manager around the requests of one attempt; it closes their responses.

    Use either `translate` or `forward`, once.
    """

    def __init__(
        self, dispatcher: Dispatcher, request: LegacyRequest, trace: RequestTrace | None = None
    ) -> None:
        self.plan: Plan | None = None
        """The latest plan, also of a request that then failed; None if there is none."""
        self._trace = trace
        self._dispatcher = dispatcher
        self._request = request
        self._responses: list[UpstreamResponse] = []

    async def __aenter__(self) -> Self:
        """Return the attempt; nothing is sent yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all responses, the last one first."""
        await close_all(self._responses)

    async def translate(self, policy: Policy) -> tuple[UpstreamResponse, Plan]:
        """
        Ask the Messages API; ask again with what its errors teach about the model.

        Raises `InvalidCompletionRequest` if the request cannot be translated,
        and `Failure` if the upstream cannot be reached or refuses a key of
        Holdover's. A response with an error status is returned.
        """
        dispatcher, request = self._dispatcher, self._request
        if request.problem is not None:
            raise request.problem
        assert request.parsed is not None
        assert request.dialect is not None
        to = request.caller.messages
        betas = joined(request.headers, b"anthropic-beta")
        response: UpstreamResponse | None = None
        plans_left = _MAX_PLANS
        while True:
            plans_left -= 1
            taught = self._taught(policy)
            today = datetime.now(UTC).date().isoformat()
            planning = plan_in_steps(
                request.parsed, request.dialect, taught, today=today, betas=betas
            )
            plan = await dispatcher.runner.run(planning)
            if response is not None and self.plan and plan.request == self.plan.request:
                return response, self.plan  # what was learned changes nothing
            self.plan = plan
            headers = [
                *translated_request_headers(request.headers, to),
                *_own_headers(plan, to.credential),
            ]
            body = await dispatcher.runner.run(encode_in_steps(plan.request))
            if self._trace is not None:
                headers = self._trace.begin("chat", plan.sent_model, to.url, headers)
            client = dispatcher.client_for(to)
            response = await client.send_message(headers, body, caller=request.caller.digest)
            self._keep(response)
            reason = ""
            if response.status == HTTPStatus.FORBIDDEN:
                # Only what it says tells a closed model from a refused key.
                text = await response.read_error()
                reason = translate_error(response.status, text).message
            dispatcher.check_key(to, response.status, reason)
            if not (plans_left and await self._has_learned(response, plan, taught, today)):
                return response, plan

    def _taught(self, policy: Policy) -> Policy:
        """Return the policy with what upstream refuses, by its errors so far and by its limits."""
        learned, caller = self._dispatcher.learned, self._request.caller
        user_id = self._user_id or ""
        is_too_long = len(user_id) > LONGEST_USER_ID
        if learned.is_empty and not is_too_long:
            return policy
        opaque = caller.opaque(user_id) if user_id else ""
        is_refused = is_too_long or learned.refuses_user_id(opaque)
        return replace(
            policy,
            lessons=learned.current(_key_of(caller)),
            user_ids={user_id: opaque} if is_refused else {},
        )

    async def _has_learned(
        self, response: UpstreamResponse, plan: Plan, taught: Policy, today: str
    ) -> bool:
        """Keep what an error teaches; return True if another plan may do better."""
        learned, caller, model = self._dispatcher.learned, self._request.caller, plan.sent_model
        before = taught.lessons.get(model, UNKNOWN)
        if response.status == HTTPStatus.NOT_FOUND:
            if taught.catalogue.instead_of(model, today) is None:
                return False
            lesson = learn_gone(await response.read_error(), model)
        elif response.status == HTTPStatus.BAD_REQUEST:
            body = await response.read_error()
            if (user_id := self._user_id) and refuses_user_id(body):
                learned.add_user_id(caller.opaque(user_id))
                return not taught.user_ids
            lesson = learn(body)
        else:
            return False
        if lesson is None or before.corrected(lesson.capabilities) == before:
            return False
        # A model may be closed to one organisation only, and quoted words may be a client's.
        is_for_all = lesson.capabilities.available is None and not lesson.is_quoted
        learned.add(model, lesson.capabilities, None if is_for_all else _key_of(caller))
        return True

    @property
    def _user_id(self) -> str | None:
        request = self._request.completion_request
        metadata = request.metadata if request else None
        return metadata.user_id if metadata else None

    async def forward(self, *, readable: bool = False) -> UpstreamResponse:
        """
        Send the client's request unchanged to the legacy upstream; raises `Failure`.

        With `readable` the answer is asked for without compression.
        """
        request = self._request
        to = request.caller.destination("forward")
        target = _PATH + b"?" + request.query if request.query else _PATH
        headers = forwarded_request_headers(request.headers, to)
        if readable:
            headers = [(name, value) for name, value in headers if name != b"accept-encoding"]
            headers.append((b"accept-encoding", b"identity"))
        if self._trace is not None:
            asked = request.completion_request
            model = asked.model if asked else ""
            headers = self._trace.begin("text_completion", model, to.url, headers)
        client = self._dispatcher.client_for(to)
        response = await client.forward(
            "POST", target, headers, request.body, caller=request.caller.digest
        )
        self._keep(response)
        self._dispatcher.check_key(to, response.status)
        return response

    def _keep(self, response: UpstreamResponse) -> None:
        self._responses.append(response)
        if self._trace is not None:
            self._trace.answered(response.status)


def _key_of(caller: Caller) -> str:
    """Return what tells the keys apart that are sent to the Messages API; empty if none is."""
    return caller.messages.digest or ""


def error_of_failure(failure: Failure) -> TranslatedError:
    """Return the error that a client is told for a failure."""
    return TranslatedError(failure.status, failure.error_type, str(failure), None)


async def failed_response(response: UpstreamResponse) -> AttemptFailed:
    """Return what the client is told of an upstream's error response."""
    error = translate_error(response.status, await response.read_error())
    return AttemptFailed(
        error,
        outcome_of_status(error.status),
        may_fall_back=status_may_fall_back(error.status),
        retry_after=retry_after(response.headers),
    )


def _own_headers(plan: Plan, credential: Credential) -> Headers:
    """Return the headers of a Messages request that Holdover sets, each exactly once."""
    headers = [
        *credential.fields,
        (b"anthropic-version", UPSTREAM_VERSION.encode()),
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream" if plan.is_streamed else b"application/json"),
        (b"accept-encoding", b"identity"),  # a compressed stream arrives late
        (b"user-agent", USER_AGENT),
    ]
    if plan.betas is not None:
        headers.append((b"anthropic-beta", plan.betas.encode("latin-1")))
    return headers
