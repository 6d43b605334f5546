"""
Generated tables of the pages in deploy/, and the dashboard: `python -m tests.docs` writes them.

A page says where a table belongs: `<!-- table NAME -->` and `<!-- end -->` stand around it. The
tables come from the settings' models, the metrics and what the translators
say of their adjustments, so a page cannot say anything else than the code.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from pydantic import BaseModel

from proxy.config import reload, settings
from proxy.config.build import policy_of
from proxy.config.settings import CallerSettings, ModelFacts, PriceSettings, Settings
from proxy.config.sources import load_settings
from proxy.observability.metrics import Metrics
from proxy.report.readiness import WORK
from proxy.rollout import rule_schema
from proxy.traffic.status import RecordingStatus
from tests import dashboard
from tests.current_state import current_state
from translators import (
    EXPLANATIONS,
    REMEDIES,
    Adjustment,
    AdjustmentKind,
    Capabilities,
    Sampling,
    decode_completion_request,
    dialect_of,
    plan_request,
)

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
Schema: TypeAlias = Mapping[str, Any]

_MARKED: Final = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MEBIBYTE: Final = 1024**2
_TODAY: Final = "2026-11-22"
_TYPES: Final = {
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "number": "number",
    "object": "table",
    "string": "text",
}
_FORMATS: Final = {
    "date": "date",
    "date-time": "date or time",
    "password": "secret",
    "path": "path",
}
_BOUNDS: Final = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}
_WORK: Final = {
    "nothing": "nothing",
    "mechanical": "edit the code",
    "decision": "**decide**",
}

GROUPS: Final = {
    "listening": "host",
    "upstreams": "upstream_url",
    "requests": "max_body_bytes",
    "translation": "strictness",
    "migration": "rollout",
    "traffic": "traffic",
    "running": "admin_token",
}
"""The first setting of each table; those that follow it belong to the same one."""

SHAPES: Final[Mapping[str, type[BaseModel]]] = {
    "rule": rule_schema.RuleSettings,
    "match": rule_schema.Match,
    "route": rule_schema.RouteSettings,
    "fallback": rule_schema.FallbackSettings,
    "shadow": rule_schema.ShadowSettings,
    "guard": rule_schema.Guard,
    "campaign": rule_schema.Campaign,
    "brown_out": rule_schema.BrownOut,
    "caller": CallerSettings,
    "model_facts": ModelFacts,
    "prices": PriceSettings,
}
_ROUTE_FIELDS: Final = frozenset(rule_schema.RouteSettings.model_fields)

_HI: Final = "\n\nHuman: Hi\n\nAssistant:"
_PREFILLED: Final = "\n\nHuman: Hi\n\nAssistant: Once"
_EXAMPLES: Final[Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]] = {
    "replace_retired_model": ({}, {}),
    "replace_gone_model": ({"model": "claude-sonnet-4-6"}, {}),
    "map_model": ({}, {"models": {"claude-2*": "claude-haiku-4-5"}}),
    "apply_lesson": ({"model": "claude-haiku-4-5", "temperature": 0.5}, {}),
    "read_crlf_as_lf": ({"prompt": _HI.replace("\n", "\r\n")}, {}),
    "add_leading_newlines": ({"prompt": _HI.strip()}, {}),
    "trim_trailing_space": ({"prompt": f"{_HI} "}, {}),
    "restore_assistant_marker": ({"prompt": "\n\nHuman: Hi\nAssistant:"}, {}),
    "add_assistant_turn": ({"prompt": "\n\nHuman: Hi"}, {}),
    "treat_as_human_turn": ({"prompt": "Hi\n\nAssistant:"}, {}),
    "add_opening_turn": ({"prompt": "\n\nAssistant: Hi\n\nHuman: Ho\n\nAssistant:"}, {}),
    "fill_empty_turn": (
        {"prompt": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: \n\nAssistant:"},
        {},
    ),
    "drop_empty_turn": ({"prompt": f"\n\nHuman:\n\nAssistant: Yes?{_HI}"}, {}),
    "merge_turns": ({"prompt": f"\n\nHuman: Listen.{_HI}"}, {}),
    "replace_lone_surrogate": ({"prompt": "\n\nHuman: \ud83d\n\nAssistant:"}, {}),
    "trim_prefill": ({"prompt": f"{_PREFILLED}\n"}, {}),
    "continue_prefill": ({"prompt": _PREFILLED}, {}),
    "instruct_prefill": ({"prompt": _PREFILLED}, {"prefill": "instruct"}),
    "reroute_prefill": (
        {"prompt": _PREFILLED},
        {"prefill": "reroute", "prefill_model": "claude-haiku-4-5"},
    ),
    "emulate_stop_sequence": ({"stop_sequences": ["\n"]}, {}),
    "drop_empty_stop_sequence": ({"stop_sequences": [""]}, {}),
    "drop_repeated_stop_sequence": ({"stop_sequences": ["END", "END"]}, {}),
    "cap_max_tokens": ({"max_tokens_to_sample": 200_000}, {}),
    "drop_no_effect_value": ({"top_k": -1}, {}),
    "drop_temperature": ({"temperature": 0.5}, {}),
    "drop_top_p": ({"top_p": 0.5}, {}),
    "drop_top_k": ({"top_k": 40}, {}),
    "turn_off_thinking": ({"model": "claude-sonnet-5"}, {}),
    "lower_effort": ({"model": "claude-opus-5-5"}, {}),
    "add_thinking_headroom": ({"model": "claude-opus-5-5"}, {}),
    "read_lax_value": ({"max_tokens_to_sample": "100"}, {}),
    "replace_user_id": ({"metadata": {"user_id": "ann@example.com"}}, {}),
    "drop_beta": ({}, {}),
    "drop_header": ({}, {}),
    "drop_legacy_field": ({"tags": {"team": "search"}}, {}),
    "drop_unknown_field": ({"logprobs": 5}, {}),
}
"""A request that needs each kind of adjustment, and the settings with which it does."""


@cache
def tables() -> Mapping[str, str]:
    """Return every table by the name that pages know it by."""
    made = dict(zip(GROUPS, _settings_tables(), strict=True))
    for name, shape in SHAPES.items():
        is_route = name != "route" and issubclass(shape, rule_schema.RouteSettings)
        left_out = _ROUTE_FIELDS - {"action"} if is_route else frozenset[str]()
        made[name] = _table(
            ("field", "values", "default", "meaning"),
            [row[:-1] for row in _rows(shape) if row[0] not in left_out],
        )
    return made | {"adjustments": _adjustments(), "metrics": _metrics()}


def filled_in(page: str) -> str:
    """Return a page with its tables as they have to be."""
    made = tables()
    return _MARKED.sub(lambda found: f"{found[1]}{made[found[2]]}{found[3]}", page)


def pages() -> list[Path]:
    """Return the pages that have tables."""
    return [path for path in sorted(DEPLOY.glob("*.md")) if _MARKED.search(path.read_text())]


def _settings_tables() -> Iterator[str]:
    groups: list[list[tuple[str, ...]]] = []
    for row in _rows(Settings):
        if row[0] in GROUPS.values():
            groups.append([])
        groups[-1].append(row)
    for rows in groups:
        yield _table(("setting", "values", "default", "takes effect", "meaning"), _moved(rows))


def _moved(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(name, values, default, when, what) for name, values, default, what, when in rows]


def _rows(shape: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    schema = shape.model_json_schema()
    said = _descriptions(shape)
    for name, field in schema["properties"].items():
        when = "at once" if name in reload._LIVE else "at restart"
        default = "required" if name in schema.get("required", ()) else _default(field)
        yield name, _values(field, schema), default, said[name], when


def _descriptions(shape: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a model's attributes, inherited ones included."""
    said: dict[str, str] = {}
    for each in reversed(shape.__mro__):
        if each.__module__ in {settings.__name__, rule_schema.__name__}:
            body = ast.parse(inspect.getsource(each)).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, text in zip(body.body, body.body[1:], strict=False):
                match field, text:
                    case ast.AnnAssign(target=name), ast.Expr(ast.Constant(str(said_of_it))):
                        said[ast.unparse(name)] = " ".join(said_of_it.split())
    return said


