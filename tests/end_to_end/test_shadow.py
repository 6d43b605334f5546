"""A shadow: asked after the client had its answer, by a translation of its own, and compared."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from proxy.traffic import Body, decompress, open_store
from proxy.traffic.store.queries import bodies_of, find_by_id
from proxy.traffic.store.store import Store
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import KEY, V1, V2, body, text_of
from tests.waiting import wait_for

pytestmark = pytest.mark.without_coverage

RULES = "\n".join(
    [
        rule("other-model", 'action = "translate"', 'shadow = { model = "claude-sonnet-5" }'),
        rule(
            "other-strategy",
            *('action = "translate"', 'model = "claude-opus-4-8"'),
            'shadow = { model = "claude-opus-4-8", prefill = "instruct" }',
        ),
        rule("forward-beside", 'action = "translate"', 'shadow = "forward"'),
        rule("translate-beside", 'action = "forward"', 'shadow = "translate"'),
        rule("control", 'action = "translate"', 'shadow = { action = "forward", control = true }'),
        rule("control-of-forward", 'action = "forward"', "shadow = { control = true }"),
        *(
            rule(f"share-{share}", 'action = "translate"', f"shadow = {{ share = {share} }}")
            for share in (0, 50, 100)
        ),
        rule("no-shadow", 'action = "translate"'),
        *(
            rule(
                f"capture-{level}",
                *('action = "translate"', f'capture = "{level}"'),
                'shadow = { action = "forward", control = true }',
            )
            for level in ("off", "digest", "full")
        ),
    ]
)
DIALECTS = pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A rule for each kind of shadow."""
    with running_fleet(tmp_path_factory.mktemp("shadow"), RULES) as running:
        yield running


def comparison(fleet: Fleet, answer: httpx.Response, leg: str = "shadow") -> dict[str, Any]:
    """What the log says of an answer's shadow."""
    assert answer.status_code == 200, answer.text
    return fleet.line("shadow", id=fleet.record(answer)["id"], leg=leg)


def all_received(fleet: Fleet, answer: httpx.Response) -> list[dict[str, Any]]:
    """What upstream has received of an exchange, once there is a second request."""
    wait_for(lambda: len(fleet.received(fleet.upstream_url, answer)) == 2)
    return fleet.received(fleet.upstream_url, answer)


@DIALECTS
@FORMS
def test_a_shadow_by_another_model_has_a_translation_of_its_own(fleet, version, stream):
    answer = fleet.ask("other-model", version=version, stream=stream, temperature=0.3)

    said = comparison(fleet, answer)
    primary, shadow = fleet.received(fleet.upstream_url, answer)
    assert primary["body"]["temperature"] == 0.3
    assert "temperature" not in shadow["body"]
    assert shadow["body"]["stream" if stream else "model"] in {True, "claude-sonnet-5"}
    assert said["rule"] == "other-model"
    assert said["models"] == ["claude-haiku-4-5", "claude-sonnet-5"]
    assert said["adjustments"] == [[], ["map_model", "turn_off_thinking", "drop_temperature"]]
    assert (said["equal"], said["similarity"]) == (True, 1.0)
    assert (said["same_stop_reason"], said["stop_reasons"]) == (True, ["stop_sequence"] * 2)
    assert said["characters"][0] == said["characters"][1] > 0
    assert min(said["milliseconds"]) > 0
    assert min(said["input_tokens"] + said["output_tokens"]) > 0


@DIALECTS
@FORMS
def test_a_shadow_may_go_by_another_strategy_for_prefills(fleet, version, stream):
    prompt = "\n\nHuman: Count.\n\nAssistant: One, two,"
    answer = fleet.ask("other-strategy", version=version, stream=stream, prompt=prompt)

    said = comparison(fleet, answer)
    primary, shadow = fleet.received(fleet.upstream_url, answer)
    assert [turn["role"] for turn in primary["body"]["messages"]] == ["user", "assistant", "user"]
    assert [turn["role"] for turn in shadow["body"]["messages"]] == ["user"]
    assert "continue_prefill" in said["adjustments"][0]
    assert "instruct_prefill" in said["adjustments"][1]


@pytest.mark.one_in(4)
@DIALECTS
@FORMS
@pytest.mark.parametrize("case", ["forward-beside", "translate-beside"])
def test_the_old_upstream_and_the_new_are_compared(fleet, case, version, stream):
    answer = fleet.ask(case, version=version, stream=stream, model="claude-2.1")

    said = comparison(fleet, answer)
    mine, other = (1, 0) if case == "translate-beside" else (0, 1)
    assert said["equal"] is False
    assert 0.5 < said["similarity"] < 1
    assert said["models"][mine] == "claude-opus-4-8"
    assert said["models"][other] is None
    assert said["adjustments"][mine] == ["replace_retired_model"]
    assert said["adjustments"][other] == []
    assert said["input_tokens"][other] is said["output_tokens"][other] is None
    assert said["characters"][mine] == len(
        ' You said "Hello" and this is what the simulator answers, in several deltas.'
    )
    assert said["characters"][other] == len(
        ' You said "Hello" and this is what the old API answers.'
    )


