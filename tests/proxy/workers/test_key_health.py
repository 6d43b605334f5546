"""What workers know of keys that upstream refuses, over restarts and on boards of no use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from proxy.config.build import build_runtime_config
from proxy.config.sources import load_settings
from proxy.security.keyring import Keyring
from proxy.security.redaction import Digester
from proxy.workers.key_health import KeyHealth
from proxy.workers.shared_state import SharedState
from tests.hypothesis_profiles import scaled


class Counts:
    """How often which key was refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def key_refused(self, setting: str) -> None:
        self.refused.append(setting)


def worker(directory: Path) -> KeyHealth:
    return KeyHealth(SharedState(directory), Counts())


def ring(**fields: Any) -> Keyring:
    plain: dict[str, Any] = {"upstream_key": "sk-1", "upstream_url": "https://one.invalid"}
    return build_runtime_config(load_settings(**(plain | fields)), Digester("k")).keyring


RING = ring()
TO = RING.identify([]).messages


def shown(health: KeyHealth, keyring: Keyring = RING) -> list[str]:
    return list(health.problems(keyring))


def test_a_refusal_is_known_until_an_answer(tmp_path):
    health = worker(tmp_path)
    health.observe(TO, 401)
    after = [shown(health)]
    for status in (400, 429, 500, 302):
        health.observe(TO, status)
        after.append(shown(health))
    health.observe(TO, 200)

    assert after == [["upstream_key"]] * 5
    assert shown(health) == []


def test_it_outlives_a_restart_and_not_its_key(tmp_path):
    worker(tmp_path).observe(TO, 403)
    health = worker(tmp_path)
    health.compare_notes()

    assert shown(health) == ["upstream_key"]
    assert shown(health, ring(upstream_key="sk-2")) == []
    assert shown(health, ring(upstream_url="https://two.invalid")) == []
    assert shown(health, ring(upstream_key=None)) == []


def test_a_restart_does_not_make_it_silent(tmp_path):
    worker(tmp_path).observe(TO, 401)
    health = worker(tmp_path)
    health.compare_notes()
    with capture_logs() as lines:
        health.observe(TO, 401)
        health.observe(TO, 401)

    assert [(line["event"], line["log_level"]) for line in lines] == [("key_refused", "error")]


def test_another_key_in_its_place_is_another_matter(tmp_path):
    health = worker(tmp_path)
    new = ring(upstream_key="sk-2")
    health.observe(TO, 401)
    with capture_logs() as lines:
        health.observe(new.identify([]).messages, 401)

    assert [line["event"] for line in lines] == ["key_refused"]
    assert shown(health, new) == ["upstream_key"]
    assert shown(health) == []


def test_a_board_that_is_of_no_use_leaves_each_worker_to_itself(tmp_path):
    (tmp_path / "state").write_text("not a directory")
    health, other = worker(tmp_path / "state"), worker(tmp_path / "state")
    health.observe(TO, 401)
    for each in (health, other):
        each.compare_notes()
    alone = shown(health), shown(other)
    (tmp_path / "state").unlink()
    for each in (health, other):
        each.compare_notes()

    assert alone == (["upstream_key"], [])
    assert shown(health) == shown(other) == ["upstream_key"]


def test_without_a_board_an_answer_mends_it_all_the_same(tmp_path):
    (tmp_path / "state").write_text("not a directory")
    health = worker(tmp_path / "state")
    health.observe(TO, 401)
    health.observe(TO, 200)

    assert shown(health) == []


def test_a_note_of_another_version_says_nothing(tmp_path):
    shared_state = SharedState(tmp_path)
    shared_state.write("refused_keys/upstream_key", b'{"key": 5}')
    shared_state.write("refused_keys/legacy_key", b"\xff")
    health = worker(tmp_path)
    health.compare_notes()

    assert shown(health) == []


@settings(max_examples=scaled(300))
@given(
    heard=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([200, 401, 403, 500])), max_size=12)
)
def test_all_workers_believe_what_was_heard_last_by_any_of_them(
    tmp_path_factory: pytest.TempPathFactory, heard: list[tuple[int, int]]
):
    workers = [worker(tmp_path_factory.getbasetemp() / "law") for _ in range(3)]
    workers[0].observe(TO, 401)
    workers[0].observe(TO, 200)  # whatever the last example has left
    believed = False
    for number, status in heard:
        workers[number].observe(TO, status)
        for each in workers:
            each.compare_notes()
        believed = {200: False, 500: believed}.get(status, True)

        assert [shown(each) for each in workers] == [["upstream_key"] * believed] * 3
