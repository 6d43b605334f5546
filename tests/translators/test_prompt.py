import re
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import scaled
from translators.adjustments import Adjustment, AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.prompt import (
    EMPTY_MESSAGE,
    MAX_TURNS,
    NEXT_ANSWER,
    OPENING_TURN,
    TURNS_PER_STEP,
    Conversation,
    Turn,
    parse_in_steps,
    parse_prompt,
    parse_request,
    parse_request_in_steps,
    render_prompt,
)
from translators.steps import STEP_SIZE
from translators.wire.completion_requests import CompletionRequest, DecodedRequest

MUST_START = 'prompt must start with "\n\nHuman:" turn after an optional system prompt'
MUST_END = 'prompt must end with "\n\nAssistant:" turn'
BOTH = f"{MUST_START}, {MUST_END}"


def asked(prompt):
    request = CompletionRequest(model="claude-2", prompt=prompt, max_tokens_to_sample=1)
    return DecodedRequest(request)


def read(prompt, strictness="lenient"):
    """Conversation and adjustments of a prompt, as a plan gets them; refusals are raised."""
    parsed = parse_request(asked(prompt)).prompt_by(strictness)
    return parsed.conversation, parsed.adjustments


def talk(*texts, system=None, prefill=None):
    """A conversation of turns that alternate, the user's first."""
    turns = tuple(
        Turn("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)
    )
    return Conversation(system, turns, prefill)


def adjustment(name):
    """The adjustments whose wording does not depend on the prompt."""
    asked, sent = {
        "trim_trailing_space": ("white space", ""),
        "restore_assistant_marker": ("Assistant:", "a final Assistant turn"),
        "add_assistant_turn": ("no final Assistant turn", "one"),
        "treat_as_human_turn": ("text without a Human turn", "a user message"),
        "add_opening_turn": ("no opening turn", OPENING_TURN),
    }[name]
    return Adjustment(AdjustmentKind(name), "prompt", asked, sent)


def newlines_added(marker="Human:"):
    return Adjustment(AdjustmentKind.ADD_LEADING_NEWLINES, "prompt", marker, "a turn")


def turn_filled(asked, sent):
    return Adjustment(AdjustmentKind.FILL_EMPTY_TURN, "prompt", asked, sent)


def dropped(count):
    return Adjustment(AdjustmentKind.DROP_EMPTY_TURN, "prompt", f"{count} empty", "0")


def merged(asked, sent):
    return Adjustment(AdjustmentKind.MERGE_TURNS, "prompt", f"{asked} turns", f"{sent} turns")


RESTORED = adjustment("restore_assistant_marker")
ANSWERED = adjustment("add_assistant_turn")
ASKED = adjustment("treat_as_human_turn")
OPENED = adjustment("add_opening_turn")
TRIMMED = adjustment("trim_trailing_space")
LINE_ENDS = Adjustment(AdjustmentKind.READ_CRLF_AS_LF, "prompt", "CR LF", "LF")


# The documented validation: legacy-wire 5.1 and 5.2, and what lenient keys made of it: 5.3.
BAD_PROMPTS = {
    "no marker at all": ("Hello, world", BOTH, talk("Hello, world"), (ASKED, ANSWERED)),
    "no Human turn": (
        "Hello, world\n\nAssistant:",
        MUST_START,
        talk("Hello, world"),
        (ASKED,),
    ),
    "no Assistant turn": (
        "\n\nHuman: Hello, Claude",
        MUST_END,
        talk("Hello, Claude"),
        (ANSWERED,),
    ),
    "Human turn is not first": (
        "\n\nAssistant: Hello, world\n\nHuman: Hello, Claude\n\nAssistant:",
        MUST_START,
        talk(OPENING_TURN, "Hello, world", "Hello, Claude"),
        (OPENED,),
    ),
    "Assistant turn is not last": (
        "\n\nHuman: Hello, Claude\n\nAssistant: Hello, world\n\nHuman: How many toes do dogs have?",
        MUST_END,
        talk("Hello, Claude", "Hello, world", "How many toes do dogs have?"),
        (ANSWERED,),
    ),
    "Assistant marker has one newline": (
        "\n\nHuman: Hello, Claude \nAssistant:",
        MUST_END,
        talk("Hello, Claude"),
        (RESTORED,),
    ),
}
SANITISED_PROMPTS = {
    "one leading newline": (
        "\nHuman: Hello, Claude\n\nAssistant:",
        talk("Hello, Claude"),
        (newlines_added(),),
    ),
    "no leading newlines": (
        "Human: Hello, Claude\n\nAssistant:",
        talk("Hello, Claude"),
        (newlines_added(),),
    ),
    "space after the last marker": (
        "\n\nHuman: Hello, Claude:\n\nAssistant: ",
        talk("Hello, Claude:"),
        (TRIMMED,),
    ),
}


@pytest.mark.parametrize(
    ("prompt", "text"),
    [case[:2] for case in BAD_PROMPTS.values()],
    ids=BAD_PROMPTS,
)
def test_strict_refuses_what_the_documentation_does_in_the_recorded_words(prompt, text):
    with pytest.raises(InvalidCompletionRequest) as refused:
        read(prompt, "strict")

    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("prompt", "conversation", "adjustments"),
    [(case[0], *case[2:]) for case in BAD_PROMPTS.values()],
    ids=BAD_PROMPTS,
)
def test_lenient_answers_what_the_documentation_refuses(prompt, conversation, adjustments):
    assert read(prompt) == (conversation, adjustments)


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize(
    ("prompt", "conversation", "adjustments"), SANITISED_PROMPTS.values(), ids=SANITISED_PROMPTS
)
def test_documented_sanitation_is_done_in_both_modes(prompt, conversation, adjustments, strictness):
    assert read(prompt, strictness) == (conversation, adjustments)


