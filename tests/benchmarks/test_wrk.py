from __future__ import annotations

import pytest

from tests.benchmarks.client import WrongAnswer
from tests.benchmarks.wrk import Said, parse_said

PRINTED = """Running 3s test @ http://127.0.0.1:1
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.00ms  100.00us   2.00ms   90.00%
  3000 requests in 3.00s, 1.00MB read
"""
SAID = '{"requests":3000,"microseconds":3000123,"p50_us":950,"p99_us":1900,"errors":0}\n'


def test_what_wrk_says_is_read_from_the_line_of_our_own():
    assert parse_said(PRINTED + SAID) == Said(3000, 3000123, 950, 1900, 0)


def test_errors_are_no_speed():
    with pytest.raises(WrongAnswer, match="3 errors in 3000 answers"):
        parse_said(PRINTED + SAID.replace('"errors":0', '"errors":3'))


def test_nothing_is_no_speed():
    with pytest.raises(WrongAnswer, match="0 errors in 0 answers"):
        parse_said(SAID.replace("3000,", "0,"))


def test_a_wrk_that_does_not_finish_is_told():
    with pytest.raises(WrongAnswer, match="unable to connect"):
        parse_said("unable to connect to 127.0.0.1:1 Connection refused\n")
