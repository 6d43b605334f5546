from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.fair_queue import FairQueue


def anybody(_: str) -> bool:
    return True


def drained(queue: FairQueue[str]) -> list[str]:
    items = []
    while (item := queue.pop(anybody)) is not None:
        items.append(item)
    return items


def test_a_caller_with_one_request_stands_before_the_second_of_another():
    queue = FairQueue[str]()
    for number in range(5):
        queue.push("flood", f"flood {number}", 1)
    queue.push("polite", "polite", 1)

    assert drained(queue)[:3] == ["flood 0", "polite", "flood 1"]


def test_requests_of_one_caller_are_served_in_their_order():
    queue = FairQueue[int]()
    for number in range(5):
        queue.push("one", number, 1)

    assert [queue.pop(anybody) for _ in range(6)] == [0, 1, 2, 3, 4, None]


def test_who_was_served_without_waiting_has_had_a_turn():
    queue = FairQueue[str]()
    queue.charge("busy", 10)
    queue.push("busy", "busy", 1)
    queue.push("new", "new 0", 1)
    queue.push("new", "new 1", 1)

    assert drained(queue) == ["new 0", "new 1", "busy"]


def test_an_idle_caller_saves_up_no_turns():
    queue = FairQueue[str]()
    queue.charge("idle", 1)
    for _ in range(50):
        queue.charge("busy", 1)
    for number in range(3):
        queue.push("idle", f"idle {number}", 1)
        queue.push("busy", f"busy {number}", 1)

    assert drained(queue)[:2] == ["idle 0", "busy 0"]


def test_a_request_with_a_long_body_counts_as_several():
    queue = FairQueue[str]()
    for number in range(4):
        queue.push("long", f"long {number}", 3)
        queue.push("short", f"short {number}", 1)

    assert drained(queue)[:5] == ["long 0", "short 0", "short 1", "short 2", "long 1"]


def test_a_caller_that_may_not_start_is_left_out_until_it_is_unblocked():
    queue = FairQueue[str]()
    queue.push("full", "full", 1)
    queue.push("free", "free", 1)

    assert queue.pop(lambda caller: caller != "full") == "free"
    assert queue.pop(anybody) is None
    queue.unblock("full")
    assert queue.pop(anybody) == "full"


def test_an_item_that_is_discarded_is_not_served():
    queue = FairQueue[str]()
    queue.push("one", "gone", 1)
    queue.push("one", "stays", 1)
    queue.discard("one", "gone")
    queue.discard("one", "gone")
    queue.discard("nobody", "gone")

    assert (len(queue), queue.count_of("one"), drained(queue)) == (1, 1, ["stays"])


def test_a_caller_whose_items_are_all_discarded_is_passed_over():
    queue = FairQueue[str]()
    queue.push("gone", "gone", 1)
    queue.push("other", "other", 1)
    queue.discard("gone", "gone")

    assert drained(queue) == ["other"]


def test_the_newest_item_of_the_longest_queue_makes_room():
    queue = FairQueue[str]()
    for number in range(3):
        queue.push("long", f"long {number}", 1)
    queue.push("short", "short", 1)

    assert (queue.longest, queue.pop_newest_of_longest(), len(queue)) == (3, "long 2", 3)
    assert FairQueue[str]().longest == 0


def test_callers_that_are_idle_are_forgotten_when_there_are_many():
    queue = FairQueue[str]()
    queue.push("waits", "waits", 1)
    for number in range(10_000):
        queue.charge(f"caller {number}", 1)

    assert len(queue._callers) <= 2_000
    assert drained(queue) == ["waits"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5)),
        min_size=1,
        max_size=200,
    )
)
def test_while_two_callers_wait_neither_gets_more_than_one_request_ahead(pushed):
    """The bound that start-time fair queuing has: the costliest request of each of the two."""
    queue = FairQueue[int]()
    cost_of = dict(enumerate(pushed))
    for number, (caller, cost) in cost_of.items():
        queue.push(caller, number, cost)
    left = Counter(caller for caller, _ in pushed)
    served = Counter[str]()
    most = 2 * max(cost for _, cost in pushed)
    while (item := queue.pop(anybody)) is not None:
        caller, cost = cost_of[item]
        served[caller] += cost
        left[caller] -= 1
        waiting = [served[one] for one in "abc" if left[one]]
        assert not waiting or max(waiting) - min(waiting) <= most
    assert sum(served.values()) == sum(cost for _, cost in pushed)
    assert not len(queue)


def test_callers_who_come_for_the_first_time_cannot_keep_out_one_who_has_had_a_turn():
    queue = FairQueue[str]()
    queue.charge("steady", 1)
    for number in range(10):
        queue.push(f"new {number}", f"new {number}", 1)
    queue.push("steady", "steady", 1)
    served: list[str | None] = []
    while "steady" not in served and len(served) < 100:
        served.append(queue.pop(anybody))
        queue.push(f"later {len(served)}", f"later {len(served)}", 1)

    assert len(served) <= 2 * 11 + 1


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.sampled_from("abcd")),
            st.tuples(st.sampled_from(["pop", "discard", "evict"]), st.just("")),
        ),
        max_size=100,
    )
)
def test_the_longest_line_is_known_whatever_happens_to_the_queue(steps):
    queue, waiting = FairQueue[int](), dict[int, str]()
    for number, (step, caller) in enumerate(steps):
        if step == "push":
            queue.push(caller, number, 1)
            waiting[number] = caller
        elif step == "pop":
            if (item := queue.pop(anybody)) is None:
                assert not waiting
            else:
                del waiting[item]
        elif step == "discard" and waiting:
            item = next(iter(waiting))
            queue.discard(waiting.pop(item), item)
        elif step == "evict" and waiting:
            lengths = Counter(waiting.values())
            item = queue.pop_newest_of_longest()
            assert lengths[waiting[item]] == max(lengths.values())
            assert item == max(one for one in waiting if waiting[one] == waiting[item])
            del waiting[item]
        assert queue.longest == max(Counter(waiting.values()).values(), default=0)
        assert len(queue) == len(waiting)


def test_to_unblock_who_waits_for_nothing_changes_nothing():
    queue = FairQueue[str]()
    queue.unblock("nobody")

    assert drained(queue) == []
