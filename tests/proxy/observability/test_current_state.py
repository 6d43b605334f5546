from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from proxy.observability.metrics import Metrics
from proxy.rollout import RetiringModel
from tests.current_state import current_state


def shown(**settings: Any) -> dict[tuple[str, ...], float]:
    """What is exported beside the counts, by name and the values of the labels."""
    return {
        (sample.name.removeprefix("holdover_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(
            Metrics().as_text(current_state(**settings)).decode()
        )
        for sample in family.samples
    }


def test_rules_show_their_shares_and_the_kill_switch_its_route():
    rules = [
        {"name": "canary", "action": "translate", "share": 2.5},
        {"name": "rest", "action": "forward"},
    ]
    at_rest = shown(rollout=rules, legacy_url="http://127.0.0.1:9")
    switched = shown(rollout_override="refuse")

    assert at_rest["rule_share_ratio", "canary"] == 0.025
    assert at_rest["rule_share_ratio", "rest"] == 1
    assert [at_rest["override_active", route] for route in ("translate", "refuse")] == [0, 0]
    assert [switched["override_active", route] for route in ("translate", "refuse")] == [0, 1]


def test_what_runs_by_which_settings_since_when_is_shown():
    now = shown()

    assert now["settings_info", "0123abcd"] == 1
    assert now["settings_loaded_timestamp_seconds",] == 1767225600
    assert [value for name, value in now.items() if name[0] == "build_info"] == [1]
    assert ("journal_waiting_bytes",) not in now


def test_models_that_are_asked_and_end_soon_show_when():
    model = RetiringModel(
        model="claude-opus-4-1",
        retires="2026-08-05",
        days=3,
        successor=None,
        settings=(),
        rules=("canary",),
        callers=(),
    )
    now = shown(retiring=[model])

    assert now["model_retires_timestamp_seconds", "claude-opus-4-1"] == 1785888000
