"""Evidence as an operator sees it: two workers, a loader beside them, and a store."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from proxy.traffic import PARTS
from proxy.traffic.journal.segments import RECORDS, SegmentWriter
from tests.command_line import run_process
from tests.fleet import Fleet, running_fleet
from tests.record_factory import record
from tests.waiting import wait_for

pytestmark = [pytest.mark.unmeasured, pytest.mark.without_coverage]

RULES = """
[[rollout]]
name = "quiet"
match = { header = { x-case = "quiet" } }
action = "translate"
capture = "off"

[[rollout]]
name = "digests"
match = { header = { x-case = "digests" } }
action = "translate"
capture = "digest"

[[rollout]]
name = "old"
match = { header = { x-case = "old" } }
action = "forward"
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("evidence")
    with running_fleet(directory, 'capture = "full"\n' + RULES, workers=2) as running:
        yield running


def shown(fleet: Fleet, id_: str) -> dict[str, object]:
    """All that is kept of an exchange, as soon as the loader has come by."""
    show = ("show", id_, "--format", "json", "--config", str(fleet.config))
    said = wait_for(lambda: run_process(*show).stdout)
    decoded: dict[str, object] = msgspec.json.decode(said)
    return decoded


def shows(fleet: Fleet, id_: str, *parts: str) -> bool:
    """Whether these bodies are kept of it, and no others, as soon as they are loaded, too."""
    return bool(wait_for(lambda: set(bodies(shown(fleet, id_))) == set(parts)))


def bodies(page: dict[str, object]) -> dict[str, object]:
    kept = page["bodies"]
    assert isinstance(kept, dict)
    return kept


@pytest.mark.one_in(4)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("version", [..., "2023-06-01"])
def test_the_four_bodies_of_an_exchange_can_be_looked_at(fleet: Fleet, stream, version):
    answer = fleet.post({"anthropic-version": version}, stream=stream)

    assert shows(fleet, fleet.record(answer)["id"], *PARTS)


def test_a_forwarded_exchange_has_two_bodies(fleet: Fleet):
    answer = fleet.post({"x-case": "old"}, model="claude-2.1")
    line = fleet.record(answer)

    assert shows(fleet, line["id"], "legacy_in", "legacy_back")


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("case", "parts"), [("quiet", ()), ("digests", PARTS)])
def test_a_rule_says_how_much_is_kept(fleet: Fleet, case, parts):
    answer = fleet.post({"x-case": case})

    assert shows(fleet, fleet.record(answer)["id"], *parts)


def loaders_of(fleet: Fleet) -> list[int]:
    """The process ids of the loaders that the server has started."""
    found: list[int] = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes()
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if b"loader_program" in command and parent == fleet.process.pid:
            found.append(int(directory.name))
    return found


@pytest.mark.measured
def test_a_loader_that_is_killed_is_begun_again(fleet: Fleet):
    (first,) = wait_for(lambda: loaders_of(fleet))
    os.kill(first, signal.SIGKILL)
    (second,) = wait_for(lambda: [pid for pid in loaders_of(fleet) if pid != first])
    assert fleet.line("loader_ended")["status"] == -signal.SIGKILL
    before = fleet.ready()[fleet.workers[0]]["evidence"]["loader"]
    fleet.post()

    assert second != first
    wait_for(lambda: rows(fleet) > (before or {"rows": 0})["rows"])


def rows(fleet: Fleet) -> int:
    loader = fleet.ready()[fleet.workers[0]]["evidence"]["loader"]
    return loader["rows"] if loader else 0


def test_a_loader_begins_while_the_settings_file_is_bad(fleet: Fleet):
    good = fleet.config.read_text()
    fleet.write("no settings")
    fleet.wait_for_problem("line 1")
    (first,) = wait_for(lambda: loaders_of(fleet))
    before = rows(fleet)
    os.kill(first, signal.SIGKILL)
    fleet.post()

    wait_for(lambda: rows(fleet) > before)
    fleet.write(good)
    fleet.wait_for_recovery()


def test_a_server_with_the_same_directory_and_another_store_is_refused(
    fleet: Fleet, tmp_path: Path
):
    other = tmp_path / "other.toml"
    url = f"sqlite:///{tmp_path}/other.db"
    other.write_text(f"{fleet.config.read_text()}".replace("[[", f'traffic_url = "{url}"\n[[', 1))
    refused = run_process("serve", "--config", str(other))

    assert refused.returncode == 2
    assert "with a different traffic_url" in refused.stderr


def test_how_evidence_stands_is_shown_to_operators(fleet: Fleet):
    fleet.post()
    wait_for(lambda: fleet.number("holdover_store_rows_total") > 0)
    wait_for(lambda: fleet.number("holdover_journal_waiting_bytes") == 0)
    evidence = fleet.ready()[fleet.workers[0]]["evidence"]

    assert evidence["problem"] is None
    assert evidence["waiting_bytes"] == 0
    assert evidence["silent_seconds"] < 30
    assert fleet.number("holdover_store_failed") == 0


def test_when_the_server_ends_the_loader_loads_what_is_left_and_ends_too(tmp_path: Path):
    with running_fleet(tmp_path, workers=2) as fleet:
        (loader,) = wait_for(lambda: loaders_of(fleet))
        markers = [fleet.post().request.headers["user-agent"] for _ in range(20)]
    wait_for(lambda: not Path(f"/proc/{loader}").exists())
    log = run_process("log", "--format", "json", "--config", str(fleet.config)).stdout

    assert [msgspec.json.decode(line)["user_agent"] for line in log.splitlines()] == markers
    assert list((tmp_path / "state" / "traffic" / "journal").iterdir()) == []


def test_without_evidence_nothing_is_written(tmp_path: Path):
    with running_fleet(tmp_path, "traffic = false", workers=2) as fleet:
        fleet.post()
        ready, numbers = fleet.ready(), fleet.client.get(f"{fleet.url}/metrics").text

    assert [one["evidence"] for one in ready.values()] == [None, None]
    assert "holdover_store" not in numbers
    assert not (tmp_path / "state" / "traffic").exists()


def test_the_journals_can_be_loaded_by_hand(tmp_path: Path):
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n')
    journal = SegmentWriter(tmp_path / "traffic" / "journal", RECORDS)
    journal.append(msgspec.msgpack.encode(record(id="req_left")))
    journal.close()
    done = run_process("load", "--config", str(config))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "traffic" / "journal").iterdir()) == []
    assert "req_left" in run_process("log", "--format", "json", "--config", str(config)).stdout
