from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.adjustments import AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.models.catalogue import Capabilities, Catalogue, Model, Sampling
from translators.models.known import KNOWN_MODELS, LIVE
from translators.plan import Plan, Policy, plan_in_steps, plan_request
from translators.prompt import TURNS_PER_STEP, parse_request
from translators.steps import STEP_SIZE
from translators.wire.completion_requests import (
    CompletionMetadata,
    CompletionRequest,
    DecodedRequest,
    LaxField,
)
from translators.wire.dialects import V1, V2
from translators.wire.messages import Message, MessagesRequest, encode_request

TODAY = "2026-11-22"
HI = "\n\nHuman: Hi\n\nAssistant:"
STOP = "\n\nHuman:"
CONTINUE = (
    "Your previous response was interrupted and ended with `{`. Continue from where you left off."
)
ANCHOR = (
    " Begin by repeating its last few words exactly as they are; they will be taken off, so that"
    " what follows them is joined in the right place."
)


def ask(model, prompt=HI, tokens=50, **given):
    """Plan one request; what is no field of it goes to where it belongs."""
    dialect, policy = given.pop("dialect", V2), given.pop("policy", Policy())
    lax, unsent = given.pop("lax", ()), given.pop("unsent", ())
    betas, unknown, lone = given.pop("betas", None), given.pop("unknown", ()), given.pop("lone", 0)
    request = CompletionRequest(model=model, prompt=prompt, max_tokens_to_sample=tokens, **given)
    problem = "stream: no" if lax else None
    decoded = DecodedRequest(request, unknown, lone, lax, problem, unsent)
    return plan_request(decoded, dialect, policy, today=TODAY, betas=betas)


def sent(plan):
    return msgspec.json.decode(encode_request(plan.request))


def told(plan):
    return [f"{a.kind.value} {a.field}: {a.asked} -> {a.sent}" for a in plan.adjustments]


def body(model, *texts, tokens=50, **fields):
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts or ("Hi",))]
    rest = {"stop_sequences": [STOP]} | fields
    return {"model": model, "max_tokens": tokens, "messages": messages} | rest


def test_a_whole_plan():
    plan = ask(
        "claude-2",
        "Be brief.\n\nHuman: JSON\n\nAssistant: {\n",
        stop_sequences=("\n\n", "END"),
        stream=True,
        metadata=CompletionMetadata("u"),
    )

    assert plan == Plan(
        dialect=V2,
        asked_model="claude-2",
        echoed_model="claude-2.0",
        request=MessagesRequest(
            model="claude-opus-4-8",
            max_tokens=50,
            messages=(
                Message("user", "JSON"),
                Message("assistant", "{"),
                Message("user", CONTINUE),
            ),
            system="Be brief.",
            stop_sequences=("END", STOP),
            stream=True,
            metadata=plan.request.metadata,
        ),
        betas=None,
        emulated_stops=("\n\n",),
        watched_stops=("END", STOP, "\n\n"),
        echo="{",
        trimmed="\n",
        gains_leading_space=False,
        adjustments=plan.adjustments,
    )
    assert plan.request.metadata is not None
    assert plan.request.metadata.user_id == "u"
    assert told(plan) == [
        "replace_retired_model model: claude-2 -> claude-opus-4-8",
        r"trim_prefill prompt: '\n' -> nothing",
        "continue_prefill prompt: a prefill -> a request to continue it",
        r"emulate_stop_sequence stop_sequences: '\n\n' -> emulated",
    ]
    assert (plan.sent_model, plan.is_streamed) == ("claude-opus-4-8", True)
    assert plan.adjustment_names == tuple(name.split()[0] for name in told(plan))


ALL_SAMPLING = {"temperature": 0.5, "top_p": 0.7, "top_k": 5}
DEFAULTS_OF_HAYSTACK = {"temperature": 1, "top_p": -1, "top_k": -1}
DEFAULTS_OF_LANGCHAIN = {"temperature": 1.0, "top_p": 1, "top_k": 0}
PREFILL = "\n\nHuman: Hi\n\nAssistant: {"
TO_OPUS = "claude-opus-4-8"
TO_HAIKU = "claude-haiku-4-5-20251001"
CONTINUED = "continue_prefill prompt: a prefill -> a request to continue it"
DISABLED = {"thinking": {"type": "disabled"}}
LOW = {"output_config": {"effort": "low"}}
NO_TEMPERATURE = "drop_temperature temperature: 0.5 -> nothing"
NO_TOP_P = "drop_top_p top_p: 0.7 -> nothing"
NO_TOP_K = "drop_top_k top_k: 5 -> nothing"


