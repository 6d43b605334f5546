"""A thread of idle priority gets work when the processor is idle, and is not waited for else."""

import os
import threading

from proxy.traffic.idle_thread import IdleThread
from tests.waiting import wait_for


def test_what_is_given_to_it_runs_with_idle_priority_and_its_result_comes_back():
    with IdleThread() as idle:
        policy = idle.run(lambda: os.sched_getscheduler(0))

    assert policy == os.SCHED_IDLE
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_thread_that_does_not_get_on_is_not_waited_for_and_asked_again_later():
    may_end = threading.Event()
    with IdleThread() as idle:
        # As a processor that others keep busy would hold it up.
        holds_up = threading.Thread(target=idle.run, args=[may_end.wait])
        holds_up.start()
        try:
            answers = [idle.is_processor_idle(), idle.is_processor_idle()]
        finally:
            may_end.set()
            holds_up.join()
        late = idle.is_processor_idle()
        wait_for(idle.is_processor_idle)

    assert answers == [False, False]
    assert not late
