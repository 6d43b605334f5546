"""`GET /v1/models` and `GET /v1/models/{id}` (messages-wire 5.3)."""

from __future__ import annotations

import datetime
from typing import Final

from starlette.datastructures import QueryParams

from proxy.simulator.api_errors import invalid_request, model_not_found
from proxy.simulator.catalogue.models import EFFORTS, Model, Thinking, find_model
from proxy.simulator.catalogue.served_models import MODELS
from proxy.simulator.checks.authentication import check_version
from proxy.simulator.replies import Reply, json_reply
from proxy.simulator.request_context import RequestContext

_DEFAULT_LIMIT: Final = "20"
_MAX_LIMIT: Final = 1_000
_LIFECYCLES: Final = frozenset({"active", "deprecated", "retired"})
_THINKING_TYPES: Final = ("adaptive", "between_tools", "disabled", "enabled")

# The values of `thinking.type` that models take (messages-wire 1.8).
_SUPPORTED_THINKING_TYPES: Final[dict[Thinking, frozenset[str]]] = {
    Thinking.UNKNOWN: frozenset({"disabled"}),
    Thinking.BUDGET: frozenset({"disabled", "enabled"}),
    Thinking.BUDGET_OR_ADAPTIVE: frozenset({"disabled", "enabled", "adaptive"}),
    Thinking.ADAPTIVE: frozenset({"disabled", "adaptive"}),
    Thinking.ON: frozenset({"disabled", "adaptive"}),
    Thinking.ON_BETWEEN_TOOLS: frozenset({"between_tools", "adaptive"}),
    Thinking.ALWAYS: frozenset({"adaptive"}),
    Thinking.ALWAYS_BY_EFFORT: frozenset({"adaptive"}),
}


def answer_model(context: RequestContext) -> Reply:
    """Describe the model with this id or alias, even if it is retired."""
    check_version(context.headers)
    name = context.path.rpartition("/")[2]
    model = find_model(MODELS, name)
    if model is None:
        raise model_not_found(name)
    return json_reply(_describe(model, context.config.today))


def answer_model_list(context: RequestContext) -> Reply:
    check_version(context.headers)
    # That the parameter may be repeated is *assumed*.
    asked = [*context.query.getlist("lifecycle"), *context.query.getlist("lifecycle[]")]
    if not _LIFECYCLES.issuperset(asked):
        raise invalid_request("lifecycle: Input should be 'active', 'deprecated' or 'retired'")
    wanted = asked or ["active", "deprecated"]
    models = [model for model in MODELS if model.lifecycle(context.config.today) in wanted]
    limit_text = context.query.get("limit", _DEFAULT_LIMIT)
    if not (limit_text.isascii() and limit_text.isdigit()):
        raise invalid_request("limit: Input should be a valid integer")
    limit = int(limit_text)
    if not 1 <= limit <= _MAX_LIMIT:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 1000"
        raise invalid_request(f"limit: Input should be {bound}")
    page, has_more = _page(models, context.query, limit)
    return json_reply(
        {
            "data": [_describe(model, context.config.today) for model in page],
            "has_more": has_more,
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }
    )


def _page(models: list[Model], query: QueryParams, limit: int) -> tuple[list[Model], bool]:
    """Return one page, and whether more follow; an unknown id gives an empty page."""
    ids = [model.id for model in models]
    if (before := query.get("before_id")) is not None:
        end = ids.index(before) if before in ids else 0
        return models[max(0, end - limit) : end], end > limit
    after = query.get("after_id")
    start = 0
    if after is not None:
        start = ids.index(after) + 1 if after in ids else len(ids)
    return models[start : start + limit], start + limit < len(models)


def _describe(model: Model, today: datetime.date) -> dict[str, object]:
    traits = model.traits
    types = _SUPPORTED_THINKING_TYPES[traits.thinking]
    effort = {level: _support(supported=level in traits.efforts) for level in EFFORTS}
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": _midnight(model.released),
        "lifecycle": model.lifecycle(today),
        "deprecated_at": _midnight(model.deprecated),
        "retires_at": _midnight(model.retires),
        "line": model.line,
        "max_input_tokens": traits.context_window,
        "max_tokens": traits.max_tokens,
        # Part of the documented tree, which has no entry for prefill or sampling.
        "capabilities": {
            "batch": _support(supported=True),
            "effort": {"supported": bool(traits.efforts), **effort},
            "thinking": {
                "supported": traits.thinking is not Thinking.UNKNOWN,
                "types": {name: _support(supported=name in types) for name in _THINKING_TYPES},
            },
        },
    }


def _midnight(day: datetime.date | None) -> str | None:
    return None if day is None else f"{day.isoformat()}T00:00:00Z"


def _support(*, supported: bool) -> dict[str, bool]:
    return {"supported": supported}