def retired(name, successor):
    return f"replace_retired_model model: {name} -> {successor}"


# What each kind of model is asked, and what was changed to ask it.
TABLE = {
    "claude-2": (
        ask("claude-2"),
        body(TO_OPUS),
        [retired("claude-2", TO_OPUS)],
    ),
    "claude-2 with everything": (
        ask("claude-2", PREFILL, 100_000_000, **ALL_SAMPLING),
        body(TO_OPUS, "Hi", "{", CONTINUE + ANCHOR, tokens=128_000),
        [
            retired("claude-2", TO_OPUS),
            CONTINUED,
            "cap_max_tokens max_tokens_to_sample: 100000000 -> 128000",
            *(NO_TEMPERATURE, NO_TOP_P, NO_TOP_K),
        ],
    ),
    "claude-instant-1.2": (
        ask("claude-instant-1.2"),
        body(TO_HAIKU),
        [retired("claude-instant-1.2", TO_HAIKU)],
    ),
    "claude-instant-1.2 with everything": (
        ask("claude-instant-1.2", PREFILL, 100_000, **ALL_SAMPLING),
        body(TO_HAIKU, "Hi", "{", tokens=64_000, temperature=0.5, top_k=5),
        [
            retired("claude-instant-1.2", TO_HAIKU),
            "cap_max_tokens max_tokens_to_sample: 100000 -> 64000",
            NO_TOP_P,
        ],
    ),
    "claude-1.3 as haystack asks": (
        ask("claude-1.3", HI + " ", stop_sequences=("\n\nHuman: ",), **DEFAULTS_OF_HAYSTACK),
        body(TO_HAIKU, stop_sequences=["\n\nHuman: ", STOP], temperature=1.0),
        [
            retired("claude-1.3", TO_HAIKU),
            "trim_trailing_space prompt: white space -> ",
            "drop_no_effect_value top_p: -1 -> nothing",
            "drop_no_effect_value top_k: -1 -> nothing",
        ],
    ),
    "claude-1.3 as langchain asks": (
        ask(
            "claude-1.3",
            "\n\nHuman: Hi\n\nAssistant: Sure, here you go:\n",
            256,
            stop_sequences=(STOP, "\n\nAssistant:"),
            **DEFAULTS_OF_LANGCHAIN,
        ),
        body(
            TO_HAIKU,
            "Hi",
            "Sure, here you go:",
            tokens=256,
            stop_sequences=[STOP, "\n\nAssistant:"],
            temperature=1.0,
        ),
        [
            retired("claude-1.3", TO_HAIKU),
            r"trim_prefill prompt: '\n' -> nothing",
            "drop_no_effect_value top_p: 1 -> nothing",
            "drop_no_effect_value top_k: 0 -> nothing",
        ],
    ),
    "claude-haiku-4-5: prefill, one of two": (
        ask("claude-haiku-4-5", PREFILL, **ALL_SAMPLING),
        body("claude-haiku-4-5", "Hi", "{", temperature=0.5, top_k=5),
        [NO_TOP_P],
    ),
    "claude-opus-4-6: no prefill, one of two": (
        ask("claude-opus-4-6", PREFILL, temperature=1, top_p=0.7),
        body("claude-opus-4-6", "Hi", "{", CONTINUE, top_p=0.7),
        [CONTINUED, "drop_no_effect_value temperature: 1 -> nothing"],
    ),
    "claude-opus-4-7: neither": (
        ask("claude-opus-4-7", PREFILL, top_p=0.7),
        body("claude-opus-4-7", "Hi", "{", CONTINUE),
        [CONTINUED, NO_TOP_P],
    ),
    "claude-sonnet-5: thinks, can stop": (
        ask("claude-sonnet-5"),
        body("claude-sonnet-5", **DISABLED),
        ["turn_off_thinking thinking: nothing -> disabled"],
    ),
    "claude-sonnet-5-5: thinks, stops in other words": (
        ask("claude-sonnet-5-5"),
        body("claude-sonnet-5-5", thinking={"type": "between_tools"}),
        ["turn_off_thinking thinking: nothing -> between_tools"],
    ),
    "claude-opus-5-5: always thinks, tiny budget": (
        ask("claude-opus-5-5", tokens=1),
        body("claude-opus-5-5", tokens=4_097, **LOW),
        [
            "lower_effort output_config.effort: nothing -> low",
            "add_thinking_headroom max_tokens_to_sample: 1 -> 4097",
        ],
    ),
    "claude-fable-5-2: always thinks, huge budget": (
        ask("claude-fable-5-2", tokens=1_000_000),
        body("claude-fable-5-2", tokens=128_000, **LOW),
        [
            "cap_max_tokens max_tokens_to_sample: 1000000 -> 128000",
            "lower_effort output_config.effort: nothing -> low",
        ],
    ),
    "unknown model: nothing is changed on its account": (
        ask("my-model", PREFILL, 100_000_000, **ALL_SAMPLING),
        body("my-model", "Hi", "{", tokens=100_000_000, **ALL_SAMPLING),
        [],
    ),
    "unknown model: but what is refused everywhere is": (
        ask("my-model", PREFILL + " ", stop_sequences=("\n", ""), **DEFAULTS_OF_HAYSTACK),
        body("my-model", "Hi", "{", temperature=1.0),
        [
            "trim_prefill prompt: ' ' -> nothing",
            r"emulate_stop_sequence stop_sequences: '\n' -> emulated",
            'drop_empty_stop_sequence stop_sequences: "" -> nothing',
            "drop_no_effect_value top_p: -1 -> nothing",
            "drop_no_effect_value top_k: -1 -> nothing",
        ],
    ),
    "very old client": (
        ask("claude-haiku-4-5", tags={"a": "b"}, disable_checks=False, stream=False, lone=2),
        body("claude-haiku-4-5"),
        [
            "drop_legacy_field tags: given -> nothing",
            "drop_legacy_field disable_checks: given -> nothing",
            "replace_lone_surrogate prompt: 2 halves -> U+FFFD",
        ],
    ),
    "fields nobody knows": (
        ask("claude-haiku-4-5", unknown=("maxOutputTokens", "x" * 100)),
        body("claude-haiku-4-5"),
        [
            "drop_unknown_field maxOutputTokens: given -> nothing",
            f"drop_unknown_field {'x' * 100}: given -> nothing",
        ],
    ),
    "a beta header": (
        ask("claude-haiku-4-5", betas="x-2024"),
        body("claude-haiku-4-5"),
        ["drop_beta anthropic-beta: given -> nothing"],
    ),
    "a user, streamed": (
        ask("claude-haiku-4-5", metadata=CompletionMetadata("u"), stream=True),
        body("claude-haiku-4-5", stream=True, metadata={"user_id": "u"}),
        [],
    ),
    "nobody": (
        ask("claude-haiku-4-5", metadata=CompletionMetadata(None)),
        body("claude-haiku-4-5"),
        [],
    ),
    "few shots and a system prompt": (
        ask("claude-haiku-4-5", "Add.\n\nHuman: 1+1\n\nAssistant: 2\n\nHuman: 2+2\n\nAssistant:"),
        body("claude-haiku-4-5", "1+1", "2", "2+2", system="Add."),
        [],
    ),
}


