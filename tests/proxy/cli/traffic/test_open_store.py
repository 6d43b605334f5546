"""The store as verbs open it: where it is, what they cannot wait for, and what they say."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from threading import Event

import msgspec
import pytest
import typer
from msgspec.structs import replace
from sqlalchemy import func, select

from proxy.cli.traffic.open_store import open_traffic_store
from proxy.server.loader_subprocess import claim_journal_directory
from proxy.traffic import default_url, journal_directory, open_store
from proxy.traffic.journal.loader import loader_lock
from proxy.traffic.journal.segments import RECORDS, SegmentWriter
from proxy.traffic.loader_process import run_loader
from proxy.traffic.status import LoaderConfig, loader_state_in, read_status, write_status
from proxy.traffic.store.schema import exchanges
from tests.command_line import run
from tests.proxy.cli.harness import add_to, settings_with
from tests.record_factory import record
from tests.unprivileged import as_nobody, public_directory
from tests.waiting import wait_for


def recorded(config: Path, *, demo: bool = False) -> int:
    """How many exchanges a verb would find."""
    with (
        open_traffic_store(config, None, demo=demo) as store,
        store.engine.connect() as connection,
    ):
        count: int = connection.execute(select(func.count()).select_from(exchanges)).scalar_one()
        return count


def test_the_demos_store_is_its_own(tmp_path: Path):
    config = settings_with(tmp_path, [record()])
    add_to(tmp_path / "demo", [record(id="req_2"), record(id="req_3")])

    assert recorded(config) == 1
    assert recorded(config, demo=True) == 2


def test_the_verb_load_makes_the_store_ready(tmp_path: Path):
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n')
    done = run("load", "--config", str(config))

    assert (done.returncode, done.stdout) == (0, "")
    assert recorded(config) == 0


def test_the_settings_say_where_the_store_is_but_not_that_of_the_demo(tmp_path: Path):
    config = settings_with(tmp_path, [])
    url = default_url(tmp_path / "elsewhere")
    config.write_text(f'{config.read_text()}traffic_url = "{url}"\n')
    add_to(tmp_path / "elsewhere", [record()])

    assert recorded(config) == 1
    assert recorded(config, demo=True) == 0


def test_a_store_that_can_only_be_read_is_read():
    with public_directory() as place:
        config = settings_with(place, [record()])
        (place / "traffic").chmod(0o555)
        (place / "traffic" / "traffic.db").chmod(0o444)
        with as_nobody():
            found = recorded(config)
        (place / "traffic").chmod(0o700)

    assert found == 1


def test_what_waits_is_loaded_first_if_no_loader_is_at_it(tmp_path: Path):
    config = settings_with(tmp_path, [])
    journal = SegmentWriter(journal_directory(tmp_path), RECORDS)
    journal.append(msgspec.msgpack.encode(record()))
    journal.close()
    with loader_lock(journal_directory(tmp_path)):
        found = recorded(config)

    assert found == 0
    assert recorded(config) == 1


@pytest.mark.parametrize(
    ("mode", "waiting"),
    [(0o755, " bytes, cannot"), (0o700, "what waits there, if anything, cannot")],
)
def test_what_cannot_be_loaded_is_said_and_no_condition_passes_on_it(
    capsys: pytest.CaptureFixture[str], mode: int, waiting: str
):
    with public_directory() as place:
        config = settings_with(place, [record()])
        with closing(SegmentWriter(journal_directory(place), RECORDS)) as journal:
            journal.append(msgspec.msgpack.encode(record(id="req_2")))
        (place / "traffic").chmod(0o555)
        (place / "traffic" / "traffic.db").chmod(0o444)
        journal_directory(place).chmod(mode)
        with as_nobody():
            found = recorded(config)
            with (
                pytest.raises(typer.Exit) as ended,
                open_traffic_store(config, None, demo=False, must_be_complete=True),
            ):
                pass
        journal_directory(place).chmod(0o700)
        (place / "traffic").chmod(0o700)

    assert (found, ended.value.exit_code) == (1, 2)
    assert capsys.readouterr().err.count(waiting) == 2


def test_where_nothing_waits_who_may_only_read_is_told_nothing(
    capsys: pytest.CaptureFixture[str],
):
    with public_directory() as place:
        config = settings_with(place, [record()])
        journal_directory(place).mkdir()
        journal_directory(place).chmod(0o755)
        (place / "traffic").chmod(0o555)
        (place / "traffic" / "traffic.db").chmod(0o444)
        with as_nobody():
            found = recorded(config)
        (place / "traffic").chmod(0o700)

    assert (found, capsys.readouterr().err) == (1, "")


def keeping_in(state_dir: Path, url: str | None = None) -> LoaderConfig:
    directory, url = journal_directory(state_dir), url or default_url(state_dir)
    return LoaderConfig(directory=directory, url=url, days=90, max_bytes=0)


def test_what_a_loader_is_at_is_waited_for(tmp_path: Path, capsys):
    config = settings_with(tmp_path, [])
    keeping, over = keeping_in(tmp_path), Event()
    # Without a thread of idle priority, which is for a process that does nothing else.
    looked = threading.Thread(
        target=run_loader, args=[keeping, over.wait], kwargs={"idle_seconds": None}
    )
    with closing(SegmentWriter(keeping.directory, RECORDS)) as journal:
        looked.start()
        try:
            wait_for(lambda: read_status(loader_state_in(keeping.directory)))
            found: list[int] = []
            for name in ("one", "two", "three"):
                journal.append(msgspec.msgpack.encode(record(id=name)))
                found.append(recorded(config))
        finally:
            over.set()
            looked.join()

    assert found == [1, 2, 3]
    assert capsys.readouterr().err == ""


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.parametrize("before", ["nothing", "a look", "a look by a clock that was ahead"])
def test_a_loader_that_does_not_get_on_is_not_waited_for_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str
):
    config = settings_with(tmp_path, [])
    keeping = keeping_in(tmp_path)
    if before != "nothing":
        run_loader(keeping, lambda _seconds: True)
    if "ahead" in before:
        loader_state = loader_state_in(keeping.directory)
        looked = read_status(loader_state)
        assert looked is not None
        write_status(loader_state, replace(looked, complete_until="2999-01-01T00:00:00.000Z"))
    with loader_lock(journal_directory(tmp_path)):
        found = recorded(config)

    assert found == 0
    assert capsys.readouterr().err == (
        "holdover: the most recent exchanges are still being loaded and are missing "
        "here; try again in a few seconds\n"
    )


def test_a_command_that_reads_another_store_than_the_server_says_so_and_takes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = settings_with(tmp_path, [])
    keeping = keeping_in(tmp_path, url="postgresql+psycopg://holdover@db/holdover")
    held = claim_journal_directory(keeping)
    assert held is not None
    with held, closing(SegmentWriter(keeping.directory, RECORDS)) as journal:
        journal.append(msgspec.msgpack.encode(record()))
        found = recorded(config)
        with (
            pytest.raises(typer.Exit) as ended,
            open_traffic_store(config, None, demo=False, must_be_complete=True),
        ):
            pass

    assert found == 0  # what the journal has is the other store's
    assert ended.value.exit_code == 2
    missing = "records into another store than this command reads, so its traffic is missing here"
    assert capsys.readouterr().err.count(missing) == 2


def test_the_servers_own_store_is_the_same_under_any_name(tmp_path: Path, capsys):
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    config = settings_with(tmp_path / "state", [record()])
    held = claim_journal_directory(keeping_in(tmp_path / "link"))
    assert held is not None
    with held:
        found = recorded(config)

    assert (found, capsys.readouterr().err) == (1, "")


@pytest.mark.thorough
def test_what_waits_while_somebody_else_writes_the_store_is_said_and_the_rest_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = settings_with(tmp_path, [record()])
    with closing(SegmentWriter(journal_directory(tmp_path), RECORDS)) as journal:
        journal.append(msgspec.msgpack.encode(record(id="req_2")))
    file = tmp_path / "traffic" / "traffic.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        found = recorded(config)

    assert found == 1
    assert recorded(config) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"holdover: {file} is locked by another program")
    assert told.endswith("try again; the most recent exchanges may be missing here\n")


def test_what_is_wrong_is_said_with_status_2(tmp_path: Path, capsys):
    config = settings_with(tmp_path, [])
    (tmp_path / "traffic" / "traffic.db").write_bytes(b"no database" * 1000)
    with pytest.raises(typer.Exit) as told:
        recorded(config)

    assert told.value.exit_code == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"holdover: {tmp_path / 'traffic' / 'traffic.db'} is not a SQLite database"
    )
    assert said.count("\n") == 1


def test_what_goes_wrong_while_it_is_read_is_said_the_same_way(tmp_path: Path, capsys):
    config = settings_with(tmp_path, [record()])
    with (
        pytest.raises(typer.Exit) as told,
        open_traffic_store(config, None, demo=False) as store,
        store.engine.connect() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM nothing_here")

    assert told.value.exit_code == 2
    assert "no such table: nothing_here" in capsys.readouterr().err
    open_store(default_url(tmp_path)).close()