# Prompts that the documentation is content with: nothing to mend, in either mode.
GOOD_PROMPTS = {
    "one turn": ("\n\nHuman: Hi\n\nAssistant:", talk("Hi")),
    "several turns": (
        "\n\nHuman: Hello there\n\nAssistant: Hi, I'm Claude.\n\nHuman: Who?\n\nAssistant:",
        talk("Hello there", "Hi, I'm Claude.", "Who?"),
    ),
    "system prompt": (
        "Today is January 1, 2024.\n\nHuman: Hello, Claude\n\nAssistant:",
        talk("Hello, Claude", system="Today is January 1, 2024."),
    ),
    "system prompt of several paragraphs": (
        "\nOne.\n\n  Two.\n\n\nHuman: Hi\n\nAssistant:",
        talk("Hi", system="\nOne.\n\n  Two.\n"),
    ),
    "prefill": (
        "\n\nHuman: Hello\n\nAssistant: Hello, my name is",
        talk("Hello", prefill="Hello, my name is"),
    ),
    "prefill of the langchain wrapper": (
        "\n\nHuman: Name one.\n\nAssistant: Sure, here you go:\n",
        talk("Name one.", prefill="Sure, here you go:\n"),
    ),
    "prefill without a separator": (
        "\n\nHuman: JSON please\n\nAssistant:{",
        talk("JSON please", prefill="{"),
    ),
    "prefill behind a newline": (
        "\n\nHuman: Go\n\nAssistant:\n```json\n",
        talk("Go", prefill="```json\n"),
    ),
    "newline as the separator, three before the marker": (
        "\n\nHuman:\nHello world\n\n\nAssistant:",
        talk("Hello world\n"),
    ),
    "blank before the marker": (
        "\n\nHuman: why is sky blue? \n\nAssistant:",
        talk("why is sky blue? "),
    ),
    "no separator": ("\n\nHuman:Hi\n\nAssistant:", talk("Hi")),
    "only one space is markup": ("\n\nHuman:   Hi\n\nAssistant:", talk("  Hi")),
    "indentation and blank lines inside": (
        "\n\nHuman: def f():\n\n    return 1\n\n\n\tx\n\nAssistant:",
        talk("def f():\n\n    return 1\n\n\n\tx"),
    ),
    "a tab is no separator": ("\n\nHuman:\tHi\n\nAssistant:", talk("\tHi")),
    "role names inside a sentence": (
        "\n\nHuman: What does Human: mean, or\nAssistant: in a line, or human:?\n\nAssistant:",
        talk("What does Human: mean, or\nAssistant: in a line, or human:?"),
    ),
    "another role is text": (
        "\n\nHuman: Hi\n\nSystem: be brief\n\nAssistant:",
        talk("Hi\n\nSystem: be brief"),
    ),
    "case matters": (
        "\n\nHuman: a\n\nhuman: b\n\nASSISTANT: c\n\nAssistant:",
        talk("a\n\nhuman: b\n\nASSISTANT: c"),
    ),
    "a blank inside a marker breaks it": (
        "\n\nHuman: a\n\n Human: b\n\nHuman : c\n\nAssistant:",
        talk("a\n\n Human: b\n\nHuman : c"),
    ),
    "CRLF inside a turn is text": (
        "a\r\nb\n\nHuman: c\r\nHuman: d\r\n\n\nAssistant: e\r\n\r\nf",
        talk("c\r\nHuman: d\r\n", system="a\r\nb", prefill="e\r\n\r\nf"),
    ),
    "line separators of other scripts are text": (
        "\n\nHuman: a\u2028\u2029\x85\x0bb\n\nAssistant:",
        talk("a\u2028\u2029\x85\x0bb"),
    ),
    "few shots": (
        "Q and A.\n\nHuman: 1+1\n\nAssistant: 2\n\nHuman: 2+2\n\nAssistant: 4\n\nHuman: 3+3"
        "\n\nAssistant: It is",
        talk("1+1", "2", "2+2", "4", "3+3", system="Q and A.", prefill="It is"),
    ),
}