@pytest.mark.parametrize(("plan", "messages_request", "adjustments"), TABLE.values(), ids=TABLE)
def test_what_is_sent_and_what_was_changed(plan, messages_request, adjustments):
    assert sent(plan) == messages_request
    assert told(plan) == adjustments


INSTRUCTION = (
    "Your response is appended, as it is, to this text, which you have already written:\n\n{\n\n"
    "Continue exactly where it ends and do not repeat any of it."
)


def test_instruct_tells_the_system_behind_what_the_client_told_it():
    plan = ask("claude-2", "Be brief." + PREFILL, policy=Policy(prefill="instruct"))

    assert sent(plan) == body(TO_OPUS, system=f"Be brief.\n\n{INSTRUCTION}")
    assert plan.echo == "{"


def test_reroute_asks_a_model_that_takes_prefill():
    policy = Policy(prefill="reroute", prefill_model="claude-haiku-4-5")

    plan = ask("claude-2", PREFILL, policy=policy)
    assert sent(plan) == body("claude-haiku-4-5", "Hi", "{")
    assert told(plan) == [
        retired("claude-2", TO_OPUS),
        "reroute_prefill model: claude-opus-4-8 -> claude-haiku-4-5",
    ]
    assert plan.echo == ""


@pytest.mark.parametrize(
    ("model", "prompt"),
    [("claude-2", HI), ("claude-instant-1", PREFILL), ("my-model", PREFILL)],
    ids=["no prefill", "takes prefill", "may take prefill"],
)
def test_reroute_only_where_it_helps(model, prompt):
    policy = Policy(prefill="reroute", prefill_model="claude-opus-4-5")

    assert ask(model, prompt, policy=policy).sent_model in {TO_OPUS, TO_HAIKU, "my-model"}


