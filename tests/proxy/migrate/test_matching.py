"""Recorded requests are matched with what the source of calls says."""

from __future__ import annotations

import json
from typing import Any

from proxy.migrate.evidence import Count, Evidence, Places, Skeleton
from proxy.migrate.matching import MOST_CONTENTS, NamedCall, RecordedRequest, Search
from proxy.migrate.traits import Asked, CallTraits

CLAUDE_2 = CallTraits(model="claude-2", max_tokens=9)
HELLO = "\n\nHuman: Hello\n\nAssistant:"


def asked_for(**fields: Any) -> Asked:
    plain: dict[str, Any] = {
        "model": "claude-2",
        "max_tokens_to_sample": 9,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        "stop_sequences": 0,
        "stream": False,
    }
    return tuple((plain | fields).items())


def request(number: int = 1, asked: Asked | None = None, **fields: Any) -> RecordedRequest:
    plain: dict[str, Any] = {"caller": "bot", "features": (), "turns": 2, "has_contents": False}
    asked = asked_for() if asked is None else asked
    return RecordedRequest(id=f"req_{number}", asked=asked, **(plain | fields))


def search_for(*traits: CallTraits) -> tuple[Search, list[NamedCall]]:
    calls = [NamedCall(f"a.py:{line}", each) for line, each in enumerate(traits, 1)]
    return Search(calls, calls, period="today"), calls


def evidence_for(traits: CallTraits, *requests: RecordedRequest) -> Evidence:
    search, [call] = search_for(traits)
    for each in requests:
        search.add(each)
    return search.evidence_of(call)


def with_prompts(traits: CallTraits, *bodies: Any, hide: Any = str) -> Evidence:
    """What is found in the contents of matching requests: prompts, or bodies as they are."""
    call = NamedCall("a.py:1", traits)
    search = Search([call], [call], period="today", hide=hide)
    for number, body in enumerate(bodies):
        assert search.add(request(number, has_contents=True))
        asked = {"model": "claude-2", "max_tokens_to_sample": 9, "prompt": body}
        sent = json.dumps(asked).encode() if isinstance(body, str) else body
        search.add_contents(f"req_{number}", sent)
    return search.evidence_of(call)


def test_requests_are_counted_by_caller_feature_and_turns():
    evidence = evidence_for(
        CLAUDE_2,
        request(features=("system", "top_k")),
        request(features=("system",), turns=4),
        request(caller="batch", turns=None),
        request(asked=asked_for(model="claude-1")),
        request(asked=asked_for(max_tokens_to_sample=None)),
    )

    assert evidence == Evidence(
        period="today",
        asked=(("model", "claude-2"), ("max_tokens_to_sample", 9)),
        requests=3,
        callers=(Count("bot", 2), Count("batch", 1)),
        features=(Count("system", 2), Count("top_k", 1)),
        turns=(Count("2", 1), Count("4", 1), Count("unknown", 1)),
    )


def test_a_call_without_values_has_no_requests():
    search, [call] = search_for(CallTraits(words=("You are",)))

    assert not search.has_calls
    assert not search.add(request())
    assert search.evidence_of(call) == Evidence(period="today", asked=())


def test_calls_that_may_have_sent_the_same_are_named():
    rewritten = NamedCall("b.py:1", CLAUDE_2)
    other = NamedCall("b.py:2", CallTraits(max_tokens=9, stream=True))
    calls = [
        NamedCall("a.py:1", CLAUDE_2),
        NamedCall("a.py:2", CLAUDE_2),
        NamedCall("a.py:2", CLAUDE_2),
        NamedCall("a.py:3", CallTraits(model="claude-1")),
        NamedCall("a.py:4", CallTraits()),
    ]
    search = Search(calls, [*calls, rewritten, other], period="today")
    evidence = search.evidence_of(calls[0])

    assert evidence.same == Places(("a.py:2", "b.py:1"), 2)
    assert evidence.overlapping == Places(("b.py:2",), 1)
    assert search.evidence_of(calls[1]).same == Places(("a.py:1", "a.py:2", "b.py:1"), 3)


def test_contents_say_the_system_prompt_and_the_turns():
    two = f"Be brief.{HELLO} Hi\n\nHuman: And you?\n\nAssistant: I"
    contents = with_prompts(CLAUDE_2, f"Be brief.{HELLO}", f"Be brief.{HELLO}", two).contents

    assert contents is not None
    assert (contents.system, contents.with_system, contents.systems) == ('"Be brief."', 3, 1)
    assert contents.skeletons == (
        Skeleton(("user",), 2),
        Skeleton(("user", "assistant", "user", "prefill"), 1),
    )
    assert (contents.read, contents.meant, contents.has_words) == (3, 3, False)