@pytest.mark.parametrize("size", range(STEP_SIZE - 14, STEP_SIZE - 6))
def test_a_cr_lf_at_the_end_of_a_part_is_one_line_end(size):
    prompt = "\n\nHuman: " + "x" * size + "\r\ny\r\n\r\nAssistant:"

    assert parse_prompt(prompt).conversation == talk("x" * size + "\ny")


def test_a_cr_in_a_later_part_is_text_where_no_marker_has_one():
    text = "x" * 2 * STEP_SIZE + "\r\ny"

    assert parse_prompt(f"\n\nHuman: {text}\n\nAssistant:").conversation == talk(text)


@pytest.mark.without_coverage
@pytest.mark.parametrize("size", [1, STEP_SIZE - 3])
@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize("prompt", [p for p, _ in GOOD_PROMPTS.values() if "\r" not in p])
def test_a_prompt_with_crlf_is_the_conversation_that_it_is_with_lf(prompt, strictness, size):
    prompt += "x" * size + "\n\nHuman: And?\n\nAssistant: Well,\n"
    conversation, adjustments = read(prompt, strictness)

    found = read(prompt.replace("\n", "\r\n"), strictness)
    assert found == (conversation, (LINE_ENDS, *adjustments))


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize(("prompt", "conversation"), GOOD_PROMPTS.values(), ids=GOOD_PROMPTS)
def test_what_needs_no_mending(prompt, conversation, strictness):
    assert read(prompt, strictness) == (conversation, ())