@pytest.mark.parametrize("prefill_model", [None, "claude-opus-5"])
def test_reroute_to_nowhere_asks_to_continue(prefill_model):
    policy = Policy(prefill="reroute", prefill_model=prefill_model)

    assert told(ask("claude-2", PREFILL, policy=policy))[-2:] != []
    assert ask("claude-2", PREFILL, policy=policy).echo == "{"


def test_reroute_to_a_retired_model_says_both():
    policy = Policy(prefill="reroute", prefill_model="claude-instant-1")

    assert told(ask("claude-2", PREFILL, policy=policy)) == [
        retired("claude-2", TO_OPUS),
        retired("claude-instant-1", TO_HAIKU),
        f"reroute_prefill model: {TO_OPUS} -> {TO_HAIKU}",
    ]


def test_reject_refuses_what_the_model_would():
    policy = Policy(prefill="reject")

    with pytest.raises(InvalidCompletionRequest, match="takes no text after"):
        ask("claude-2", PREFILL, policy=policy)
    assert ask("claude-instant-1", PREFILL, policy=policy).sent_model == TO_HAIKU


def test_operators_map_comes_first():
    catalogue = Catalogue(models=KNOWN_MODELS.models, overrides={"claude-2*": "claude-haiku-4-5"})

    assert told(ask("claude-2.1", policy=Policy(catalogue=catalogue))) == [
        "map_model model: claude-2.1 -> claude-haiku-4-5"
    ]


def test_model_that_takes_all_three_gets_them():
    capabilities = Capabilities(sampling=Sampling.ALL)
    catalogue = Catalogue(models=(Model(id="m", capabilities=capabilities),))

    plan = ask("m", policy=Policy(catalogue=catalogue), **ALL_SAMPLING)
    assert sent(plan) == body("m", **ALL_SAMPLING)


@pytest.mark.parametrize(
    ("asked", "dialect", "echoed"),
    [
        ("claude-2", V2, "claude-2.0"),
        ("claude-1", V2, "claude-1.3"),
        ("claude-v1", V2, "claude-v1.3"),
        ("claude-instant-1", V2, "claude-instant-1.2"),
        ("claude-2.1", V2, "claude-2.1"),
        ("claude-haiku-4-5", V2, "claude-haiku-4-5"),
        ("my-model", V2, "my-model"),
        ("claude-2", V1, "claude-2"),
        ("claude-v1", V1, "claude-v1"),
    ],
)
def test_the_answer_names_the_model_as_the_legacy_api_did(asked, dialect, echoed):
    assert ask(asked, dialect=dialect).echoed_model == echoed


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_the_answer_names_the_one_that_answered_where_the_operator_wants_it(dialect):
    assert (
        ask("claude-2", dialect=dialect, policy=Policy(echoed_model="answered")).echoed_model
        is None
    )


@pytest.mark.parametrize(
    ("prompt", "leading_space", "gains"),
    [
        (HI, "legacy", True),
        (HI + " ", "legacy", True),
        (PREFILL, "legacy", False),
        (HI, "raw", False),
        (PREFILL, "raw", False),
    ],
)
def test_a_completion_that_continues_nothing_begins_with_a_space(prompt, leading_space, gains):
    policy = Policy(leading_space=leading_space)

    assert ask("claude-2", prompt, policy=policy).gains_leading_space is gains


def test_stop_that_the_leading_space_may_complete_is_emulated_as_well():
    assert ask("claude-2", stop_sequences=(" a",)).emulated_stops == (" a",)
    assert ask("claude-2", PREFILL, stop_sequences=(" a",)).emulated_stops == ()


def test_betas_are_passed_where_the_operator_wants_it():
    plan = ask("claude-haiku-4-5", betas="x-2024", policy=Policy(beta_header="pass"))

    assert (plan.betas, told(plan)) == ("x-2024", [])


