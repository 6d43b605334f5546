import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from proxy.comparison.compare import ComparableAnswer, compare
from proxy.errors import Blame
from proxy.observability.metrics import Metrics
from proxy.security.redaction import Redacted
from proxy.traffic import MadeAdjustment
from tests.hypothesis_profiles import scaled
from tests.record_factory import record as plain_record
from tests.small_disk import small_disk
from tests.waiting import PATIENCE_SECONDS
from translators import Usage


def record(**fields):
    """One exchange, of which only what a test is about is given."""
    plain = {"rule": "r", "first_byte_ms": 40.0, "input_tokens": None, "output_tokens": None}
    return plain_record(**(plain | fields))


def numbers(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """What is exported, but zeros: by name and the values of the labels, in the labels' order."""
    return {
        (
            sample.name.removeprefix("holdover_"),
            *dict(sorted(sample.labels.items())).values(),
        ): sample.value
        for family in text_string_to_metric_families(metrics.as_text().decode())
        for sample in family.samples
        if sample.value and not sample.name.endswith(("_created", "_bucket"))
    }


def test_nothing_happened_yet():
    assert numbers(Metrics()) == {}


def test_exchanges_are_counted_by_route_rule_status_and_blame_and_by_outcome():
    metrics = Metrics()
    metrics.exchange_ended(record())
    metrics.exchange_ended(record())
    metrics.exchange_ended(record(status=502, blame=Blame.UPSTREAM, rule=None))

    assert numbers(metrics) == {
        ("exchanges_total", "nobody", "translate", "r", "200"): 2,
        ("exchanges_total", "upstream", "translate", "", "502"): 1,
        ("outcomes_total", "answered", "translate", "r"): 2,
        ("outcomes_total", "upstream_error", "translate", ""): 1,
        ("first_byte_seconds_count", "translate", "r"): 2,
        ("first_byte_seconds_count", "translate", ""): 1,
        ("first_byte_seconds_sum", "translate", "r"): 0.08,
        ("first_byte_seconds_sum", "translate", ""): 0.04,
        ("exchange_duration_seconds_count", "translate", "r"): 2,
        ("exchange_duration_seconds_count", "translate", ""): 1,
        ("exchange_duration_seconds_sum", "translate", "r"): 0.012,
        ("exchange_duration_seconds_sum", "translate", ""): 0.006,
    }


def test_an_exchange_without_an_answer_took_no_time_until_it_began():
    metrics = Metrics()
    metrics.exchange_ended(record(route=None, rule=None, status=None, first_byte_ms=None))

    assert numbers(metrics) == {
        ("exchanges_total", "nobody", "", "", ""): 1,
        ("outcomes_total", "answered", "", ""): 1,
        ("exchange_duration_seconds_count", "", ""): 1,
        ("exchange_duration_seconds_sum", "", ""): 0.006,
    }


def test_tokens_are_counted_in_both_directions():
    metrics = Metrics()
    for _ in range(2):
        metrics.exchange_ended(record(input_tokens=6.0, output_tokens=14.0))
    metrics.exchange_ended(record(input_tokens=1.0, output_tokens=0.0))

    counted = numbers(metrics)
    assert counted["tokens_total", "input", "translate", "r"] == 13
    assert counted["tokens_total", "output", "translate", "r"] == 28


def test_only_callers_that_the_settings_name_are_labels():
    metrics = Metrics()
    metrics.exchange_ended(record(caller_name="nightly-batch"))
    for number in range(50):
        metrics.exchange_ended(record(caller=f"{number:016x}"))

    counted = {name: value for name, value in numbers(metrics).items() if "caller" in name[0]}
    assert counted == {("caller_exchanges_total", "nightly-batch", "translate"): 1}


def test_requests_for_other_paths_and_connections_are_shown():
    metrics = Metrics()
    metrics.request_passed("/v1/models", 200)
    metrics.request_passed("other", None)
    metrics.connections_now("exchanges", active=2, idle=1, awaited=3)

    assert numbers(metrics) == {
        ("passthrough_requests_total", "/v1/models", "200"): 1,
        ("passthrough_requests_total", "other", ""): 1,
        ("upstream_connections", "exchanges", "active"): 2,
        ("upstream_connections", "exchanges", "idle"): 1,
        ("upstream_connections", "exchanges", "awaited"): 3,
    }


def test_what_a_worker_uses_is_shown_and_its_processor_time_counted():
    metrics = Metrics()
    metrics.process_uses(memory_bytes=100, descriptors_ratio=0.5, cpu_seconds=2)
    metrics.process_uses(memory_bytes=90, descriptors_ratio=0.25, cpu_seconds=1)

    assert numbers(metrics) == {
        ("memory_bytes",): 90,
        ("open_descriptors_ratio",): 0.25,
        ("cpu_seconds_total",): 3,
    }


def test_notices_are_counted_by_what_became_of_them():
    metrics = Metrics()
    for outcome in ("failed", "failed", "sent"):
        metrics.notice_ended(outcome)

    assert numbers(metrics) == {("notices_total", "failed"): 2, ("notices_total", "sent"): 1}


def quantile(metrics: Metrics, wanted: float) -> float:
    """What `histogram_quantile` of Prometheus makes of the durations: a line within a bucket."""
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(metrics.as_text().decode())
        for sample in family.samples
        if sample.name == "holdover_exchange_duration_seconds_bucket"
    ]
    rank, below, counted_below = wanted * buckets[-1][1], 0.0, 0.0
    for bound, counted in buckets:
        if counted >= rank:
            part = (rank - counted_below) / (counted - counted_below)
            return below + (bound - below) * part
        below, counted_below = bound, counted
    raise AssertionError("there is no such bucket")


