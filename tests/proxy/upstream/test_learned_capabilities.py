from structlog.testing import capture_logs

from proxy.upstream.learned_capabilities import LearnedCapabilities
from translators import Capabilities, Sampling

NO_PREFILL = Capabilities(prefill=False)
NO_SAMPLING = Capabilities(sampling=Sampling.NONE)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_lessons_add_up_and_only_what_is_new_is_news():
    store = LearnedCapabilities(seconds=60)

    with capture_logs() as lines:
        store.add("m", NO_PREFILL)
        store.add("m", NO_SAMPLING)
        store.add("m", NO_PREFILL)

    assert [line["lesson"] for line in lines] == ["prefill=no", "prefill=no, sampling=none"]
    assert store.current() == {"m": Capabilities(prefill=False, sampling=Sampling.NONE)}


def test_a_lesson_is_forgotten_after_its_time_and_lives_on_if_taught_again():
    clock = Clock()
    store = LearnedCapabilities(seconds=60, clock=clock)
    store.add("a", NO_PREFILL)
    store.add("b", NO_PREFILL)
    clock.now += 40
    store.add("b", NO_PREFILL)
    clock.now += 30

    assert store.listing() == [
        {"model": "b", "learnt": "prefill=no", "refusals": 2, "expires_in_seconds": 30}
    ]
    assert store.current() == {"b": NO_PREFILL}


def test_the_oldest_lesson_makes_room():
    store = LearnedCapabilities(seconds=60)
    for number in range(300):
        store.add(f"m{number}", NO_PREFILL)

    assert list(store.current()) == [f"m{number}" for number in range(44, 300)]


def test_a_name_is_redacted_before_it_is_cut():
    store = LearnedCapabilities(seconds=60)
    with capture_logs() as lines:
        store.add("m" * 240 + " sk-ant-api03-" + "a1" * 20, NO_PREFILL)

    shown = [line["model"] for line in [*lines, *store.listing()]]
    assert shown == ["m" * 240 + " [key]"] * 2


GONE = Capabilities(available=False)


def test_what_one_key_is_told_is_for_that_key_and_a_model_is_not_gone_for_long():
    clock = Clock()
    store = LearnedCapabilities(seconds=3600, clock=clock)
    store.add("m", GONE, "one")
    store.add("m", NO_PREFILL)

    assert store.current("one") == {"m": Capabilities(prefill=False, available=False)}
    assert store.current("two") == store.current() == {"m": NO_PREFILL}
    assert [one.get("only_for_key") for one in store.listing()] == [None, "one"]
    clock.now += 301
    assert store.current("one") == {"m": NO_PREFILL}
    assert [one["model"] for one in store.listing()] == ["m"]


def test_refused_user_ids_are_remembered_for_a_while_and_only_so_many():
    clock = Clock()
    store = LearnedCapabilities(seconds=60, clock=clock)
    for number in range(10_001):
        store.add_user_id(f"{number}")

    assert [store.refuses_user_id(one) for one in ("0", "1", "10000", "x")] == [
        *(False, True, True, False)
    ]
    clock.now += 61
    assert not store.refuses_user_id("1")


def test_a_lesson_is_logged_once_for_however_many_keys_and_models():
    store = LearnedCapabilities(seconds=60)
    with capture_logs() as lines:
        for number in range(600):
            store.add(f"m{number // 2}", GONE, f"key-{number}")

    assert len(lines) == 300


def test_keys_and_the_models_of_each_are_bounded_and_the_oldest_make_room():
    store = LearnedCapabilities(seconds=60)
    for number in range(17):
        store.add(f"m{number}", GONE, "one")
    assert list(store.current("one")) == [f"m{number}" for number in range(1, 17)]
    for number in range(10_000):
        store.add("m", GONE, f"key-{number}")

    assert store.current("one") == {}
    assert store.current("key-0") == store.current("key-9999") == {"m": GONE}