# What old libraries send on their own: legacy-wire 5.4 and 5.5.
WRAPPED_PROMPTS = {
    "litellm 0.1 begins with an empty turn": (
        "\n\nHuman:\n\nHuman:Hello\n\nAssistant:",
        talk("Hello"),
        (dropped(1),),
    ),
    "litellm ends with a space": (
        "\n\nHuman: Hello\n\nAssistant: ",
        talk("Hello"),
        (TRIMMED,),
    ),
    "CRLF everywhere": (
        "Be\r\nbrief.\r\n\r\nHuman: a\r\nb\r\n\r\nAssistant: c\r\n\r\nd",
        talk("a\nb", system="Be\nbrief.", prefill="c\n\nd"),
        (LINE_ENDS,),
    ),
    "CRLF, without the first marker": (
        "Human: Hi\r\nthere\r\n\nAssistant:",
        talk("Hi\nthere"),
        (LINE_ENDS, newlines_added()),
    ),
    "CRLF at one marker": (
        "\n\nHuman: a\r\nb\n\nAssistant: c\r\n\r\nHuman: d\n\nAssistant:",
        talk("a\nb", "c", "d"),
        (LINE_ENDS,),
    ),
    "half a CRLF at the last marker": (
        "\n\nHuman: a\n\r\nAssistant:",
        talk("a"),
        (LINE_ENDS,),
    ),
    "line ends of an old Macintosh": (
        "\r\rHuman: a\rb\r\rAssistant:",
        talk("a\nb"),
        (LINE_ENDS,),
    ),
    "litellm answers an answer": (
        "\n\nHuman: Hi\n\nAssistant: well\n\nAssistant: ",
        talk("Hi", "well", NEXT_ANSWER),
        (TRIMMED, turn_filled("no Human turn", NEXT_ANSWER)),
    ),
    "litellm before an assistant message": (
        "\n\nHuman: \n\nAssistant: Hello.\n\nHuman: Hi\n\nAssistant: ",
        talk(OPENING_TURN, "Hello.", "Hi"),
        (TRIMMED, dropped(1), OPENED),
    ),
    "langchain sends system messages as a Human turn": (
        "\n\nHuman: <admin>Be brief.</admin>\n\nHuman: Hi\n\nAssistant:",
        talk("<admin>Be brief.</admin>\n\nHi"),
        (merged(2, 1),),
    ),
    "llama-index does, too, and ends with a space": (
        "\n\nHuman: <system>Be brief.</system>\n\nHuman: Hi\n\nAssistant: ",
        talk("<system>Be brief.</system>\n\nHi"),
        (TRIMMED, merged(2, 1)),
    ),
    "langchain strips the end of a whole chat": (
        "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: And?\n\nAssistant:",
        talk("Hi", "Hello.", "And?"),
        (),
    ),
    "haystack": ("\n\nHuman: Hi\n\nAssistant: ", talk("Hi"), (TRIMMED,)),
    "the README of the SDK": (
        "\n\nHuman: How many toes do dogs have? \n\nAssistant:",
        talk("How many toes do dogs have? "),
        (),
    ),
    "a later turn that was left empty": (
        "\n\nHuman: a\n\nAssistant:\n\nHuman: b\n\nAssistant:",
        talk("a\n\nb"),
        (dropped(1), merged(2, 1)),
    ),
    "answers in a row": (
        "\n\nHuman: a\n\nAssistant: b\n\nAssistant: c\n\nHuman: d\n\nAssistant:",
        talk("a", "b\n\nc", "d"),
        (merged(4, 3),),
    ),
    "prefills in a row": (
        "\n\nHuman: a\n\nAssistant: b\n\nAssistant: c",
        talk("a", "b", NEXT_ANSWER, prefill="c"),
        (turn_filled("no Human turn", NEXT_ANSWER),),
    ),
    "a transcript behind an answer": (
        "\n\nHuman: Hi\n\nAssistant: A1\nHuman: bye\nAssistant:",
        talk("Hi", "A1", "bye"),
        (RESTORED,),
    ),
    "a longer one, with a space at its end": (
        "\n\nHuman: a\n\nAssistant: b\nc\nHuman:\nd\nAssistant: e\nHuman: f \nAssistant: \n",
        talk("a", "b\nc", "d", "e", "f"),
        (RESTORED,),
    ),
    "one that begins with the answer's marker": (
        "\n\nHuman: a\n\nAssistant:\nHuman: b\nAssistant:",
        talk("a\n\nb"),
        (RESTORED, dropped(1), merged(2, 1)),
    ),
    "one with other line ends than the markers before it": (
        "\n\nHuman: a\n\nAssistant: b\r\nc\r\nHuman:\r\nd\rAssistant: e\r\nHuman: f\rAssistant:",
        talk("a", "b\r\nc", "d", "e", "f"),
        (RESTORED,),
    ),
    "one with an empty question": (
        "\n\nHuman: a\n\nAssistant: b\nHuman:\nAssistant:",
        talk("a", "b", EMPTY_MESSAGE),
        (RESTORED, turn_filled("an empty turn", EMPTY_MESSAGE)),
    ),
    "two final markers": (
        "\n\nHuman: a\n\nAssistant:\nAssistant:",
        talk("a"),
        (RESTORED, dropped(1)),
    ),
    "an answer and a final marker": (
        "\n\nHuman: a\n\nAssistant: b\nAssistant:",
        talk("a", "b", NEXT_ANSWER),
        (RESTORED, turn_filled("no Human turn", NEXT_ANSWER)),
    ),
    "a transcript that the prefill is the middle of": (
        "\n\nHuman: a\n\nAssistant: b\nHuman: c\nAssistant: d",
        talk("a", prefill="b\nHuman: c\nAssistant: d"),
        (),
    ),
    "a prefill that ends with a word and a colon": (
        "\n\nHuman: a\n\nAssistant: My Assistant:",
        talk("a", prefill="My Assistant:"),
        (),
    ),
    "an empty question after an answer": (
        "\n\nHuman: a\n\nAssistant: b\n\nHuman: \n\nAssistant:",
        talk("a", "b", EMPTY_MESSAGE),
        (turn_filled("an empty turn", EMPTY_MESSAGE),),
    ),
    "empty questions after answers, and a prefill": (
        "\n\nHuman: a\n\nAssistant: b\n\nHuman:\n\nAssistant: c\n\nHuman:\n\nHuman: "
        "\n\nAssistant: d",
        talk("a", "b\n\nc", EMPTY_MESSAGE, prefill="d"),
        (dropped(2), merged(3, 2), turn_filled("an empty turn", EMPTY_MESSAGE)),
    ),
    "an answer before a prefill, and nothing else": (
        "\n\nHuman:\n\nAssistant: a\n\nAssistant: b",
        talk(OPENING_TURN, "a", NEXT_ANSWER, prefill="b"),
        (dropped(1), OPENED, turn_filled("no Human turn", NEXT_ANSWER)),
    ),
    "white space for a prefill": (
        "\n\nHuman: a\n\nAssistant: \n\t\n",
        talk("a"),
        (TRIMMED,),
    ),
    "nothing but empty turns": (
        "\n\nHuman:\n\nAssistant:",
        talk(OPENING_TURN),
        (dropped(1), OPENED),
    ),
    "nothing but empty turns and a system prompt": (
        "Be brief.\n\nHuman: \n\nAssistant:",
        talk(OPENING_TURN, system="Be brief."),
        (dropped(1), OPENED),
    ),
    "blank lines for a system prompt": (
        "\n \n\n\nHuman: Hi\n\nAssistant:",
        talk("Hi"),
        (),
    ),
}


