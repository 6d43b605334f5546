"""
Make every decision about a completion request in one place.

Sending the request, translating the answer, the record and `explain` all read
the same `Plan`, so that they cannot disagree. `plan_request` is a pure function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

import msgspec

from translators.adjustments import EXPLANATIONS, REMEDIES, Adjustment, AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.models.catalogue import Capabilities, Catalogue, ResolvedModel
from translators.models.known import KNOWN_MODELS, LEGACY_ALIASES
from translators.prefill import PrefillPlan, PrefillStrategy, plan_prefill
from translators.prompt import (
    TURNS_PER_STEP,
    Conversation,
    ParsedRequest,
    Strictness,
    parse_request,
)
from translators.sampling import SamplingPlan, plan_sampling
from translators.steps import STEP_SIZE, Steps, completed, windows
from translators.stops import StopPlan, plan_stops
from translators.token_budget import BudgetPlan, plan_budget
from translators.wire.completion_requests import CompletionRequest, DecodedRequest
from translators.wire.dialects import Dialect
from translators.wire.messages import Message, MessagesRequest, Metadata

LeadingSpace: TypeAlias = Literal["legacy", "raw"]
EchoedModel: TypeAlias = Literal["asked", "answered"]
BetaHeader: TypeAlias = Literal["drop", "pass"]
RefusalAnswer: TypeAlias = Literal["completion", "error"]
Lessons: TypeAlias = Mapping[str, Capabilities]
"""Model id -> capabilities learned from upstream's errors, which override the catalogue."""

_NO_LESSONS: Final[Lessons] = {}
_MAX_FIELD_NAMES: Final = 32
LONGEST_USER_ID: Final = 512
"""Limit of the Messages API on the characters of a user id (messages-wire 1.9)."""
_LONGEST_LEGACY_USER_ID: Final = 256  # legacy-wire 1.3
_ITS_DIGEST: Final = "THE KEYED DIGEST OF THE USER ID"
"""What stands for a digest where nothing is sent: who explains a plan has no key for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's settings for translation; the defaults are those of the README."""

    catalogue: Catalogue = KNOWN_MODELS
    strictness: Strictness = "lenient"
    prefill: PrefillStrategy | Literal["reroute"] = "continue"
    prefill_model: str | None = None
    """Model that gets requests with a prefill under `reroute`."""
    leading_space: LeadingSpace = "legacy"
    echoed_model: EchoedModel = "asked"
    beta_header: BetaHeader = "drop"
    refusal: RefusalAnswer = "completion"
    """Form of the answer to a model's refusal: the model's text, or an error."""
    lessons: Lessons = field(default_factory=dict[str, Capabilities])
    user_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    """User id that upstream refuses -> what is sent in its place."""
    refuse: frozenset[AdjustmentKind] = frozenset()
    """Kinds of adjustments that are not allowed: a request that needs one is refused."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The Messages request for a completion request, and how to translate the answer back."""

    dialect: Dialect
    asked_model: str
    echoed_model: str | None
    """Value of `model` in the answer; None: the model that upstream names."""
    request: MessagesRequest
    betas: str | None
    """Value of the `anthropic-beta` header to send, or None."""
    emulated_stops: tuple[str, ...]
    """Stop sequences that upstream cannot be given."""
    watched_stops: tuple[str, ...]
    """Stop sequences at which Holdover cuts the text, whether or not upstream does."""
    echo: str
    trimmed: str
    gains_leading_space: bool
    refusal_is_error: bool = False
    adjustments: tuple[Adjustment, ...]

    @property
    def sent_model(self) -> str:
        """The model that the request is sent to."""
        return self.request.model

    @property
    def is_streamed(self) -> bool:
        """True if the answer is an event stream."""
        return self.request.stream

    @property
    def adjustment_names(self) -> tuple[str, ...]:
        """Names of the kinds of adjustments, without repetition, in the order of use."""
        return tuple(dict.fromkeys(adjustment.kind.value for adjustment in self.adjustments))


def plan_request(
    decoded: DecodedRequest,
    dialect: Dialect,
    policy: Policy,
    *,
    today: str,
    betas: str | None = None,
) -> Plan:
    """
    Parse the prompt of a request and plan its translation.

    `today` is an ISO date; `betas` is the client's `anthropic-beta` header.
    Raises `InvalidCompletionRequest` if the request cannot be translated, or
    only by an adjustment that the operator's policy refuses.
    """
    parsed = parse_request(decoded)
    return completed(plan_in_steps(parsed, dialect, policy, today=today, betas=betas))