def test_system_prompts_that_differ_are_only_counted():
    contents = with_prompts(CLAUDE_2, f"One.{HELLO}", f"Two.{HELLO}", HELLO).contents

    assert contents is not None
    assert (contents.system, contents.with_system, contents.systems) == (None, 2, 2)


def test_only_those_with_the_words_of_the_source_are_meant():
    traits = CallTraits(model="claude-2", words=("Answer", "briefly"))
    prompts = [
        f"\n\nHuman: {words}\n\nAssistant:" for words in ("Answer x briefly", "briefly. Answer")
    ]
    contents = with_prompts(traits, *prompts, HELLO).contents

    assert contents is not None
    assert (contents.read, contents.meant, contents.has_words) == (3, 1, True)


def test_only_those_with_the_stop_sequences_of_the_source_are_meant():
    traits = CallTraits(model="claude-2", max_tokens=9, stops=(None, "END"))
    search, [call] = search_for(traits)
    for number, stops in enumerate((["x", "END"], ["END", "x"])):
        search.add(request(number, asked_for(stop_sequences=2), has_contents=True))
        asked = {"model": "claude-2", "max_tokens_to_sample": 9, "prompt": HELLO}
        search.add_contents(f"req_{number}", json.dumps(asked | {"stop_sequences": stops}).encode())
    contents = search.evidence_of(call).contents

    assert contents is not None
    assert (contents.meant, contents.has_words) == (1, True)


def test_words_are_compared_as_they_were_kept():
    traits = CallTraits(model="claude-2", words=("Ask bot@example.com",))
    prompt = "\n\nHuman: Ask [email]\n\nAssistant:"

    def hide(text: str) -> str:
        return text.replace("bot@example.com", "[email]")

    contents = with_prompts(traits, prompt, hide=hide).contents

    assert contents is not None
    assert contents.meant == 1


def test_what_cannot_be_read_is_counted():
    contents = with_prompts(CLAUDE_2, b"(damaged)", HELLO, " " * 3, b'{"prompt": 1}').contents

    assert contents is not None
    assert (contents.read, contents.unreadable, contents.meant) == (4, 3, 1)


def test_contents_count_for_the_calls_that_they_may_be_of():
    search, calls = search_for(CLAUDE_2, CallTraits(model="claude-1"))
    search.add(request(has_contents=True))
    search.add_contents("req_1", b"{}")
    found = [search.evidence_of(each).contents for each in calls]

    assert [each is not None for each in found] == [True, False]


def test_only_the_latest_contents_are_wanted():
    search, [call] = search_for(CLAUDE_2)
    wanted = [search.add(request(number, has_contents=True)) for number in range(MOST_CONTENTS + 2)]

    assert wanted == [True] * MOST_CONTENTS + [False] * 2
    assert search.evidence_of(call).requests == MOST_CONTENTS + 2


def test_memory_has_a_limit_whatever_clients_call_themselves():
    search, [call] = search_for(CLAUDE_2)
    for number in range(1_500):
        search.add(request(caller=f"c{number}"))
    callers = search.evidence_of(call).callers

    assert len(callers) == 1_001
    assert callers[0] == Count("others", 500)


def test_hostile_texts_are_harmless_short_and_without_keys():
    key = "sk-ant-api03-abcdefghijklmnop"
    name = f"\x1b[2J{key}" + "n" * 100
    system = f"\x1b[2J\u202e{key}\r\n::error::" + "x" * 300
    search, [call] = search_for(CLAUDE_2)
    search.add(request(caller=name, has_contents=True))
    asked = {"model": "m", "max_tokens_to_sample": 9, "prompt": system + HELLO}
    search.add_contents("req_1", json.dumps(asked).encode())
    evidence = search.evidence_of(call)

    assert evidence.contents is not None
    assert evidence.contents.system is not None
    for shown in (evidence.callers[0].name, evidence.contents.system):
        assert "sk-ant-(hidden)" in shown
        assert shown.isprintable()
        assert len(shown) < 260


def test_a_key_in_the_source_is_not_shown():
    evidence = evidence_for(CallTraits(model="sk-ant-api03-abcdefghijklmnop"))

    assert evidence.asked == (("model", "sk-ant-(hidden)"),)
