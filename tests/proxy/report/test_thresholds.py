import pytest

from proxy.report.model import Report
from proxy.report.thresholds import Condition, InvalidCondition, broken_thresholds
from tests.proxy.report.factories import caller, error, readiness, reason, report, standing


def failures(condition: str, given: Report) -> list[str]:
    return list(broken_thresholds(Condition.parse(condition), given))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("readiness<0.95", Condition("readiness", "<", 0.95)),
        (" errors >= .01 ", Condition("errors", ">=", 0.01)),
        ("callers>0", Condition("callers", ">", 0)),
        ("exchanges!=3", Condition("exchanges", "!=", 3)),
        ("callers==3", Condition("callers", "==", 3)),
        ("callers<=3", Condition("callers", "<=", 3)),
    ],
)
def test_a_condition_is_a_name_a_sign_and_a_number(text, condition):
    assert Condition.parse(text) == condition


@pytest.mark.parametrize(
    "text",
    [
        *("", "readiness", "readiness<", "ready<1", "readiness=1", "readiness!1", "readiness<95%"),
        *("readiness<0.9 and errors>0", "readiness<-1", "readiness<1e3", "errors>nan"),
        "0.9>readiness",
    ],
)
def test_anything_else_is_no_condition_and_what_would_be_one_is_said(text):
    with pytest.raises(
        InvalidCondition, match=r"is not a valid condition; write a name \(readiness, "
    ):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("sign", "fails"),
    [("<", [1]), ("<=", [1, 2]), (">", [3]), (">=", [2, 3]), ("==", [2]), ("!=", [1, 3])],
)
def test_every_sign_means_what_it_says(sign, fails):
    condition = Condition("callers", sign, 2)

    assert [number for number in (1, 2, 3) if condition.holds_for(number)] == fails


def test_a_caller_that_is_not_ready_is_named_with_what_it_takes():
    decision, edit = reason(share=0.4), reason("mechanical", name="merge_turns")
    given = report(caller(readiness=readiness(0.6, decision, edit)), caller("good"))

    assert failures("readiness<0.95", given) == [
        "nightly-batch: its readiness is 0.6: continue_prefill in 40 % (readiness<0.95)"
    ]


def test_a_readiness_that_is_not_known_fails_whatever_is_asked():
    given = report(caller(readiness=readiness(None)))

    for condition in ("readiness<0.1", "readiness>0.9"):
        [said] = failures(condition, given)
        assert said.startswith("nightly-batch: its readiness is not known")


def test_callers_that_are_not_shown_are_asked_too():
    hidden = standing(
        caller(None, digest="ffff", exchanges=1, error_share=0.5, readiness=readiness(0.5))
    )
    given = report(caller(), standings=(hidden,))

    assert failures("readiness<1", given) == [
        "ffff: its readiness is 0.5; use `--caller` to see why (readiness<1)"
    ]
    assert failures("errors>0.1", given) == [
        "ffff: its share of errors is 0.5; use `--caller` to see why (errors>0.1)"
    ]


def test_errors_are_named():
    given = report(caller(error_share=0.02, errors=(error(), error(status=400, type="bad\x1b"))))

    assert failures("errors>0.01", given) == [
        "nightly-batch: its share of errors is 0.02: 1 times 529 overloaded_error;"
        " 1 times 400 bad\\u001b (errors>0.01)"
    ]
    assert failures("errors>0.05", given) == []


def test_a_condition_that_holds_for_no_reason_has_none():
    assert failures("readiness>=1", report(caller())) == [
        "nightly-batch: its readiness is 1 (readiness>=1)"
    ]


def test_callers_and_exchanges_are_counted_together():
    given = report(caller("a"), caller("b"))

    assert failures("callers>1", given) == ["2 callers (callers>1)"]
    assert failures("exchanges>=20", given) == ["20 exchanges (exchanges>=20)"]
    assert failures("callers>2", given) == []


@pytest.mark.parametrize("condition", ["readiness<1", "errors>=0"])
def test_where_nobody_can_be_asked_that_fails(condition):
    assert failures(condition, report()) == [
        f"there is no caller to judge: No caller used Text Completions. ({condition})"
    ]
    assert failures(condition, report(caller="nigh\x1btly")) == [
        "there is no caller to judge: No caller named nigh\\u001btly used Text "
        "Completions."
        f" ({condition})"
    ]


def test_nobody_is_not_too_many():
    for condition in ("callers>0", "exchanges>0"):
        assert failures(condition, report()) == []


def test_of_many_that_fail_the_first_are_named():
    given = report(*(caller(f"c{n}", error_share=1.0) for n in range(123)))

    said = failures("errors>0", given)

    assert said[19] == "c19: its share of errors is 1 (errors>0)"
    assert said[20:] == ["103 more callers (errors>0)"]