def test_a_whole_answer_and_a_stream_are_the_same_text_to_a_comparison(fleet):
    text = {"simulate-text": json.dumps("Grüße 🌳\u2028 and more")}
    whole = fleet.ask("forward-beside", headers=text, model="claude-2.1")
    stream = fleet.ask("forward-beside", headers=text, model="claude-2.1", stream=True)

    # The leading space is Holdover's.
    assert comparison(fleet, whole)["characters"] == [18, 17]
    assert comparison(fleet, stream)["characters"] == [18, 17]


def test_another_reason_to_stop_is_seen(fleet):
    answer = fleet.ask("forward-beside", model="claude-2.1", max_tokens_to_sample=13)

    said = comparison(fleet, answer)
    assert said["stop_reasons"] == ["max_tokens", "stop_sequence"]
    assert said["same_stop_reason"] is False


@FORMS
def test_nothing_is_asked_before_the_client_has_its_answer(fleet, stream):
    slow = {"simulate-delay-headers": "300", "simulate-delay-events": "20"}
    answer = fleet.ask("other-model", stream=stream, headers=slow)

    primary, shadow = all_received(fleet, answer)
    assert (primary["outcome"], shadow["outcome"]) == ("finished", "running")
    assert comparison(fleet, answer)["equal"]


def test_nothing_is_asked_while_a_stream_runs(fleet):
    headers = KEY | V2 | {"x-case": "other-model", "x-marker": "slowly"}
    slow = {"simulate-delay-events": "50"}
    url, request = f"{fleet.url}/v1/complete", body(stream=True)
    with fleet.client.stream("POST", url, json=request, headers=headers | slow) as answer:
        meanwhile = [
            [asked["outcome"] for asked in fleet.received(fleet.upstream_url, answer)]
            for piece in answer.iter_bytes()
            if b'"stop_reason":null' in piece
        ]

    # Who reads slowly may find the stream at its end, and then another one.
    assert len(meanwhile) > 2
    assert meanwhile.count(["running"]) > 1
    assert all(first == "finished" for first, *others in meanwhile if others)
    assert len(all_received(fleet, answer)) == 2


@FORMS
def test_a_control_asks_the_first_question_again(fleet, stream):
    answer = fleet.ask("control", model="claude-2.1", stream=stream)

    control = comparison(fleet, answer, "control")
    primary, again = fleet.received(fleet.upstream_url, answer)
    assert again["body"] == primary["body"]
    assert control["models"] == ["claude-opus-4-8"] * 2
    assert control["equal"] is True
    assert comparison(fleet, answer, "shadow")["models"] == ["claude-opus-4-8", None]


def test_a_control_of_a_forwarded_request_is_forwarded(fleet):
    answer = fleet.ask("control-of-forward", model="claude-2.1")

    assert comparison(fleet, answer, "control")["models"] == [None, None]
    assert comparison(fleet, answer, "shadow")["models"] == [None, "claude-opus-4-8"]
    assert len(fleet.received(fleet.legacy_url, answer)) == 2


@pytest.mark.thorough
@pytest.mark.one_in(3)
@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (50, 60, 140), (100, 200, 200)])
def test_shadows_have_their_share_of_the_traffic(fleet, share, least, most):
    """Of 200, half is 100, give or take 7; six times that is never seen."""
    case = f"share-{share}"
    for _ in range(200):
        assert fleet.ask(case, max_tokens_to_sample=1).status_code == 200
    marker = fleet.ask("other-model")
    comparison(fleet, marker)  # first come, first served
    shadows = wait_for(lambda: compared(fleet, case))[0]

    assert least <= shadows <= most
    assert not fleet.number("holdover_shadows_skipped_total", rule=case)


def compared(fleet: Fleet, case: str) -> tuple[float, ...]:
    """How many shadows of 200 exchanges are compared, once all are that were asked; or nothing."""
    asked = len(fleet.received_with(fleet.upstream_url, "x-case", case)) - 200
    shadows = fleet.number("holdover_shadows_compared_total", rule=case)
    return (shadows,) if asked == shadows else ()


def test_a_rule_without_a_shadow_has_none(fleet):
    answer = fleet.ask("no-shadow")
    comparison(fleet, fleet.ask("other-model"))

    assert len(fleet.received(fleet.upstream_url, answer)) == 1
    assert not fleet.lines("shadow", id=fleet.record(answer)["id"])


