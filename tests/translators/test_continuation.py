from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from translators.continuation import PrefillJoiner, PrefixRemover


def joined(prefill, *deltas, trimmed=""):
    """What a client appends to its prefill, piece by piece."""
    joiner = PrefillJoiner(prefill, trimmed)
    return [*map(joiner.feed, deltas), joiner.flush()]


def whole(prefill, answer, trimmed=""):
    return "".join(joined(prefill, answer, trimmed=trimmed))


NUMERALS = "\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d"
LONG = "Once upon a time there was a fox.\n" * 20 + "And it said"


@pytest.mark.parametrize(
    ("prefill", "answer", "continuation"),
    [
        ("Hello, my name is", "Hello, my name is Claude.", " Claude."),
        ("Hello, my name is", "my name is Claude.", " Claude."),
        ("Hello, my name is", "is Claude.", " Claude."),
        ("Hello, my name is", "\n\nmy name is Claude.", " Claude."),
        ("Hello, my\nname is", "Hello,\n  my name\nis\nClaude.", "\nClaude."),
        ("Clau", "Claude is", "de is"),
        ("My name is Clau", "Claude is", "de is"),
        ("{", '{"a": 1}', '"a": 1}'),
        ('{"a": [1, 2,', "2, 3]}", " 3]}"),
        ("1.", "1. First", " First"),
        ("    return", "return 1", " 1"),
        ("I", "I am", " am"),
        ("I", "I", ""),
        (LONG, f"{LONG}: Hi", ": Hi"),
        (LONG, f"{LONG.replace(chr(10), ' ')}: Hi", ": Hi"),
        (LONG, "And it said: Hi", ": Hi"),
        (LONG, "fox. And it said: Hi", ": Hi"),
        ("\u4e00" + NUMERALS, NUMERALS + "\u5341", "\u5341"),
    ],
    ids=[
        *("all of it", "its end", "its last word", "after empty lines", "re-wrapped"),
        *("the rest of a word", "the rest of its last word", "a brace", "in JSON", "a list"),
        *("code", "one letter", "one letter and no more", "a long one", "a long one re-wrapped"),
        *("the end of a long one", "more of its end", "without spaces"),
    ],
)  # fmt: skip
def test_what_is_repeated_shows_the_joint(prefill, answer, continuation):
    assert whole(prefill, answer) == continuation


@pytest.mark.parametrize(
    ("prefill", "answer", "continuation"),
    [
        ("Hello, my name is", "...my name is Claude.", " Claude."),
        ("Hello, my name is", "\u2026 is Claude.", " Claude."),
        ("Hello, my name is", "...Claude.", "...Claude."),
        ("Hello, my name is", '"Hello, my name is Claude."', ' Claude."'),
        ("Hello, my name is", '"my name is" Claude.', " Claude."),
        ("Hello, my name is", "`my name is`\nClaude.", "\nClaude."),
        ("Hello, my name is", "\u201c...my name is\u201d Claude.", " Claude."),
        ("Hello, my name is", "> **my name is** Claude.", " Claude."),
        ("I am", '"I am" Claude.', " Claude."),
        ('He said "my name is', 'my name is Claude"', ' Claude"'),
        ('He said "my name is', '...my name is Claude"', ' Claude"'),
        ('He said "my name is', '"my name is" and', '" and'),
        ("The word is", '"is" a verb.', ' "is" a verb.'),
        ("An extension is", ".is", ".is"),
        ("I know you are", "...areas", "...areas"),
        (LONG, f'"{LONG}": Hi', ": Hi"),
        (LONG, f"`{LONG}` he", " he"),
        (LONG, f'"{LONG[:-4]}', f' "{LONG[:-4]}'),
        ('"' + LONG, f'"{LONG}" Hi', '" Hi'),
        ("my name is", '""""""""my name is""""""""', ""),
        ("my name is", '"""""""""my name is', ' """""""""my name is'),
        ("my name is", '""""""""..my name is', ' """"""""..my name is'),
    ],
    ids=[
        *("an ellipsis", "one word", "an ellipsis of its own", "all in quotes", "words in quotes"),
        *("code", "other quotes", "Markdown", "all of a short one", "inside a quotation"),
        *("an ellipsis inside a quotation", "the client's quotation", "its own quotation"),
        *("one point", "another word", "a long one", "a long one as code", "half of a long one"),
        *("a long one with its own mark", "eight marks", "nine marks", "eight and an ellipsis"),
    ],
)  # fmt: skip
def test_marks_before_what_is_repeated_are_no_part_of_the_answer(prefill, answer, continuation):
    assert whole(prefill, answer) == continuation
    assert "".join(joined(prefill, *answer)) == continuation


