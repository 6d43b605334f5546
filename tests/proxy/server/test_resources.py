from pathlib import Path

from proxy.server.resources import memory_bytes


def test_a_container_with_less_memory_than_the_machine_says_how_much(tmp_path: Path):
    unlimited, limited = tmp_path / "max", tmp_path / "limited"
    unlimited.write_text("max\n")
    limited.write_text("1048576\n")
    machine = memory_bytes([])

    assert machine > 2**20
    assert memory_bytes([tmp_path / "absent", unlimited]) == machine
    assert memory_bytes([unlimited, limited]) == 2**20