def _values(field: Schema, schema: Schema) -> str:
    """Return what may be written for a field, in words."""
    if alternatives := field.get("anyOf") or field.get("oneOf"):
        kinds = [_values(each, schema) for each in alternatives if each != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    if reference := field.get("$ref"):
        return _values(schema["$defs"][reference.rpartition("/")[2]], schema)
    if words := field.get("enum"):
        is_short = len(words) < len(AdjustmentKind)
        return ", ".join(f"`{word}`" for word in words) if is_short else "adjustments"
    if field["type"] == "array":
        return f"list of {_values(field['items'], schema)}"
    word = _FORMATS.get(field.get("format", "")) or _TYPES[field["type"]]
    bounds = [f"{said} {field[key]}" for key, said in _BOUNDS.items() if key in field]
    return " ".join([word, *bounds])


def _default(field: Schema) -> str:
    match field.get("default"):
        case None | [] | "" | {}:
            return ""
        case bool(flag):
            return f"`{str(flag).lower()}`"
        case int(size) if size >= _MEBIBYTE and size % _MEBIBYTE == 0:
            return f"`{size}` ({size // _MEBIBYTE} MiB)"
        case value:
            return f"`{value}`"


def _adjustments() -> str:
    rows = [
        (
            kind.value,
            f"{example.field}: {example.asked}",
            example.sent or "nothing",
            EXPLANATIONS[kind],
            REMEDIES[kind],
            _WORK[WORK[kind]],
        )
        for kind in AdjustmentKind
        for example in [example_of(kind)]
    ]
    heads = ("name", "asked (example)", "sent", "why", "how to do without it", "to migrate")
    return _table(heads, rows)


def example_of(kind: AdjustmentKind) -> Adjustment:
    """Return the adjustment of this kind that the example of it needs."""
    fields, given = _EXAMPLES[kind.value]
    body = {"model": "claude-2.1", "prompt": _HI, "max_tokens_to_sample": 256, **fields}
    policy = policy_of(load_settings(**given))
    if kind is AdjustmentKind.APPLY_LESSON:
        learnt = Capabilities(sampling=Sampling.NONE)
        policy = replace(policy, lessons={"claude-haiku-4-5": learnt})
    elif kind is AdjustmentKind.REPLACE_GONE_MODEL:
        policy = replace(policy, lessons={"claude-sonnet-4-6": Capabilities(available=False)})
    elif kind is AdjustmentKind.REPLACE_USER_ID:
        policy = replace(policy, user_ids={"ann@example.com": "5f2c"})
    decoded = decode_completion_request(json.dumps(body).encode())
    if kind is AdjustmentKind.DROP_HEADER:
        decoded = msgspec.structs.replace(decoded, unsent_headers=("tenant",))
    plan = plan_request(
        decoded,
        dialect_of("2023-06-01"),
        policy,
        today=_TODAY,
        betas="some-beta" if kind is AdjustmentKind.DROP_BETA else None,
    )
    return next(made for made in plan.adjustments if made.kind is kind)


def _metrics() -> str:
    """Return the numbers of `/metrics`, as Prometheus knows them."""
    metrics = Metrics()
    counted = metrics._registry._collector_to_names
    labels = {name: getattr(each, "_labelnames", ()) for each in counted for name in counted[each]}
    # All that is not counted has a sample, except for rules and models.
    labels["holdover_rule_share_ratio"] = ("rule",)
    labels["holdover_model_retires_timestamp_seconds"] = ("model",)
    state = RecordingStatus(
        problem=None, waiting_bytes=0, loader=None, silent_seconds=0, behind_seconds=0
    )
    current = current_state(state)
    for family in current.collect():
        labels.update((family.name, tuple(sample.labels)) for sample in family.samples)
    text = metrics.as_text(current).decode()
    helped = re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE)
    rows = [
        (name, ", ".join(f"`{label}`" for label in labels.get(name, ())), meaning)
        for name, meaning in helped
        if not name.endswith("_created")
    ]
    return _table(("name", "labels", "meaning"), rows)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *((f"`{row[0]}`", *row[1:]) for row in rows)]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "\\n")


def main() -> None:
    """Write every page and the dashboard anew."""
    for path in pages():
        path.write_text(filled_in(path.read_text()))
    dashboard.FILE.write_text(dashboard.made())


if __name__ == "__main__":
    main()