@pytest.mark.without_coverage
@settings(max_examples=scaled(300))
@given(
    times=st.lists(st.floats(100, 60_000), min_size=1, max_size=60),
    wanted=st.sampled_from([0.5, 0.95, 0.99]),
)
@example(times=[1000.0] * 20, wanted=0.95)
@example(times=[60_000.0], wanted=0.95)
def test_a_quantile_of_the_buckets_is_within_ten_percent(times: list[float], wanted: float):
    metrics = Metrics()
    for milliseconds in times:
        metrics.exchange_ended(record(total_ms=milliseconds))
    ordered = sorted(times)
    true = ordered[math.ceil(wanted * len(times)) - 1] / 1000

    assert 0.9 * true <= quantile(metrics, wanted) <= 1.1 * true


def test_more_than_every_bound_is_counted_too():
    metrics = Metrics()
    metrics.exchange_ended(record(total_ms=10**7))

    assert numbers(metrics)["exchange_duration_seconds_count", "translate", "r"] == 1


def adjusted(kind: str) -> MadeAdjustment:
    return MadeAdjustment(kind, Redacted("f"), Redacted("asked"), Redacted("sent"))


def test_adjustments_and_second_tries_are_counted():
    metrics = Metrics()
    metrics.exchange_ended(
        record(
            route="forward",
            adjustments=tuple(map(adjusted, ["map_model", "drop_beta", "drop_beta"])),
            first_failure="529 overloaded_error",
        )
    )

    counted = numbers(metrics)
    assert counted["adjustments_total", "map_model"] == 1
    assert counted["adjustments_total", "drop_beta"] == 1
    assert counted["second_tries_total", "forward", "r"] == 1


def answered(text: str) -> ComparableAnswer:
    return ComparableAnswer(
        text=text, stop_reason="s", seconds=1, model=None, usage=Usage(), adjustments=()
    )


def test_shadows_are_counted_by_what_became_of_them():
    metrics = Metrics()
    metrics.shadow_skipped("r", "budget")
    metrics.shadow_failed("r", "control")
    metrics.shadow_compared("r", "shadow", compare(answered("ab"), answered("ab")))
    metrics.shadow_compared("r", "shadow", compare(answered("ab"), answered("ac")))

    assert numbers(metrics) == {
        ("shadows_skipped_total", "budget", "r"): 1,
        ("shadows_failed_total", "control", "r"): 1,
        ("shadows_compared_total", "true", "shadow", "r", "true"): 1,
        ("shadows_compared_total", "false", "shadow", "r", "true"): 1,
        ("shadow_similarity_count", "shadow", "r"): 2,
        ("shadow_similarity_sum", "shadow", "r"): 1.5,
    }


def test_bad_settings_show_until_good_ones_are_read():
    metrics = Metrics()
    metrics.settings_read(good=False)
    bad = numbers(metrics)
    metrics.settings_read(good=True)

    assert bad == {("settings_reads_total", "bad"): 1, ("settings_bad",): 1}
    assert numbers(metrics) == {
        ("settings_reads_total", "bad"): 1,
        ("settings_reads_total", "good"): 1,
    }