@pytest.mark.without_coverage
@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize(
    ("prompt", "conversation", "adjustments"), WRAPPED_PROMPTS.values(), ids=WRAPPED_PROMPTS
)
def test_prompts_of_real_wrappers(prompt, conversation, adjustments, strictness):
    assert read(prompt, strictness) == (conversation, adjustments)


# Only grandfathered keys got away with these: clients, rule 10.
LENIENT_PROMPTS = {
    "Assistant only": (
        "\n\nAssistant: Once upon a time",
        talk(OPENING_TURN, prefill="Once upon a time"),
        (OPENED,),
    ),
    "Assistant only, without newlines": (
        "Assistant: Once",
        talk(OPENING_TURN, prefill="Once"),
        (newlines_added("Assistant:"), OPENED),
    ),
    "Assistant only, behind blank lines": (
        "\n \n\nAssistant: Once",
        talk(OPENING_TURN, prefill="Once"),
        (OPENED,),
    ),
    "empty Assistant only": ("\n\nAssistant:", talk(OPENING_TURN), (OPENED,)),
    "raw text to be continued": (
        "Dear Sir,\n\nAssistant: I write",
        talk("Dear Sir,", prefill="I write"),
        (ASKED,),
    ),
    "the last marker lost its newlines": (
        "\n\nHuman: Hi Assistant:",
        talk("Hi"),
        (RESTORED,),
    ),
    "the last marker of several lost its newlines": (
        "Add.\n\nHuman: 1+1\n\nAssistant: 2\n\nHuman: 2+2\nAssistant:",
        talk("1+1", "2", "2+2", system="Add."),
        (RESTORED,),
    ),
    "the last marker lost them all, behind raw text": (
        "Hi there\nAssistant: ",
        talk("Hi there"),
        (RESTORED, ASKED),
    ),
    "the last marker is all there is of a turn": (
        "\n\nHuman: Assistant:",
        talk(OPENING_TURN),
        (RESTORED, dropped(1), OPENED),
    ),
    "a word that ends like the marker": (
        "\n\nHuman: Meet MyAssistant:",
        talk("Meet MyAssistant:"),
        (ANSWERED,),
    ),
    "a lost marker that is not the last word": (
        "\n\nHuman: Hi\nAssistant: Sure",
        talk("Hi\nAssistant: Sure"),
        (ANSWERED,),
    ),
    "another role only": (
        "\n\nSystem: be brief",
        talk("\n\nSystem: be brief"),
        (ASKED, ANSWERED),
    ),
    "empty final Human turn": (
        "\n\nHuman: a\n\nAssistant: b\n\nHuman:",
        talk("a", "b", EMPTY_MESSAGE),
        (ANSWERED, turn_filled("an empty turn", EMPTY_MESSAGE)),
    ),
}