def test_strict_refuses_fields_in_the_words_of_2023():
    with pytest.raises(InvalidCompletionRequest) as refused:
        ask("claude-2", policy=Policy(strictness="strict"), unknown=("maxOutputTokens", "b"))

    assert str(refused.value) == "maxOutputTokens: extra fields not permitted"


def test_strict_repeats_no_more_of_a_name_than_lenient_does():
    with pytest.raises(InvalidCompletionRequest) as refused:
        ask("claude-2", policy=Policy(strictness="strict"), unknown=("x" * 100,))

    assert str(refused.value) == "x" * 100 + ": extra fields not permitted"


def test_strict_refuses_prompts_and_lenient_mends_them():
    with pytest.raises(InvalidCompletionRequest, match="prompt must end with"):
        ask("claude-haiku-4-5", "\n\nHuman: Hi", policy=Policy(strictness="strict"))

    assert told(ask("claude-haiku-4-5", "\n\nHuman: Hi")) == [
        "add_assistant_turn prompt: no final Assistant turn -> one"
    ]


LAST_SONNET = DecodedRequest(
    CompletionRequest(model="claude-sonnet-4-5", prompt=PREFILL, max_tokens_to_sample=5)
)


def test_the_day_decides_what_a_model_still_is():
    before = plan_request(LAST_SONNET, V2, Policy(), today="2026-11-29")
    after = plan_request(LAST_SONNET, V2, Policy(), today="2026-11-30")

    assert (before.sent_model, before.echo) == ("claude-sonnet-4-5", "")
    assert (after.sent_model, after.echo) == ("claude-sonnet-5-5", "{")


def test_a_lax_value_is_refused_by_a_strict_reading_in_its_own_words():
    with pytest.raises(InvalidCompletionRequest, match="stream: no"):
        ask("claude-2", lax=(LaxField("stream", "a string"),), policy=Policy(strictness="strict"))


# One request for each kind of adjustment; the last word on whether all of them exist.
PRODUCED: dict[str, dict[str, Any]] = {
    "replace_retired_model": {"model": "claude-2"},
    "replace_gone_model": {"model": "claude-sonnet-5"},
    "map_model": {"model": "mapped"},
    "apply_lesson": {"model": "claude-opus-4-7", "prompt": PREFILL},
    "read_crlf_as_lf": {"prompt": HI.replace("\n", "\r\n")},
    "add_leading_newlines": {"prompt": "Human: Hi\n\nAssistant:"},
    "trim_trailing_space": {"prompt": HI + " "},
    "restore_assistant_marker": {"prompt": "\n\nHuman: Hi\nAssistant:"},
    "add_assistant_turn": {"prompt": "\n\nHuman: Hi"},
    "treat_as_human_turn": {"prompt": "Hi\n\nAssistant:"},
    "add_opening_turn": {"prompt": "\n\nAssistant: Once"},
    "fill_empty_turn": {"prompt": HI + " Yes?\n\nHuman:\n\nAssistant:"},
    "drop_empty_turn": {"prompt": "\n\nHuman:" + HI},
    "merge_turns": {"prompt": "\n\nHuman: Hi" + HI},
    "replace_lone_surrogate": {"lone": 1},
    "trim_prefill": {"prompt": PREFILL + "\n"},
    "continue_prefill": {"model": "claude-opus-4-6", "prompt": PREFILL},
    "instruct_prefill": {"model": "claude-opus-4-6", "prompt": PREFILL, "prefill": "instruct"},
    "reroute_prefill": {"model": "claude-opus-4-6", "prompt": PREFILL, "prefill": "reroute"},
    "emulate_stop_sequence": {"stop_sequences": ("\n",)},
    "drop_empty_stop_sequence": {"stop_sequences": ("",)},
    "drop_repeated_stop_sequence": {"stop_sequences": ("END", "END")},
    "cap_max_tokens": {"tokens": 10**9},
    "drop_no_effect_value": {"top_k": -1},
    "drop_temperature": {"model": "claude-opus-4-8", "temperature": 0.5},
    "drop_top_p": {"model": "claude-opus-4-8", "top_p": 0.5},
    "drop_top_k": {"model": "claude-opus-4-8", "top_k": 5},
    "turn_off_thinking": {"model": "claude-opus-5"},
    "lower_effort": {"model": "claude-opus-5-5"},
    "add_thinking_headroom": {"model": "claude-opus-5-5"},
    "read_lax_value": {"lax": (LaxField("stream", "a string"),)},
    "replace_user_id": {"metadata": CompletionMetadata("ann@example.com")},
    "drop_beta": {"betas": "x"},
    "drop_header": {"unsent": ("tenant",)},
    "drop_legacy_field": {"tags": {}},
    "drop_unknown_field": {"unknown": ("x",)},
}