@pytest.mark.parametrize(
    ("prefill", "answer", "continuation"),
    [
        ("Hello, my name is", "Claude.", " Claude."),
        ("Hello.", "How are you?", " How are you?"),
        ("He said:", '"No."', ' "No."'),
        ("Hello, my name is", " Claude.", " Claude."),
        ("Hello, my name is", "\nClaude.", "\nClaude."),
        ("Hello", ", world.", ", world."),
        ("I", "Indeed", " Indeed"),
        ('{"name": "Jo', 'hn"}', 'hn"}'),
        ("x = [1, 2", "3]", "3]"),
        ("<b>bold", "er</b>", "er</b>"),
        ('"', "Yes", "Yes"),
        ("(", "A)", "A)"),
        ("\u4f60\u597d", "\u4e16\u754c", "\u4e16\u754c"),
        ("Hello", "", ""),
        ("", "Claude.", "Claude."),
        ("It", "'s raining", "'s raining"),
        ("He said:", "'No.'", " 'No.'"),
        ('He said "No', '" and left', '" and left'),
        ("My name is", "**Claude**", " **Claude**"),
        ("My **name", "** is", "** is"),
        ("Use the function", "`foo`", " `foo`"),
        ("It costs", "$5", " $5"),
        ("snake", "_case", "_case"),
        ("Three facts:\n\n-", "Bees dance.", " Bees dance."),
        ("Three facts:\n\n1)", "Bees dance.", " Bees dance."),
        ("##", "Summary", " Summary"),
        ("#", "!/bin/sh", "!/bin/sh"),
        ("well-", "known", "known"),
        ("well", "-known", "-known"),
        ("Three facts:", "- Bees dance.", " - Bees dance."),
        ("```python", "import os", "\nimport os"),
        ("Here:\n```json", '{"a": 1}', '\n{"a": 1}'),
        ("```", "\nx", "\nx"),
    ],
    ids=[
        *("words", "sentences", "a quotation", "white space", "a new line", "punctuation"),
        *("a word that only begins alike", "JSON", "code", "markup", "a quote", "a parenthesis"),
        *("a script without spaces", "no answer", "no prefill", "a contraction", "an apostrophe"),
        *("the end of a quotation", "bold", "the end of bold", "code in a text", "a price"),
        *("an identifier", "a bullet", "a number", "a heading", "a shebang"),
        *(
            "a hyphen",
            "a hyphen that follows",
            "a list",
            "a block of code",
            "a block of JSON",
            "a block and a new line",
        ),
    ],
)
def test_where_nothing_is_repeated_the_joint_is_guessed_by_rule(prefill, answer, continuation):
    assert whole(prefill, answer) == continuation


def test_beside_the_clients_own_white_space_none_is_put():
    assert whole("My name is", "Claude.", trimmed=" ") == "Claude."


def test_text_is_released_as_soon_as_it_can_be_no_anchor():
    assert joined("my name is", "m", "y n", "o", "pe") == ["", "", " my no", "pe", ""]
    assert joined("my name is", "is", " Clau", "de") == ["", " Clau", "de", ""]
    assert joined("my name", "name", "s are") == ["", "s are", ""]


def test_what_was_flushed_is_not_held_again():
    joiner = PrefillJoiner("my name is")

    assert (joiner.feed("my na"), joiner.flush(), joiner.feed("me is"), joiner.flush()) == (
        *("", " my na", "me is", ""),
    )


TEXTS = st.lists(
    st.sampled_from(
        ["a", "b", "is", "my", " ", "\n", ".", "{", "name ", "\u4e00", "7", '"', "...", "`"]
    ),
    max_size=8,
).map("".join)


@given(
    prefill=TEXTS.map(str.rstrip),
    answer=TEXTS,
    trimmed=st.sampled_from(["", " "]),
    places=st.sets(st.integers(0, 20)),
)
@example(prefill="a", answer="a b", trimmed="", places={1, 2})
def test_the_joint_does_not_depend_on_chunking(prefill, answer, trimmed, places):
    ends = [0, *sorted(place for place in places if place < len(answer)), len(answer)]
    pieces = [answer[start:end] for start, end in pairwise(ends)]

    assert "".join(joined(prefill, *pieces, trimmed=trimmed)) == whole(prefill, answer, trimmed)


LONG_ENOUGH = TEXTS.map(str.strip).filter(lambda text: len("".join(text.split())) >= 4)


@given(prefill=LONG_ENOUGH, rest=TEXTS, seam=st.sampled_from(["", " ", "\n"]))
def test_all_of_a_prefill_is_taken_off_and_nothing_else(prefill, rest, seam):
    assert whole(prefill, prefill + seam + rest) == seam + rest


