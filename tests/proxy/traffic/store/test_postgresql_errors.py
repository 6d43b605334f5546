"""What can be wrong with a PostgreSQL, or on the way to it; in no message is there a password."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.traffic import ReadOnlyStoreError, StoreError, open_store
from proxy.traffic.store.errors import UnacceptableEntry
from tests.postgres import IN_URL, PASSWORD, Postgres, postgres
from tests.proxy.traffic.store.test_store import counts
from tests.record_factory import record
from tests.waiting import PATIENCE_SECONDS


def problem_with(url: str) -> StoreError:
    with pytest.raises(StoreError) as told:
        open_store(url)
    for secret in (PASSWORD, IN_URL, "wrong"):
        assert secret not in str(told.value)
    return told.value


def test_a_wrong_password_is_the_operators_to_mend(server: Postgres):
    told = problem_with(server.url("postgres", password="wrong"))

    assert f"PostgreSQL at 127.0.0.1:{server.port}/postgres cannot be used" in str(told)
    assert "password authentication failed" in str(told)
    assert not told.may_pass


def test_a_database_that_does_not_exist_is_the_operators_to_make(server: Postgres):
    told = problem_with(server.url("nowhere"))

    assert 'database "nowhere" does not exist' in str(told)
    assert not told.may_pass


def test_an_option_that_does_not_exist_is_said_to_be_so(server: Postgres):
    told = problem_with(server.url("postgres") + "?sslmod=off")

    assert 'invalid connection option "sslmod"' in str(told)
    assert not told.may_pass


def test_nobody_there_may_pass():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and does not listen
        told = problem_with(f"postgresql://u:{IN_URL}@127.0.0.1:{listener.getsockname()[1]}/d")

    assert "Connection refused" in str(told)
    assert told.may_pass


def test_who_may_only_read_can_read(server: Postgres):
    url = server.new_database()
    store = open_store(url)
    store.add([record()])
    store.close()
    database = url.rpartition("/")[2]
    server.execute(
        database,
        f"CREATE ROLE reader_of_{database} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_{database}",
    )
    readers = server.url(database, user=f"reader_of_{database}")
    with pytest.raises(
        ReadOnlyStoreError, match="cannot be written: the server is read-only, or this user"
    ):
        open_store(readers)
    reader = open_store(readers, read_only=True)

    assert counts(reader) == [1, 0, 0]
    with pytest.raises(
        ReadOnlyStoreError, match="cannot execute INSERT in a read-only transaction"
    ):
        reader.add([record(id="req_2")])
    reader.close()


def test_a_user_who_may_not_make_tables_is_told_so(server: Postgres):
    url = server.new_database()
    database = url.rpartition("/")[2]
    server.execute(database, f"CREATE ROLE nobody_of_{database} LOGIN PASSWORD '{PASSWORD}'")
    told = problem_with(server.url(database, user=f"nobody_of_{database}"))

    assert "permission denied for schema public" in str(told)
    assert not told.may_pass


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_what_was_open_when_the_server_stopped_works_when_it_is_back():
    with postgres() as ours:
        store = open_store(ours.new_database())
        store.add([record()])
        ours.stop()
        with pytest.raises(StoreError) as told:
            store.add([record(id="req_2")])
        ours.start()
        store.add([record(id="req_2")])

        assert told.value.may_pass
        assert counts(store) == [2, 0, 0]
        store.close()


def test_queries_that_take_longer_than_a_limit_end(server: Postgres):
    store = open_store(server.new_database())
    store.limit_queries(1, waiting=60)
    with pytest.raises(StoreError) as told, store.reading() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(60)")

    assert "statement timeout" in str(told.value)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    store.close()


def test_queries_that_wait_for_a_lock_for_longer_than_a_limit_end(server: Postgres):
    url = server.new_database()
    store, other = open_store(url), open_store(url)
    other.limit_queries(60, waiting=0.01)
    with store.reading() as locked:
        locked.exec_driver_sql("LOCK TABLE exchanges IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError) as told, other.reading() as connection:
            connection.exec_driver_sql("SELECT id FROM exchanges")

    assert "lock timeout" in str(told.value)
    store.close()
    other.close()


def test_a_connection_that_breaks_while_it_is_used_may_pass(server: Postgres):
    url = server.new_database()
    store = open_store(url)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut me'"
    with store.engine.connect() as connection:
        connection.exec_driver_sql("SET application_name = 'cut me'")
        server.execute("postgres", cut)
        with pytest.raises(StoreError) as told:
            connection.exec_driver_sql("SELECT 1")

    assert told.value.may_pass
    store.add([record()])
    assert counts(store) == [1, 0, 0]
    store.close()


def test_a_null_character_does_not_stop_a_store(server: Postgres):
    """A client can ask for a model with one in its name; PostgreSQL has no place for it."""
    store = open_store(server.new_database())
    store.add([record(asked_model="claude\0-2")])

    assert counts(store) == [1, 0, 0]
    store.close()


def test_what_is_too_large_for_an_index_is_not_acceptable(server: Postgres):
    store = open_store(server.new_database())
    with pytest.raises(UnacceptableEntry):
        store.add([record(id=secrets.token_hex(10_000))])
    store.add([record()])

    assert counts(store) == [1, 0, 0]
    store.close()


@pytest.mark.thorough
def test_without_its_driver_it_is_said_what_to_install(tmp_path: Path):
    (tmp_path / "psycopg.py").write_text("raise ModuleNotFoundError('No module named psycopg')")
    code = (
        "from proxy.traffic import *\n"
        "try: open_store('postgresql://u:p@127.0.0.1/d')\n"
        "except StoreError as exc: print(exc)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )

    assert run.stdout == "PostgreSQL needs a driver: pip install 'holdover[postgres]'\n"