@pytest.mark.parametrize(
    ("prompt", "conversation", "adjustments"), LENIENT_PROMPTS.values(), ids=LENIENT_PROMPTS
)
def test_prompts_of_grandfathered_keys(prompt, conversation, adjustments):
    assert read(prompt) == (conversation, adjustments)


@pytest.mark.parametrize(
    "prompt", [case[0] for case in LENIENT_PROMPTS.values()], ids=LENIENT_PROMPTS
)
def test_prompts_of_grandfathered_keys_are_for_them_alone(prompt):
    with pytest.raises(InvalidCompletionRequest, match="prompt must"):
        read(prompt, "strict")


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
def test_no_prompt_at_all_is_refused(strictness):
    with pytest.raises(InvalidCompletionRequest) as refused:
        read("", strictness)

    assert str(refused.value) == "prompt: ensure this value has at least 1 characters"


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize("prompt", [" ", "\n\n", "\r\n\t\u2028"])
def test_nothing_but_white_space_is_refused(prompt, strictness):
    with pytest.raises(InvalidCompletionRequest) as refused:
        read(prompt, strictness)

    assert str(refused.value) == BOTH


def test_a_request_is_parsed_in_the_steps_of_its_prompt():
    prompt = "\n\nHuman: " + "a" * (2 * STEP_SIZE)
    parsing, alone = parse_request_in_steps(asked(prompt)), parse_in_steps(prompt)

    assert sum(1 for _ in parsing) == sum(1 for _ in alone) > 1
    assert parse_request(asked(prompt)).prompt == parse_prompt(prompt)


def test_rendered_turns_come_apart_again_where_they_were_merged():
    conversation = parse_prompt("\n\nHuman: a\n\nHuman: Human: b\n\nAssistant:").conversation

    assert conversation == talk("a\n\nHuman: b")
    assert render_prompt(conversation) == "\n\nHuman: a\n\nHuman: Human: b\n\nAssistant:"


def test_a_rendered_prompt_is_the_one_that_was_parsed_where_nothing_was_mended():
    prompt = "Be brief.\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: And?\n\nAssistant: Well"

    assert render_prompt(parse_prompt(prompt).conversation) == prompt


PROMPTISH = st.lists(
    st.sampled_from(
        [
            *("Human:", "Assistant:", "\n\nHuman:", "\n\nAssistant:", "\n\nHuman: ", "human:"),
            *("\n", "\n\n", " ", "\t", "\r\n", "\r", "\u2028", "1", "2", "Human", ":", "é"),
        ]
    ),
    max_size=14,
).map("".join)


@given(PROMPTISH)
@example("\n\nHuman: a\n\nHuman: Human: b\n\nAssistant:")
@example("a\n\n\n\nHuman:b\n\nAssistant:\n \n\nAssistant: \n\nAssistant: Assistant:")
@example(" Human:\n\nHuman: \n\nHuman: Assistant:")
@example("Human:Human:\n\nHuman:\r\nHuman:")
def test_a_conversation_rendered_and_parsed_again_is_the_same(prompt):
    try:
        parsed = parse_prompt(prompt)
    except InvalidCompletionRequest:
        return

    again = parse_prompt(render_prompt(parsed.conversation))
    # Merged turns may have made a marker with a CR that was in none of them.
    if LINE_ENDS not in again.adjustments:
        assert again.conversation == parsed.conversation


@given(PROMPTISH)
def test_output_alternates_from_user_to_user_and_nothing_in_it_is_blank(prompt):
    try:
        conversation = parse_prompt(prompt).conversation
    except InvalidCompletionRequest:
        return

    roles = [turn.role for turn in conversation.turns]
    texts = [turn.text for turn in conversation.turns]
    optional = [text for text in (conversation.system, conversation.prefill) if text is not None]
    assert roles == [("user", "assistant")[index % 2] for index in range(len(roles))]
    assert len(roles) % 2 == 1
    assert all(text.strip() for text in texts + optional)


@given(PROMPTISH)
def test_no_text_is_lost_or_made_up(prompt):
    try:
        conversation = parse_prompt(prompt).conversation
    except InvalidCompletionRequest:
        return

    said = [conversation.system, *(turn.text for turn in conversation.turns), conversation.prefill]
    assert essence("".join(text for text in said if text)) == essence(prompt)


def essence(text):
    """What is certainly no part of a marker."""
    return re.sub("[^12é]", "", text)