def plan_in_steps(
    parsed: ParsedRequest,
    dialect: Dialect,
    policy: Policy,
    *,
    today: str,
    betas: str | None = None,
) -> Steps[Plan]:
    """Plan the translation of a parsed request in steps, like `plan_request`."""
    plan = yield from _plan(parsed, dialect, policy, today=today, betas=betas)
    if policy.lessons and any(
        adjustment.kind is AdjustmentKind.APPLY_LESSON for adjustment in plan.adjustments
    ):
        without = replace(policy, lessons=_NO_LESSONS)
        untaught = yield from _plan(parsed, dialect, without, today=today, betas=betas)
        # A lesson that does not change the request is not reported as an adjustment.
        plan = untaught if untaught.request == plan.request else plan
    if policy.refuse:
        for adjustment in plan.adjustments:
            if adjustment.kind in policy.refuse:
                raise InvalidCompletionRequest(
                    f"{adjustment.field}: {EXPLANATIONS[adjustment.kind]} Such requests are refused"
                    f" here ({adjustment.kind.value}). {REMEDIES[adjustment.kind]}"
                )
    return plan


def _resolve(name: str, policy: Policy, today: str) -> ResolvedModel:
    """Resolve a name by the catalogue, then apply what upstream's errors have taught."""
    first = model = policy.catalogue.resolve(name, today)
    adjustments, asked = model.adjustments, {model.id}
    while (lesson := policy.lessons.get(model.id)) is not None and lesson.available is False:
        other = policy.catalogue.instead_of(model.id, today)
        if other is None or other.id in asked:  # all are gone, so the error is about the first
            return first
        asked.add(other.id)
        model, adjustments = other, adjustments + other.adjustments
    capabilities = model.capabilities
    if lesson is not None:
        learnt = Adjustment(AdjustmentKind.APPLY_LESSON, "model", model.id, lesson.as_text())
        capabilities, adjustments = capabilities.corrected(lesson), (*adjustments, learnt)
    return ResolvedModel(model.id, capabilities, adjustments)


def _plan(
    parsed: ParsedRequest, dialect: Dialect, policy: Policy, *, today: str, betas: str | None
) -> Steps[Plan]:
    request = parsed.decoded.request
    dropped_fields = _plan_dropped_fields(parsed.decoded, betas, policy)
    metadata, replaced_user_id = _plan_metadata(request, policy)
    prompt = parsed.prompt_by(policy.strictness)
    conversation = prompt.conversation
    model = _plan_model(request.model, conversation, policy, today)
    if len(conversation.prefill or "") > STEP_SIZE:
        yield  # trimming it, instructing about it and searching it for stops is a step each
    # A model of unknown capabilities gets the prefill: only upstream can know. If the model that
    # prefills are rerouted to refuses them as well, it is asked to continue in words.
    prefill = plan_prefill(
        conversation,
        takes_prefill=model.capabilities.prefill is not False,
        strategy="continue" if policy.prefill == "reroute" else policy.prefill,
        max_tokens=request.max_tokens_to_sample,
    )
    if len(prefill.echo) > STEP_SIZE:
        yield
    gains_leading_space = policy.leading_space == "legacy" and conversation.prefill is None
    stops = plan_stops(
        request.stop_sequences or (), gains_leading_space=gains_leading_space, echo=prefill.echo
    )
    budget = plan_budget(request.max_tokens_to_sample, model.capabilities)
    sampling = plan_sampling(request, model.capabilities.sampling)
    parts = (model, prefill, stops, budget, sampling)
    asked = request.model
    echoed = LEGACY_ALIASES.get(asked, asked) if dialect.resolves_aliases else asked
    return Plan(
        dialect=dialect,
        asked_model=asked,
        echoed_model=None if policy.echoed_model == "answered" else echoed,
        request=(yield from _messages_request(request, metadata, conversation, *parts)),
        betas=betas if policy.beta_header == "pass" else None,
        emulated_stops=stops.emulated,
        watched_stops=stops.watched,
        echo=prefill.echo,
        trimmed=prefill.trimmed,
        gains_leading_space=gains_leading_space,
        refusal_is_error=policy.refusal == "error",
        adjustments=(
            *model.adjustments,
            *dropped_fields,
            *prompt.adjustments,
            *prefill.adjustments,
            *stops.adjustments,
            *budget.adjustments,
            *sampling.adjustments,
            *replaced_user_id,
        ),
    )


