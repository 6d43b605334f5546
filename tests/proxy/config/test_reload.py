"""What keeps following the settings whatever happens; the rest is tried on real workers."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.config.history import history_of
from proxy.config.reload import ConfigReloader, ConfigSource
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.observability.metrics import Metrics
from proxy.security.redaction import Digester
from proxy.workers.guards import Guards
from proxy.workers.shared_state import SharedState
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio
CALLER = f'[callers.ads]\ntoken = "sha256:{"0" * 64}"\n'
RULE = '[[rollout]]\nname = "a"\naction = "translate"\n'


def reloader(tmp_path, source=None, guards=None, **settings: Any):
    metrics = Metrics()
    guards = guards or Guards(SharedState(tmp_path / "state"), metrics)
    return ConfigReloader(load_settings(**settings), Digester("k"), guards, source, metrics)


async def test_without_a_file_there_is_nothing_to_read_again(tmp_path):
    here = reloader(tmp_path)
    before = here.version
    await here.read_again()

    assert here.version == before


async def test_a_worker_can_begin_with_what_a_file_said_that_is_gone(tmp_path):
    said = TomlSource(tmp_path / "gone.toml", RULE)
    here = reloader(tmp_path, ConfigSource(file=said, load=load_settings))
    await here.read_again()

    assert "no such file" in (here.version.problem or "")
    assert here.version.digest is not None


async def test_a_mistake_of_ours_in_reading_is_a_bad_file_like_any_other(tmp_path):
    file = tmp_path / "holdover.toml"
    file.write_text(RULE)

    def broken(_: TomlSource) -> Any:
        raise ZeroDivisionError

    here = reloader(tmp_path, ConfigSource(file=TomlSource.read(file), load=broken))
    with capture_logs() as lines:
        await here.read_again()

    assert [line["event"] for line in lines] == ["settings_crashed", "settings_bad"]
    assert here.version.problem == f"{file}: ZeroDivisionError"


@pytest.mark.parametrize(
    "bad", ['upstream_key = "sk-\\t1"', CALLER + 'legacy_key = { env = "KEY_OF_ADS" }']
)
async def test_a_file_with_a_key_that_can_be_none_is_not_followed(tmp_path, monkeypatch, bad):
    file = tmp_path / "holdover.toml"
    file.write_text('upstream_key = "sk-good"\n')
    source = ConfigSource(file=TomlSource.read(file), load=load_settings)
    here = reloader(tmp_path, source, upstream_key="sk-good")
    before = here.config
    monkeypatch.setenv("KEY_OF_ADS", "sk-\N{EURO SIGN}")
    file.write_text(bad)
    await here.read_again()

    assert here.config is before
    assert "_key" in (here.version.problem or "")
    assert "sk-" not in (here.version.problem or "")


async def test_what_goes_without_a_key_from_now_on_is_said(tmp_path):
    file = tmp_path / "holdover.toml"
    file.write_text('upstream_key = "sk-1"\n')
    here = reloader(tmp_path, ConfigSource(file=TomlSource.read(file), load=load_settings))
    file.write_text('upstream_key = "sk-1"\nlegacy_url = "http://legacy.invalid"\n')
    with capture_logs() as lines:
        await here.read_again()

    [warning] = [line["risk"] for line in lines if line["event"] == "risky_setting"]
    assert warning.startswith("legacy_url: clients' own keys will be sent there")


async def test_what_has_changed_is_said_and_kept(tmp_path):
    file = tmp_path / "holdover.toml"
    file.write_text(f"{RULE}share = 5\n")
    history = history_of(tmp_path / "state", file)
    source = ConfigSource(file=TomlSource.read(file), load=load_settings, history=history)
    here = ConfigReloader(
        load_settings(file),
        Digester("k"),
        Guards(SharedState(tmp_path), Metrics()),
        source,
        Metrics(),
    )
    with capture_logs() as lines:
        for text in (f"{RULE}share = 25\n", "nonsense", f"upstream_key = 'sk-1'\n{RULE}"):
            file.write_text(text)
            await here.read_again()

    expected = [
        ("share of a: 5 -> 25 %",),
        ("share of a: 25 -> 100 %", "upstream_key: added"),
    ]
    assert [line["changes"] for line in lines if line["event"] == "settings_read"] == expected
    assert [change.changes for change in history.read()] == expected


async def test_readings_follow_one_after_the_other(tmp_path):
    file = tmp_path / "holdover.toml"
    file.write_text(RULE)
    here = reloader(tmp_path, ConfigSource(file=TomlSource.read(file), load=load_settings))
    async with asyncio.TaskGroup() as group:
        group.create_task(here.read_again())
        file.write_text(RULE.replace('"translate"', '"refuse"'))
        group.create_task(here.read_again())

    assert here.config.rollout.rules[0].route.action == "refuse"


async def test_judging_goes_on_after_a_crash(tmp_path):
    judged = asyncio.Event()

    class Broken(Guards):
        def judge(self) -> None:
            if lines:
                judged.set()
            raise ZeroDivisionError

    guards = Broken(SharedState(tmp_path / "state"), Metrics())
    with capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            judging = group.create_task(guards.keep_judging())
            async with asyncio.timeout(PATIENCE_SECONDS):
                await judged.wait()
            judging.cancel()

    assert {line["event"] for line in lines} == {"judging_crashed"}
