from proxy.cli.traffic.show_sections import record_lines, shadow_lines
from proxy.security.redaction import Redacted
from proxy.traffic import GROUPS, MadeAdjustment, TrafficRecord
from tests.record_factory import record, shadow_record


def made(kind: str, *words: str) -> MadeAdjustment:
    return MadeAdjustment(kind, *map(Redacted, words))


def test_every_field_of_a_record_is_in_a_group():
    names = [name for group in GROUPS.values() for name in group]

    assert sorted([*names, "adjustments"]) == sorted(TrafficRecord.__struct_fields__)


def test_what_there_is_to_say_is_said_in_groups():
    said = dict(record_lines(record(features=("system", "top_k"), temperature=0.25)))

    assert list(said) == ["exchange", "who", "asked", "decided", "sent", "answered", "times"]
    assert said["decided"] == "  route  translate\n  why    default"
    assert "  features           system, top_k\n" in said["asked"]
    assert "  temperature        0.25\n" in said["asked"]
    assert "  streamed           no\n" in said["asked"]
    assert "top_p" not in said["asked"]
    assert "sent" not in dict(record_lines(record(sent_model=None)))
    assert "features" not in dict(record_lines(record()))["asked"]


def test_adjustments_are_explained_with_what_to_do_about_them():
    adjustments = (
        made("trim_prefill", "prompt", "1", ""),
        made("of_a_later_version", "f", "\x1b", "b"),
    )
    said = dict(record_lines(record(adjustments=adjustments)))["adjustments"].splitlines()

    assert said[0] == "  trim_prefill  prompt: 1 -> (nothing)"
    assert said[1].startswith("    Upstream refuses white space at the end of a prefill")
    assert said[2] == "    To avoid it: Do not end the prompt with white space."
    assert said[3:] == ["  of_a_later_version  f: \\u001b -> b"]


def test_nothing_in_a_record_is_obeyed():
    said = dict(record_lines(record(user_agent="\x1b[2J", features=("\x9b",))))

    assert said["who"].endswith("user_agent  \\u001b[2J")
    assert "\\u009b" in said["asked"]


def test_a_shadow_says_how_it_compared_or_why_not():
    compared = {"equal": False, "models": ["a", None], "adjustments": [[], ["x"]], "tokens": 1e6}

    leg, said = shadow_lines(shadow_record(comparison=compared))
    _, failed = shadow_lines(shadow_record(comparison=None, failure="status 500"))

    assert leg == "shadow"
    assert said.splitlines() == [
        "  rule         risky",
        "  ended        2026-11-23T09:00:01.000+00:00",
        "  equal        no",
        "  models       a, -",
        "  adjustments  -, x",
        "  tokens       1000000",
    ]
    assert failed.splitlines()[2] == "  failure  status 500"
