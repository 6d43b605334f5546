"""What a loader is told, and that all servers of a directory have one store."""

from dataclasses import replace
from pathlib import Path

import pytest
import typer

from proxy.server.loader_subprocess import claim_journal_directory
from proxy.traffic import journal_directory
from proxy.traffic.status import LoaderConfig

SHARED = "postgresql://one:first@db/traffic"


@pytest.fixture
def keeping(tmp_path: Path) -> LoaderConfig:
    return LoaderConfig(directory=journal_directory(tmp_path), url=SHARED, days=1, max_bytes=2)


@pytest.mark.parametrize(
    "url",
    [
        SHARED,
        "postgresql://two:second@db/traffic?password=x",
        "postgresql+psycopg://db:5432/traffic",
    ],
)
def test_servers_may_share_journals_and_store(keeping, url):
    first = claim_journal_directory(keeping)
    second = claim_journal_directory(replace(keeping, url=url))

    assert first is not None
    assert second is not None
    first.close()
    second.close()


def test_of_a_server_with_another_store_the_start_is_refused(keeping, tmp_path, capsys):
    first = claim_journal_directory(keeping)
    with pytest.raises(typer.Exit) as refused:
        claim_journal_directory(replace(keeping, url="sqlite:////elsewhere.db"))
    assert first is not None
    first.close()

    assert refused.value.exit_code == 2
    assert capsys.readouterr().err == (
        f"holdover: state_dir: another Holdover uses {tmp_path} with a different traffic_url; "
        "give each its own state_dir, or both the same traffic_url\n"
    )


def test_a_server_that_comes_later_may_have_another_store(keeping):
    for url in (SHARED, "sqlite:////elsewhere.db", SHARED):
        held = claim_journal_directory(replace(keeping, url=url))
        assert held is not None
        held.close()


def test_where_no_journal_can_be_there_is_nothing_to_hold(keeping, tmp_path):
    (tmp_path / "traffic").write_text("in the way")

    assert claim_journal_directory(keeping) is None


def test_no_part_of_an_address_is_written_down(keeping):
    held = claim_journal_directory(keeping)
    assert held is not None
    held.close()
    (written,) = [path for path in keeping.directory.parent.iterdir() if path.is_file()]

    assert "first" not in written.read_text()
    assert len(written.read_text()) == 32