@pytest.mark.parametrize("kind", AdjustmentKind, ids=lambda kind: kind.value)
def test_every_kind_of_adjustment_is_produced_by_some_request(kind):
    given_fields = {"model": "claude-haiku-4-5", **PRODUCED[kind.value]}
    catalogue = Catalogue(models=KNOWN_MODELS.models, overrides={"mapped": "claude-haiku-4-5"})
    policy = Policy(
        catalogue=catalogue,
        prefill=given_fields.pop("prefill", "continue"),
        prefill_model="claude-haiku-4-5",
        lessons={
            "claude-opus-4-7": Capabilities(prefill=True),
            "claude-sonnet-5": Capabilities(available=False),
        },
        user_ids={"ann@example.com": "5f2c"},
    )

    assert kind in {a.kind for a in ask(policy=policy, **given_fields).adjustments}


def test_a_lesson_counts_for_more_than_the_catalogue():
    policy = Policy(lessons={"claude-opus-4-8": Capabilities(prefill=True, sampling=Sampling.ALL)})

    plan = ask("claude-2", PREFILL, temperature=0.5, policy=policy)

    assert sent(plan)["temperature"] == 0.5
    assert (sent(plan)["messages"][-1]["role"], plan.echo) == ("assistant", "")
    assert told(plan)[1] == "apply_lesson model: claude-opus-4-8 -> prefill=yes, sampling=all"


def test_a_lesson_that_changes_nothing_is_not_mentioned():
    policy = Policy(lessons={"claude-opus-4-8": Capabilities(prefill=True)})

    assert told(ask("claude-opus-4-8", policy=policy)) == []


def test_where_upstream_has_no_successor_either_the_first_is_asked_for():
    """So that its answer, an error, is of the model that the client's name stands for."""
    every = {model.id: Capabilities(available=False) for model in KNOWN_MODELS.models}

    plan = ask("claude-2.1", policy=Policy(lessons=every))

    assert sent(plan)["model"] == "claude-opus-4-8"
    assert told(plan) == told(ask("claude-2.1"))


def test_an_adjustment_that_is_refused_becomes_an_error_that_says_what_to_change():
    policy = Policy(refuse=frozenset({AdjustmentKind.DROP_TOP_K}))

    assert ask("claude-haiku-4-5", top_k=5, policy=policy)
    with pytest.raises(InvalidCompletionRequest) as refused:
        ask("claude-2", top_k=5, policy=policy)

    assert str(refused.value) == (
        "top_k: The model takes no `top_k`; it was left out. Such requests are refused here "
        "(drop_top_k). Leave out `top_k`."
    )


@pytest.mark.parametrize("length", [0, 256, 512])
def test_a_user_id_that_upstream_takes_is_sent_as_it_is(length):
    plan = ask("claude-haiku-4-5", metadata=CompletionMetadata("u" * length))

    assert sent(plan)["metadata"] == {"user_id": "u" * length}
    assert told(plan) == []


@pytest.mark.parametrize(
    ("user_ids", "expected"),
    [({"u" * 513: "5f2c"}, "5f2c"), ({}, "THE KEYED DIGEST OF THE USER ID")],
    ids=["where it is sent", "where it is only explained"],
)
def test_a_user_id_that_is_too_long_for_upstream_becomes_a_digest(user_ids, expected):
    metadata, policy = CompletionMetadata("u" * 513), Policy(user_ids=user_ids)
    plan = ask("claude-haiku-4-5", metadata=metadata, policy=policy)

    assert sent(plan)["metadata"] == {"user_id": expected}
    assert told(plan) == [
        "replace_user_id metadata.user_id: 513 characters -> its keyed digest",
    ]


