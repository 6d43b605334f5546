from pathlib import Path

from proxy.server.resources import memory_bytes, process_usage


def test_a_container_with_less_memory_than_the_machine_says_how_much(tmp_path: Path):
    unlimited, limited = tmp_path / "max", tmp_path / "limited"
    unlimited.write_text("max\n")
    limited.write_text("1048576\n")
    machine = memory_bytes([])

    assert machine > 2**20
    assert memory_bytes([tmp_path / "absent", unlimited]) == machine
    assert memory_bytes([unlimited, limited]) == 2**20


def test_a_process_uses_memory_descriptors_and_time(tmp_path: Path):
    before = process_usage()
    with (tmp_path / "file").open("w"):
        with_a_file = process_usage()

    assert before.memory_bytes > 2**20
    assert with_a_file.descriptors == before.descriptors + 1
    assert 0 < before.cpu_seconds <= with_a_file.cpu_seconds


def test_a_system_that_does_not_say_what_is_used_is_taken_for_zero(tmp_path: Path):
    unknown = process_usage(tmp_path / "absent")

    assert (unknown.memory_bytes, unknown.descriptors) == (0, 0)