def test_what_came_of_shadows_is_counted(fleet):
    before = fleet.number("holdover_shadows_compared_total", rule="control", leg="control")
    answer = fleet.ask("control", model="claude-2.1")
    comparison(fleet, answer, "control")

    same = {"rule": "control", "leg": "control", "equal": "true", "same_stop_reason": "true"}
    other = {"rule": "control", "leg": "shadow", "equal": "false"}
    assert fleet.number("holdover_shadows_compared_total", **same) == before + 1
    assert fleet.number("holdover_shadows_compared_total", **other) >= 1
    assert fleet.number("holdover_shadow_similarity_count", rule="control") >= 2


def test_neither_prompts_nor_answers_are_in_any_line(fleet):
    prompt = "\n\nHuman: canary-prompt\n\nAssistant: canary-prefill"
    said = {"simulate-text": '"canary-answer"'}
    for case in ("other-model", "forward-beside", "translate-beside", "control"):
        answer = fleet.ask(case, headers=said, prompt=prompt, model="claude-2.1")
        assert "canary-answer" in answer.text
        comparison(fleet, answer)
    failing = fleet.ask("forward-beside", prompt=prompt)  # the old upstream does not know the model
    fleet.line("shadow_failed", id=fleet.record(failing)["id"])

    log = fleet.log.read_text()
    assert "canary" not in log
    assert KEY["x-api-key"] not in log


@pytest.fixture(scope="module")
def store(fleet: Fleet) -> Iterator[Store]:
    """The fleet's store, once it is there."""
    file = fleet.state_dir / "traffic" / "traffic.db"
    wait_for(file.exists)
    yield (opened := open_store(f"sqlite:///{file}"))
    opened.close()


def bodies(fleet: Fleet, store: Store, answer: httpx.Response, *parts: str) -> dict[str, Body]:
    """What is kept of an exchange, once these parts are loaded."""
    name = fleet.record(answer)["id"]

    def loaded() -> tuple[dict[str, Body]] | None:
        found = [each for record in find_by_id(store, name, 1) for each in bodies_of(store, record)]
        by_part = {body.part: body for body in found}
        return (by_part,) if by_part.keys() >= set(parts) else None

    return wait_for(loaded)[0]


@pytest.mark.thorough
@FORMS
def test_all_answers_are_kept_redacted_where_bodies_are(fleet, store, stream):
    said = {"simulate-text": json.dumps("Write to ann@example.com, or to the canary.")}
    answer = fleet.ask("capture-full", headers=said, model="claude-2.1", stream=stream)

    parts = ("legacy_back", "shadow_back", "control_back")
    kept = bodies(fleet, store, answer, *parts)
    client, shadow, control = (json.loads(decompress(kept[part].data or b"")) for part in parts)
    heard = text_of(answer.content) if stream else answer.json()["completion"]
    assert heard == " Write to ann@example.com, or to the canary."
    text = "Write to [email], or to the canary."
    assert client["completion"] == f" {text}"
    assert shadow == {"completion": text, "stop_reason": "stop_sequence"}
    assert control == {"completion": f" {text}", "stop_reason": "stop_sequence"}


@pytest.mark.thorough
def test_of_a_shadow_no_more_is_kept_than_of_its_exchange(fleet, store):
    parts = ["shadow_back", "control_back"]
    nothing = fleet.ask("capture-off", model="claude-2.1")
    comparison(fleet, nothing, "control")
    kept = bodies(fleet, store, fleet.ask("capture-digest", model="claude-2.1"), *parts)
    shadow, control = (kept[part] for part in parts)

    assert (shadow.data, control.data) == (None, None)
    assert min(shadow.size, control.size) > 60
    assert shadow.digest != control.digest
    later = fleet.ask("capture-full", model="claude-2.1")
    assert bodies(fleet, store, later, *parts)
    assert bodies(fleet, store, nothing) == {}


def test_a_shadow_that_fails_says_how_and_is_counted(fleet):
    before = fleet.number("holdover_shadows_failed_total", rule="forward-beside", leg="shadow")
    answer = fleet.ask("forward-beside", model="claude-haiku-4-5")

    failed = fleet.line("shadow_failed", id=fleet.record(answer)["id"])
    assert (failed["leg"], failed["reason"]) == ("shadow", "status 400")
    after = fleet.number("holdover_shadows_failed_total", rule="forward-beside", leg="shadow")
    assert (answer.status_code, after - before) == (200, 1)


def test_text_of_a_stream_with_a_shadow_is_whole(fleet):
    answer = fleet.ask("other-model", stream=True)

    assert text_of(answer.content).endswith("in several deltas.")
