"""What a refusal has taught one worker, all workers know, and for no longer than it."""

import msgspec
import pytest

from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.workers.lessons import LessonSharing
from proxy.workers.shared_state import LESSONS, SharedState
from translators import Capabilities, Sampling
from translators.models.catalogue import Thinking

SECONDS = 3600
NO_PREFILL = Capabilities(prefill=False)
ALL_KINDS = [
    NO_PREFILL,
    Capabilities(prefill=True),
    Capabilities(max_output_tokens=4096),
    Capabilities(available=False),
    *(Capabilities(sampling=each) for each in Sampling),
    *(Capabilities(thinking=each) for each in Thinking),
]


@pytest.fixture
def one(tmp_path):
    return worker(tmp_path)


@pytest.fixture
def other(tmp_path):
    return worker(tmp_path)


def worker(directory, seconds=SECONDS, upstream="http://upstream.example"):
    learned = LearnedCapabilities(seconds=seconds)
    return LessonSharing(SharedState(directory), learned, seconds, lambda: upstream)


@pytest.mark.parametrize("lesson", ALL_KINDS, ids=Capabilities.as_text)
def test_a_lesson_of_each_kind_reaches_the_others(one, other, lesson):
    one.learned.add("m", lesson)
    one.share()
    other.share()

    assert other.learned.current() == {"m": lesson}
    assert not other.learned.is_empty


def test_what_holds_for_one_key_holds_for_that_key_in_all_workers(one, other):
    one.learned.add("m", NO_PREFILL, "digest")
    one.learned.add_user_id("user")
    one.share()
    other.share()

    assert other.learned.current("digest") == {"m": NO_PREFILL}
    assert other.learned.current("another") == other.learned.current() == {}
    assert other.learned.refuses_user_id("user")
    assert not other.learned.refuses_user_id("another")


def test_what_one_upstream_taught_is_nothing_that_another_has_said(tmp_path, one):
    elsewhere = worker(tmp_path, upstream="http://elsewhere.example")
    one.learned.add("m", NO_PREFILL)
    one.share()
    elsewhere.share()

    assert elsewhere.learned.is_empty


def test_two_workers_know_together_what_each_was_taught_and_list_it_once(one, other):
    one.learned.add("m", NO_PREFILL)
    other.learned.add("m", Capabilities(sampling=Sampling.NONE))
    for each in (one, other):
        each.share()
    one.share()

    [line] = one.learned.listing()
    assert line["learnt"] == "prefill=no, sampling=none"
    assert line["refusals"] == 2
    assert one.learned.current() == other.learned.current()


def test_a_lesson_outlives_a_restart_but_not_its_time(tmp_path, one):
    one.learned.add("m", NO_PREFILL)
    one.share()
    started, impatient = worker(tmp_path), worker(tmp_path, seconds=0.0)
    started.share()
    impatient.share()

    assert started.learned.current() == {"m": NO_PREFILL}
    assert impatient.learned.current() == {}


def test_what_was_heard_is_not_told_on_so_that_no_lesson_lives_for_ever(tmp_path, one, other):
    one.learned.add("m", NO_PREFILL)
    one.learned.add_user_id("user")
    one.share()
    other.share()
    other.learned.add("n", NO_PREFILL)
    other.share()
    one.shared_state.expire(LESSONS, older_than=-1)
    third = worker(tmp_path)
    third.share()

    assert [each.model for each in other.learned.own().models] == ["n"]
    assert third.learned.is_empty


def test_time_passes_for_a_note_that_nobody_writes_again(one, other):
    one.learned.add("m", NO_PREFILL)
    one.learned.add("gone", Capabilities(available=False))
    one.learned.add_user_id("user")
    one.share()
    [(name, text, _)] = one.shared_state.read(LESSONS)
    note = msgspec.json.decode(text)
    note["written"] -= 600
    one.shared_state.write(f"{LESSONS}/{name}", msgspec.json.encode(note))
    other.share()
    heard = other.learned.listing()
    note["written"] -= SECONDS
    one.shared_state.write(f"{LESSONS}/{name}", msgspec.json.encode(note))
    other.share()

    assert [each["model"] for each in heard] == ["m"]
    assert abs(heard[0]["expires_in_seconds"] - (SECONDS - 600)) <= 5
    assert other.learned.is_empty


def test_a_note_of_another_version_is_passed_over(one, other):
    one.shared_state.publish(LESSONS, b'{"written": 1, "lessons": []}')
    other.share()

    assert other.learned.is_empty


def test_no_key_of_a_client_gets_into_a_note(one):
    one.learned.add("sk-ant-api03-" + "a1" * 20, NO_PREFILL)
    one.learned.add("m", NO_PREFILL)
    one.share()

    [(_, text, _)] = one.shared_state.read(LESSONS)
    assert b"sk-ant" not in text
    assert [each.model for each in one.learned.own().models] == ["m"]


def test_of_many_lessons_the_newest_are_told(one):
    for number in range(300):
        one.learned.add("m", NO_PREFILL, f"key {number}")
        one.learned.add_user_id(f"user {number}")

    own = one.learned.own()
    assert [each.key for each in own.models] == [f"key {number}" for number in range(299, 43, -1)]
    assert list(own.user_ids) == [f"user {number}" for number in range(299, 43, -1)]