def _messages_request(  # noqa: PLR0913, PLR0917 - all decisions meet here, one argument each
    request: CompletionRequest,
    metadata: Metadata | None,
    conversation: Conversation,
    model: ResolvedModel,
    prefill: PrefillPlan,
    stops: StopPlan,
    budget: BudgetPlan,
    sampling: SamplingPlan,
) -> Steps[MessagesRequest]:
    messages: list[Message] = []
    for start, end in windows(len(conversation.turns), TURNS_PER_STEP):
        if start:
            yield
        messages += [Message(turn.role, turn.text) for turn in conversation.turns[start:end]]
    system = [part for part in (conversation.system, prefill.instruction) if part]
    return MessagesRequest(
        model=model.id,
        max_tokens=budget.max_tokens,
        messages=(*messages, *prefill.closing),
        system="\n\n".join(system) or None,
        stop_sequences=stops.native,
        stream=bool(request.stream),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        metadata=metadata,
        thinking=budget.thinking,
        output_config=budget.output_config,
    )


def _plan_model(
    asked: str, conversation: Conversation, policy: Policy, today: str
) -> ResolvedModel:
    model = _resolve(asked, policy, today)
    refuses = conversation.prefill is not None and model.capabilities.prefill is False
    if policy.prefill != "reroute" or policy.prefill_model is None or not refuses:
        return model
    other = _resolve(policy.prefill_model, policy, today)
    rerouted = Adjustment(AdjustmentKind.REROUTE_PREFILL, "model", model.id, other.id)
    return ResolvedModel(
        other.id, other.capabilities, (*model.adjustments, *other.adjustments, rerouted)
    )


def _plan_metadata(
    request: CompletionRequest, policy: Policy
) -> tuple[Metadata | None, tuple[Adjustment, ...]]:
    """Return the metadata to send: upstream refuses personal user ids and long ones."""
    user_id = request.metadata.user_id if request.metadata else None
    if user_id is None:
        return None, ()
    if policy.strictness == "strict" and len(user_id) > _LONGEST_LEGACY_USER_ID:
        raise InvalidCompletionRequest(
            f"metadata.user_id: ensure this value has at most {_LONGEST_LEGACY_USER_ID} characters;"
            " send an opaque id, such as a UUID or a hash"
        )
    is_too_long = len(user_id) > LONGEST_USER_ID
    opaque = policy.user_ids.get(user_id, _ITS_DIGEST if is_too_long else None)
    if opaque is None:
        return Metadata(user_id), ()
    asked = f"{len(user_id)} characters" if is_too_long else "an address or a number"
    kind = AdjustmentKind.REPLACE_USER_ID
    return Metadata(opaque), (Adjustment(kind, "metadata.user_id", asked, "its keyed digest"),)


def _plan_dropped_fields(
    decoded: DecodedRequest, betas: str | None, policy: Policy
) -> tuple[Adjustment, ...]:
    """Return adjustments for the parts of a request that no Messages request can carry."""
    if decoded.unknown_fields and policy.strictness == "strict":
        # The text was recorded in 2023: legacy-wire 7.3.
        name = decoded.unknown_fields[0]
        raise InvalidCompletionRequest(f"{name}: extra fields not permitted")
    if decoded.lax_error is not None and policy.strictness == "strict":
        raise InvalidCompletionRequest(decoded.lax_error)
    adjustments: list[Adjustment] = []
    for name in decoded.unknown_fields[:_MAX_FIELD_NAMES]:
        kind = AdjustmentKind.DROP_UNKNOWN_FIELD
        adjustments.append(Adjustment(kind, name, "given", "nothing"))
    for lax in decoded.lax_fields:
        kind = AdjustmentKind.READ_LAX_VALUE
        adjustments.append(Adjustment(kind, lax.name, lax.sent, "the value that it stands for"))
    request = decoded.request
    for name, value in (("tags", request.tags), ("disable_checks", request.disable_checks)):
        if value is not None:
            kind = AdjustmentKind.DROP_LEGACY_FIELD
            adjustments.append(Adjustment(kind, name, "given", "nothing"))
    if decoded.lone_surrogates:
        kind = AdjustmentKind.REPLACE_LONE_SURROGATE
        adjustments.append(
            Adjustment(kind, "prompt", f"{decoded.lone_surrogates} halves", "U+FFFD")
        )
    if betas is not None and policy.beta_header == "drop":
        kind = AdjustmentKind.DROP_BETA
        adjustments.append(Adjustment(kind, "anthropic-beta", "given", "nothing"))
    ended = decoded.unsent_headers[:_MAX_FIELD_NAMES]
    adjustments += [
        Adjustment(AdjustmentKind.DROP_HEADER, name, "given", "nothing") for name in ended
    ]
    return tuple(adjustments)