def test_a_tripped_guard_shows_until_it_is_re_armed():
    metrics = Metrics()
    metrics.guards_tripped(frozenset({"a", "b"}))
    both = numbers(metrics)
    metrics.guards_tripped(frozenset({"b"}))

    assert both == {("guard_tripped", "a"): 1, ("guard_tripped", "b"): 1}
    assert numbers(metrics) == {("guard_tripped", "b"): 1}
    assert b'holdover_guard_tripped{rule="a"} 0.0' in metrics.as_text()


WORKER = """
import sys
from proxy.observability.metrics import Metrics
metrics = Metrics()
metrics.shadow_skipped("r", "budget")
metrics.guards_tripped(frozenset({"a"}))
print("counted", flush=True)
sys.stdin.read()
"""


COUNTING_ALONE = """
from proxy.observability.metrics import Metrics
metrics = Metrics()
for _ in range(2):
    metrics.shadow_skipped("r", "budget")
metrics.guards_tripped(frozenset({"a"}))
print(metrics.as_text().decode())
"""


def counted_alone(directory: Path) -> list[str]:
    """What a process prints that is to count with others, in a place where that is impossible."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING_ALONE],
        capture_output=True,
        text=True,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)},
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.unmeasured
def test_on_a_full_disk_a_worker_counts_by_itself_and_says_so():
    with small_disk(1024 * 1024) as disk:
        (disk / "full").write_bytes(bytes(1024 * 1024 - 16 * 1024))
        lines = counted_alone(disk / "shared")

    assert "metrics_not_shared" in lines[0]
    assert "No space left on device" in lines[0]
    assert 'holdover_shadows_skipped_total{reason="budget",rule="r"} 2.0' in lines
    assert 'holdover_guard_tripped{rule="a"} 1.0' in lines


def test_without_a_directory_a_worker_counts_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "file" / "shared"))
    with capture_logs() as lines:
        metrics = Metrics()
    metrics.shadow_skipped("r", "budget")

    assert [line["event"] for line in lines] == ["metrics_not_shared"]
    assert numbers(metrics) == {("shadows_skipped_total", "budget", "r"): 1}


@pytest.mark.measured
@pytest.mark.unmeasured
def test_a_worker_with_the_number_of_one_that_is_gone_goes_on_with_its_counts(tmp_path: Path):
    first = worker(tmp_path)
    first.communicate(timeout=PATIENCE_SECONDS)
    before = {path: path.read_bytes() for path in tmp_path.glob("counter_*")}
    renamed = tmp_path / f"counter_{os.getpid()}.db"
    (path,) = before
    path.rename(renamed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        counted = numbers(Metrics())

    assert renamed.read_bytes() == before[path]
    assert counted["shadows_skipped_total", "budget", "r"] == 1


def worker(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


@pytest.mark.unmeasured
def test_workers_add_up_and_those_that_are_gone_leave_their_counts_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    workers = [worker(tmp_path), worker(tmp_path)]
    alive = numbers(Metrics())
    for process in workers:
        process.communicate(timeout=PATIENCE_SECONDS)
    gone = numbers(Metrics())

    assert alive == {("shadows_skipped_total", "budget", "r"): 2, ("guard_tripped", "a"): 1}
    assert gone == {("shadows_skipped_total", "budget", "r"): 2}


@pytest.mark.without_coverage
@pytest.mark.measured
@pytest.mark.unmeasured
def test_a_process_that_is_somebody_else_s_is_no_less_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    process = worker(tmp_path)
    process.communicate(timeout=PATIENCE_SECONDS)
    (tmp_path / f"gauge_livemax_{process.pid}.db").rename(tmp_path / "gauge_livemax_1.db")

    assert ("guard_tripped", "a") in numbers(Metrics())


def test_a_directory_that_was_cleaned_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    directory = tmp_path / "shared"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(directory))
    metrics = Metrics()
    shutil.rmtree(directory)

    assert numbers(metrics) == {}
    assert directory.is_dir()


def test_what_is_not_kept_is_counted():
    metrics = Metrics()
    metrics.records_lost(2)
    metrics.journal_dropped("contents", 100)

    assert numbers(metrics) == {
        ("records_lost_total",): 2,
        ("journal_dropped_bytes_total", "contents"): 100,
    }