def test_a_user_id_that_was_too_long_for_the_legacy_api_is_refused_by_a_strict_reading():
    strict = Policy(strictness="strict")

    assert ask("claude-haiku-4-5", metadata=CompletionMetadata("u" * 256), policy=strict)
    with pytest.raises(InvalidCompletionRequest) as refused:
        ask("claude-haiku-4-5", metadata=CompletionMetadata("u" * 257), policy=strict)

    assert str(refused.value) == (
        "metadata.user_id: ensure this value has at most 256 characters; send an opaque id, such "
        "as a UUID or a hash"
    )


CANARY = "canary"
PROMPTS = st.lists(
    st.sampled_from(
        [*("\n\nHuman:", "\n\nAssistant:", "Human:", "Assistant:", CANARY, " ", "\n", "é")]
    ),
    max_size=8,
).map(lambda parts: "".join([*parts, CANARY]))


@given(
    prompt=PROMPTS,
    stops=st.lists(st.sampled_from([CANARY, "\n", "", f" {CANARY}"]), max_size=3),
    model=st.sampled_from(["claude-2", "claude-instant-1", "claude-opus-5", "my-model"]),
    prefill=st.sampled_from(["continue", "instruct", "reroute", "reject"]),
    strictness=st.sampled_from(["strict", "lenient"]),
)
def test_adjustments_and_refusals_never_repeat_what_was_said(
    prompt, stops, model, prefill, strictness
):
    policy = Policy(prefill=prefill, prefill_model="claude-haiku-4-5", strictness=strictness)
    try:
        plan = ask(model, prompt, stop_sequences=tuple(stops), policy=policy)
    except InvalidCompletionRequest as refused:
        repeated = str(refused)
    else:
        repeated = "".join(f"{a.field}{a.asked}{a.sent}" for a in plan.adjustments)

    assert CANARY not in repeated


@given(
    prompt=PROMPTS,
    model=st.sampled_from([model.id for model in LIVE]),
    tokens=st.sampled_from([1, 50, 1_000_000]),
    sampling=st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.sampled_from([0, 0.5, 1]),
            "top_p": st.sampled_from([-1, 0, 0.5, 1]),
            "top_k": st.sampled_from([-1, 0, 5]),
        },
    ),
    stops=st.lists(st.sampled_from(["\n", "", "END", " a"]), max_size=2),
)
def test_no_live_model_is_asked_what_it_is_known_to_refuse(prompt, model, tokens, sampling, stops):
    request = sent(ask(model, prompt, tokens, stop_sequences=tuple(stops), **sampling))

    known = KNOWN_MODELS.find(model)
    assert known is not None
    takes = known.capabilities
    last = request["messages"][-1]
    assert takes.prefill or last["role"] == "user"
    assert all(message["content"].strip() for message in request["messages"])
    assert last["role"] == "user" or last["content"] == last["content"].rstrip()
    assert not {"temperature", "top_p"} <= request.keys()
    assert takes.sampling is not Sampling.NONE or not request.keys() & sampling.keys()
    assert takes.max_output_tokens is None or request["max_tokens"] <= takes.max_output_tokens
    assert all(stop.strip() for stop in request.get("stop_sequences", []))
    assert request.get("top_k", 1) > 0
    assert request.get("top_p", 1) >= 0


def planned_in_steps(model, prompt):
    """The plan, and how often the work on it, beside parsing, can be put down."""
    decoded = DecodedRequest(CompletionRequest(model=model, prompt=prompt, max_tokens_to_sample=5))
    planning = plan_in_steps(parse_request(decoded), V2, Policy(), today=TODAY)
    return plan_request(decoded, V2, Policy(), today=TODAY), sum(1 for _ in planning)


def test_a_long_request_is_planned_like_a_short_one_in_steps():
    long = "a" * (2 * STEP_SIZE)
    prompt = f"\n\nHuman: b\n\nAssistant: {long}"

    plan, steps = planned_in_steps("claude-opus-4-8", prompt)

    assert plan.echo == long
    assert plan.request.messages[:2] == (Message("user", "b"), Message("assistant", long))
    assert steps == 2  # before it is trimmed, and looked through


def test_many_turns_become_messages_a_few_at_a_time():
    pairs = 3 * TURNS_PER_STEP // 2
    prompt = "\n\nHuman:a\n\nAssistant:b" * pairs + "\n\nHuman:c\n\nAssistant:"

    plan, steps = planned_in_steps("claude-haiku-4-5", prompt)

    assert len(plan.request.messages) == 2 * pairs + 1
    assert steps == 3