@given(prefill=LONG_ENOUGH, rest=TEXTS, lead=st.sampled_from(["...", "\u2026", '"...', "`", '"']))
def test_marks_before_all_of_a_prefill_are_taken_off_with_it(prefill, rest, lead):
    assume(prefill[0].isalnum())
    closing = "".join(mark for mark in reversed(lead) if mark in '"`')

    assert whole(prefill, f"{lead}{prefill}{closing} {rest}") == f" {rest}"


@pytest.mark.parametrize(
    ("prefill", "answer", "continuation"),
    [
        ("{", '```json\n{"a": 1}\n```', '"a": 1}'),
        ("{", '```json\n{\n  "a": 1\n}\n```\n', '\n  "a": 1\n}'),
        ("Here it is:\n\n{", '```json\n{"a": 1}\n```', '"a": 1}'),
        ("[", '```\n["a"]\n```', '"a"]'),
        ("<answer>", "```xml\n<answer>yes</answer>\n```", "yes</answer>"),
        ("{", '```json\n{"a": 1}\n```\n\nThat is all.', '"a": 1}\n```\n\nThat is all.'),
        ("{", '```json\n{"a": 1}', '"a": 1}'),
        ("{", '```json\n{"a": "``"}``', '"a": "``"}``'),
        ("{", "```json\n{}" + "\n" * 100 + "```", "}" + "\n" * 39),
        ("```json\n{", '```json\n{"a": 1}\n```', '"a": 1}\n```'),
        ("```json\n{", '"a": 1}\n```', '"a": 1}\n```'),
        ("{", "```javascript\n{}\n```", "```javascript\n{}\n```"),
        ("{", "```json\n[]\n```", "```json\n[]\n```"),
    ],
    ids=[
        *("an object", "an indented one", "behind a sentence", "without a language", "markup"),
        *("with words behind it", "that is not closed", "with other marks", "with empty lines"),
        *("that the prefill opens", "of which nothing is repeated", "of a program"),
        "of something else",
    ],
)  # fmt: skip
def test_what_a_model_puts_into_a_block_of_its_own_is_taken_out(prefill, answer, continuation):
    assert whole(prefill, answer) == continuation
    assert "".join(joined(prefill, *answer)) == continuation


@given(ticks=st.lists(st.sampled_from(["`", "``", "```", "\n", " ", "a"]), max_size=8))
def test_the_line_that_closes_a_block_does_not_depend_on_chunking(ticks):
    answer = ["```json\n{", *ticks]

    assert "".join(joined("{", *answer)) == whole("{", "".join(answer))


@given(prefill=TEXTS, deltas=st.lists(TEXTS, max_size=4))
def test_once_the_joint_is_settled_everything_passes(prefill, deltas):
    joiner = PrefillJoiner(prefill.rstrip())
    said = [(joiner.is_settled, delta, joiner.feed(delta)) for delta in deltas]

    assert all(delta == released for was_settled, delta, released in said if was_settled)


def without_space(space, *deltas):
    remover = PrefixRemover(space)
    return [remover.feed(delta) for delta in deltas]


@pytest.mark.parametrize(
    ("space", "deltas", "released"),
    [
        ("", [" a"], [" a"]),
        ("\n", ["\na"], ["a"]),
        ("\n", ["\n", "\na"], ["", "\na"]),
        ("\n\n", ["\n", "a", "\n"], ["", "a", "\n"]),
        (" \n", [" ", "", "\n", " a"], ["", "", "", " a"]),
        (" \n", ["\n a"], ["\n a"]),
        (" ", ["a", " "], ["a", " "]),
        ("  ", [" a  b"], ["a  b"]),
    ],
    ids=[
        *("nothing was trimmed", "all of it comes back", "no more than was trimmed"),
        *("some of it comes back", "in pieces", "not in another order", "not later"),
        *("not where text has begun",),
    ],
)
def test_trimmed_white_space_is_not_doubled(space, deltas, released):
    assert without_space(space, *deltas) == released


BLANKS = st.text(" \n", max_size=3)


@given(space=BLANKS, deltas=st.lists(st.text(" \na", max_size=3), max_size=6))
def test_space_removal_does_not_depend_on_chunking(space, deltas):
    whole = "".join(deltas)

    assert "".join(without_space(space, *deltas)) == "".join(without_space(space, whole))


@given(space=BLANKS, text=st.text(" \na", max_size=6))
def test_what_is_taken_off_is_what_the_prompt_ends_with(space, text):
    kept = "".join(without_space(space, text))
    taken = text.removesuffix(kept)

    shared = sum(1 for _ in iter_shared(space, text))
    assert taken == space[:shared]
    assert taken + kept == text


def iter_shared(one, other):
    """The characters both begin with."""
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a


def test_a_long_echo_in_small_pieces():
    echo = "word " * 40_000
    edges = range(0, len(echo) + 1, 4)

    assert "".join(joined(echo.rstrip(), *(echo[a:b] for a, b in pairwise(edges)), "m")) == " m"