@given(st.text() | PROMPTISH, st.sampled_from(["strict", "lenient"]))
def test_any_text_is_parsed_or_refused(prompt, strictness):
    try:
        read(prompt, strictness)
    except InvalidCompletionRequest as refused:
        problem = str(refused)
    else:
        problem = ""

    assert problem in {
        *("", MUST_START, MUST_END, BOTH, "prompt: ensure this value has at least 1 characters"),
    }


@given(PROMPTISH)
def test_strict_takes_no_prompt_that_lenient_refuses_and_reads_it_alike(prompt):
    try:
        parsed = read(prompt, "strict")
    except InvalidCompletionRequest:
        return

    assert read(prompt) == parsed


def test_more_turns_than_a_messages_request_may_have_are_refused():
    with pytest.raises(InvalidCompletionRequest, match="prompt: more than 100000 turns"):
        parse_prompt("\n\nHuman:a" * (MAX_TURNS + 1))

    (one,) = parse_prompt("\n\nHuman:a" * MAX_TURNS).conversation.turns
    assert one.text.count("a") == MAX_TURNS


# One of each may stand for as many as make a prompt long: a letter, and white space.
FILLERS = {"\x01": "a", "\x1f": "\t"}
SIZES = [STEP_SIZE - 9, STEP_SIZE - 2, STEP_SIZE - 1, STEP_SIZE, 2 * STEP_SIZE + 5]


def filled(text, size):
    for one, filler in FILLERS.items():
        text = text.replace(one, filler * size)
    return text


@settings(max_examples=scaled(500))  # of a hundred thousand characters and more
@given(
    st.lists(
        st.sampled_from(
            [
                *("\x01", "\x1f", "\n\nHuman:", "\n\nAssistant:", "\n\nHuman: ", "Assistant:"),
                *("Human:", "\n", "\n\n", " ", "b"),
            ]
        ),
        max_size=9,
    ).map("".join),
    st.sampled_from(SIZES),
    st.sampled_from(["strict", "lenient"]),
)
@example("\x01\n\nHuman:\n\nHuman: b", STEP_SIZE - 9, "lenient")
@example("\x01\n\nHuman: \x1f\n\nAssistant:\x1f", STEP_SIZE, "lenient")
@example("\x1fHuman:\x01Assistant:\x1f", STEP_SIZE, "lenient")
@example("\x1f", STEP_SIZE, "lenient")
@example("\n\nHuman: b\x1fAssistant:\x1f", STEP_SIZE, "lenient")
def test_a_long_prompt_is_cut_like_a_short_one(prompt, size, strictness):
    try:
        said, adjustments = read(prompt, strictness)
    except InvalidCompletionRequest as refused:
        with pytest.raises(InvalidCompletionRequest, match=re.escape(str(refused))):
            read(filled(prompt, size), strictness)
        return
    conversation, the_same = read(filled(prompt, size), strictness)

    assert the_same == adjustments
    assert conversation == Conversation(
        said.system and filled(said.system, size),
        tuple(Turn(turn.role, filled(turn.text, size)) for turn in said.turns),
        said.prefill and filled(said.prefill, size),
    )


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "\n",
        " ",
        "\n\nHuman",
        "\n\nHuman: ab" + "c" * 99,
        "Assistant: ",
        "\n\nAssistant:" + "a" * 500,
    ],
    ids=lambda unit: repr(unit[:12]),
)
@pytest.mark.parametrize("start", ["", "\n\nHuman: a"], ids=["at once", "after a turn"])
@pytest.mark.parametrize("times", [4, 8])
def test_a_long_prompt_is_cut_part_by_part(unit, start, times):
    parsing = parse_in_steps(start + unit * (times * STEP_SIZE // len(unit)))
    steps = 0
    with suppress(StopIteration, InvalidCompletionRequest):
        while True:
            next(parsing)
            steps += 1

    # Once to cut it, and a few times more where there is nothing in it.
    assert times <= steps <= 9 * times + 2


@pytest.mark.without_coverage
def test_many_turns_are_worked_on_a_few_at_a_time():
    few, many = (
        sum(1 for _ in parse_in_steps("\n\nHuman:a\n\nAssistant:b" * (turns // 2)))
        for turns in (50_000, 100_000)
    )

    parts, bytes_of_a_pair = 50_000 / TURNS_PER_STEP, 22
    assert few >= 2 * parts - 2 + 25_000 * bytes_of_a_pair // STEP_SIZE
    assert few * 1.9 <= many <= few * 2.1
