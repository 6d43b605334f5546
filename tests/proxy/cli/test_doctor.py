"""`holdover doctor` against real servers of every failing kind: each line says what to do."""

import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, delete

from proxy.simulator import create_simulator
from proxy.traffic import default_url, open_store
from proxy.traffic.store.schema import exchanges, rollups
from tests import otlp_receiver
from tests.command_line import HOLDOVER, run
from tests.fleet import running_fleet
from tests.postgres import Postgres, postgres
from tests.recorded_exchanges import numbered
from tests.scripted_server import Act, Peer, answers, listening_in_a_thread, locked, ok
from tests.servers import free_port, serving
from tests.small_disk import small_disk
from tests.unprivileged import as_nobody, public_directory
from tests.webhook import receiving

SECRET = "sk-ant-api03-never-to-be-shown"
CLEAN = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "ANTHROPIC_API_KEY": ""}
NEWER = "UPDATE holdover_version SET version_num = '9999'"

Findings = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with serving(create_simulator()) as url:
        yield url


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def doctor(
    directory: Path,
    *settings: str,
    status: int = 0,
    user: bool = False,
    trust: str = "",
    **environment: str,
) -> Findings:
    """What it finds with these settings, by the name of the check; `user`: as not root."""
    config = directory / "doctor.toml"
    defaults = {"state_dir": f'"{directory}/state"', "port": "0"}
    given = {line.partition(" = ")[0] for line in settings}
    written = [f"{name} = {value}" for name, value in defaults.items() if name not in given]
    config.write_text("\n".join([*written, *settings]))
    config.chmod(0o644 if user else 0o600)
    with as_nobody() if user else nullcontext():
        done = run(
            "doctor",
            "--config",
            str(config),
            "--format",
            "json",
            **CLEAN | {"SSL_CERT_FILE": trust} | environment,
        )
    assert (done.returncode, done.stderr) == (status, ""), done
    assert "never-to-be-shown" not in done.stdout
    found: Findings = {}
    for finding in json.loads(done.stdout)["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def levels(found: Findings) -> dict[str, str]:
    """How bad each check is."""
    return {name: " ".join(each["level"] for each in here) for name, here in found.items()}


def of(url: str) -> str:
    return f'upstream_url = "{url}"'


def test_where_all_is_well_every_line_says_so(tmp_path: Path, upstream: str):
    open_store(default_url(tmp_path / "state")).close()

    found = doctor(tmp_path, of(upstream), f'upstream_key = "{SECRET}"')

    assert levels(found) == {
        "settings": "ok",
        "environment": "ok",
        "upstream": "ok",
        "upstream key": "ok",
        "clock": "ok",
        "legacy": "ok",
        "notices": "ok",
        "traces": "ok",
        "state_dir": "ok",
        "store": "ok",
        "port": "ok",
        "descriptors": "ok",
    }


def test_a_receiver_of_notices_is_reached_or_not_and_gets_nothing(tmp_path: Path, upstream: str):
    with receiving() as webhook:
        there = doctor(tmp_path, of(upstream), *webhook.toml.splitlines())
    gone = doctor(tmp_path, of(upstream), *webhook.toml.splitlines(), status=1)

    assert there["notices"][0]["text"].startswith(f"http://127.0.0.1:{webhook.port} is reached")
    assert webhook.received == []
    assert levels(gone)["notices"] == "failed"
    assert "it refuses connections" in gone["notices"][0]["text"]
    assert gone["notices"][0]["remedy"] == "start the receiver, or correct the port in notify_url"
    assert "hidden" not in str(there) + str(gone)


def test_a_variable_that_opentelemetry_cannot_use_is_found(tmp_path: Path, upstream: str):
    found = doctor(tmp_path, of(upstream), "traces = true", status=1, OTEL_BSP_SCHEDULE_DELAY="0")

    assert levels(found)["environment"] == "failed"
    assert "schedule_delay_millis must be positive" in found["environment"][0]["text"]


def test_a_collector_takes_no_spans_or_is_not_there(tmp_path: Path, upstream: str):
    with otlp_receiver.receiving() as collector:
        at: dict[str, Any] = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url.replace("//", "//me:hidden@")
        }
        there = doctor(tmp_path, of(upstream), "traces = true", **at)
    gone = doctor(tmp_path, of(upstream), "traces = true", status=1, **at)

    assert there["traces"][0]["text"] == f"the collector at {collector.url} takes spans"
    assert collector.spans == []
    assert levels(gone)["traces"] == "failed"
    assert gone["traces"][0]["text"].startswith(f"the collector at {collector.url} took no spans")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in gone["traces"][0]["remedy"]
    assert "hidden" not in str(there) + str(gone)


def test_people_read_a_line_for_each_finding_and_each_setting_with_its_source(
    tmp_path: Path, upstream: str
):
    config, secrets, state = (tmp_path / name for name in ("holdover.toml", "secrets", "state"))
    config.write_text('port = 0\n\n[models]\n"a" = "b"\n\n[rollout-override]\naction = "translate"')
    secrets.mkdir()
    (secrets / "holdover_upstream_key").write_text(SECRET)
    environment = {"HOLDOVER_UPSTREAM_URL": upstream, "HOLDOVER_STATE_DIR": str(state)}
    options = ("--config", str(config), "--secrets", str(secrets))

    done = run("doctor", *options, **CLEAN | environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert "ok       upstream key: upstream_key is accepted\n" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("setting ")] == [
        f"setting  port = 0 ({config}, line 1)",
        f'setting  state_dir = "{state}" (environment, HOLDOVER_STATE_DIR)',
        f'setting  upstream_url = "{upstream}" (environment, HOLDOVER_UPSTREAM_URL)',
        "setting  upstream_key = (not shown) (secrets, holdover_upstream_key)",
        f"setting  models = 1 given ({config}, line 3)",
        f"setting  rollout_override = a table ({config}, line 6)",
    ]
    assert not state.exists()


def test_a_remedy_stands_under_what_it_is_for(tmp_path: Path):
    environment = {"HOLDOVER_UPSTREAM_URL": f"http://127.0.0.1:{free_port()}"}
    place = {"HOLDOVER_STATE_DIR": str(tmp_path), "HOLDOVER_PORT": "0"}

    done = run("doctor", **CLEAN | environment | place)

    assert (done.returncode, done.stderr) == (1, "")
    refused = r"^failed   upstream: .*: it refuses connections .*\n         start the upstream, or"
    assert re.search(refused, done.stdout, re.MULTILINE)


def test_invalid_settings_are_named_and_nothing_else_is_tried(tmp_path: Path):
    found = doctor(tmp_path, "port = -1", "workers = 0", status=2)

    assert levels(found) == {"settings": "failed failed"}
    assert "line 2: port: " in found["settings"][0]["text"]


def test_unwise_settings_are_warned_of_as_check_warns_of_them(tmp_path: Path, upstream: str):
    found = doctor(tmp_path, of(upstream), 'host = ""', f'upstream_key = "{SECRET}"')

    assert levels(found)["settings"] == "ok warning"
    assert "anyone who can reach every address can spend" in found["settings"][1]["text"]


def test_an_environment_that_cannot_be_used_is_named(tmp_path: Path):
    found = doctor(tmp_path, status=1, trust="/nowhere")

    assert levels(found)["environment"] == "failed"
    assert "upstream" not in found


@contextmanager
def acting(act: Act, context: ssl.SSLContext | None = None) -> Iterator[str]:
    with listening_in_a_thread(act, context=context) as here:
        yield here.url


async def crashes(peer: Peer) -> None:
    await peer.hear()
    peer.crash()


def refused() -> AbstractContextManager[str]:
    return nullcontext(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("serve", "said", "remedy"),
    [
        (refused, "it refuses connections", "start the upstream"),
        (lambda: nullcontext("http://no.invalid"), "its name is not known", "correct the name"),
        (locked, "no connection was made in time", "open the way in firewalls"),
        (lambda: acting(crashes), "", "see that upstream_url is an HTTP server"),
        (
            lambda: acting(answers(b"SSH-2.0\r\n\r\n")),
            "",
            "see that upstream_url is an HTTP server",
        ),
    ],
    ids=["refused", "name", "slow", "crash", "no HTTP"],
)
def test_an_upstream_that_cannot_be_asked_is_named_with_what_to_do(
    tmp_path: Path, serve: Callable[[], AbstractContextManager[str]], said: str, remedy: str
):
    with serve() as url:
        found = doctor(tmp_path, of(url), "upstream_connect_timeout = 0.5", status=1)

    last = found["upstream"][-1]
    assert last["level"] == "failed"
    assert said in last["text"]
    assert last["remedy"].startswith(remedy)


def test_a_proxy_on_the_way_is_named_without_its_password_and_its_refusal_is_told(tmp_path: Path):
    with acting(answers(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as url:
        via = url.replace("//", "//user:never-to-be-shown@")
        found = doctor(tmp_path, of("https://upstream.invalid"), status=1, HTTPS_PROXY=via)

    assert found["environment"][0]["text"].startswith("upstream_url is asked through the proxy 127")
    assert "it answered CONNECT with status 403" in found["upstream"][0]["text"]
    assert found["upstream"][0]["remedy"].startswith("let the proxy in HTTPS_PROXY")


def certificate(directory: Path, begins: int, ends: int) -> Path:
    """One for this machine that begins and ends so many days from now, with its key."""
    request = (
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out request"
        " -subj /CN=here"
    )
    (directory / "index").touch()
    (directory / "config").write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={directory}/index\nnew_certs_dir={directory}\n"
        "rand_serial=yes\ndefault_md=sha256\npolicy=any\nx509_extensions=names\n"
        "[any]\ncommonName=supplied\n[names]\nsubjectAltName=IP:127.0.0.1\n"
    )
    days = [datetime.now(UTC) + timedelta(days=each) for each in (begins, ends)]
    begin, end = (f"{day:%Y%m%d%H%M%SZ}" for day in days)
    sign = (
        "ca -batch -notext -config config -selfsign -keyfile key -in request -out certificate"
        f" -startdate {begin} -enddate {end}"
    )
    for command in (request, sign):
        subprocess.run(f"openssl {command}".split(), cwd=directory, check=True, capture_output=True)
    file = directory / "both.pem"
    file.write_text((directory / "certificate").read_text() + (directory / "key").read_text())
    return file


@pytest.mark.parametrize(
    ("days", "trust", "level", "said"),
    [
        ((-1, 20), "file", "ok", "valid for 20 more days"),
        ((-1, 2), "file", "ok", "valid for 2 more days"),
        ((-80, 10), "file", "warning", "valid for 10 more days"),
        ((-9, -1), "file", "failed", "certificate has expired"),
        ((-1, 20), "", "failed", "self-signed certificate"),
    ],
    ids=["long", "young", "ends", "expired", "unknown"],
)
def test_a_certificate_is_tried(
    tmp_path: Path, days: tuple[int, int], trust: str, level: str, said: str
):
    file = certificate(tmp_path, *days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    with acting(answers(ok(b"{}")), context) as url:
        found = doctor(tmp_path, of(url), status=int(level == "failed"), trust=trust and str(file))

    [about] = found.get("upstream certificate") or found["upstream"]
    assert (about["level"], bool(about["remedy"])) == (level, level != "ok")
    assert said in about["text"]


def test_what_speaks_no_tls_is_told_from_a_wrong_certificate(tmp_path: Path, upstream: str):
    found = doctor(tmp_path, of(upstream.replace("http:", "https:")), status=1)

    assert "TLS failed" in found["upstream"][0]["text"]
    assert found["upstream"][0]["remedy"].startswith("correct upstream_url: no TLS is spoken there")


@pytest.mark.parametrize(
    ("status", "level"),
    [(200, "ok"), (401, "failed"), (403, "failed"), (404, "warning"), (529, "warning")],
)
def test_a_key_is_tried_by_a_call_that_costs_nothing(tmp_path: Path, status: int, level: str):
    heads: list[bytes] = []

    async def answer(peer: Peer) -> None:
        heads.append(await peer.hear())
        # An upstream may repeat the key that it refuses.
        await peer.say(b"HTTP/1.1 %d X\r\ncontent-length: 30\r\n\r\n%b" % (status, SECRET.encode()))

    with acting(answer) as url:
        key = f'upstream_key = "{SECRET}"'
        found = doctor(tmp_path, of(url), key, status=int(level == "failed"))

    assert levels(found)["upstream key"] == level
    assert heads[0].startswith(b"GET /v1/models?limit=1 HTTP/1.1\r\n")
    assert b"x-api-key: " + SECRET.encode() in heads[0]


def test_keys_of_callers_and_of_the_legacy_upstream_are_tried_too(tmp_path: Path, upstream: str):
    token = sha256(b"token").hexdigest()
    with acting(answers(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n")) as legacy:
        found = doctor(
            tmp_path,
            of(upstream),
            f'legacy_url = "{legacy}"',
            'legacy_key = "another"',
            f'callers.a = {{ token = "sha256:{token}", upstream_key = "{SECRET}" }}',
        )

    assert [each["text"] for each in found["upstream key"]] == [
        "callers.a.upstream_key is accepted"
    ]
    assert levels(found)["legacy"] == "ok"
    assert found["legacy key"][0]["level"] == "ok"
    assert found["legacy key"][0]["text"].startswith("legacy_key was not tried")


def test_the_key_of_the_environment_is_tried_where_it_may_be_sent(tmp_path: Path, upstream: str):
    tried = doctor(tmp_path, of(upstream), ANTHROPIC_API_KEY=SECRET)
    bad = doctor(tmp_path, of(upstream), ANTHROPIC_API_KEY="sk-\t1")

    assert tried["upstream key"][0]["text"] == "ANTHROPIC_API_KEY is accepted"
    assert levels(bad)["upstream key"] == "warning ok"


@pytest.mark.parametrize(("status", "level"), [(401, "ok"), (503, "warning")])
def test_an_upstream_for_which_no_key_is_held_answers_at_all(
    tmp_path: Path, status: int, level: str
):
    with acting(answers(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)) as url:
        found = doctor(tmp_path, of(url))

    assert levels(found)["upstream key"] == level
    assert f"the answer is {status}" in found["upstream key"][0]["text"]


@pytest.mark.parametrize(("hours", "level"), [(0, "ok"), (2, "warning")])
def test_the_clock_is_compared_with_upstreams(tmp_path: Path, hours: int, level: str):
    then = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    with acting(answers(ok(b"{}", f"Date: {then}\r\n".encode()))) as url:
        found = doctor(tmp_path, of(url))

    assert levels(found)["clock"] == level


def test_a_state_directory_that_the_user_may_not_write_to_has_failed(upstream: str):
    with public_directory() as public:
        (public / "state").mkdir(mode=0o555)
        there = doctor(public, of(upstream), user=True, status=1)
        place = f'state_dir = "{public}/state/in/it"'
        to_be = doctor(public, of(upstream), place, user=True, status=1)

    assert "Permission denied; let the user" in there["state_dir"][0]["text"]
    assert f"it cannot be made in {public}/state;" in to_be["state_dir"][0]["text"]


def test_one_of_another_user_is_not_judged_as_root(upstream: str):
    with public_directory() as public, as_nobody_owned(public / "state"):
        found = doctor(public, of(upstream))

    assert levels(found)["state_dir"] == "warning"
    assert found["state_dir"][0]["remedy"] == "run this as the user of the server"


@contextmanager
def as_nobody_owned(path: Path) -> Iterator[None]:
    path.parent.chmod(0o777)
    with as_nobody():
        (path / "traffic" / "journal").mkdir(parents=True)
    if path.stat().st_uid == 0:
        pytest.skip("it takes two users")
    yield


def test_a_disk_that_is_full_or_nearly_so_is_warned_of(upstream: str, tmp_path: Path):
    with small_disk(256 * 1024) as disk:
        place = f'state_dir = "{disk}"'
        (disk / "traffic" / "journal").mkdir(parents=True)
        nearly = doctor(tmp_path, of(upstream), place)
        with pytest.raises(OSError, match="No space"), (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(512 * 1024))
        full = doctor(tmp_path, of(upstream), place)

    assert "make room" in nearly["state_dir"][0]["remedy"]
    assert "is full" in full["state_dir"][0]["text"]


def test_records_that_are_not_kept_need_no_store(tmp_path: Path, upstream: str):
    found = doctor(tmp_path, of(upstream), "traffic = false")

    assert found["store"][0]["text"] == "no records are kept (`traffic`)"


def test_a_store_of_another_version_is_told_from_one_that_is_gone(tmp_path: Path, upstream: str):
    url = default_url(tmp_path / "state")
    open_store(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(NEWER)
    newer = doctor(tmp_path, of(upstream), status=1)
    with engine.begin() as connection:
        connection.exec_driver_sql(NEWER.replace("9999", "0001"))
    older = doctor(tmp_path, of(upstream))
    engine.dispose()

    assert "use the newer version that wrote it" in newer["store"][0]["text"]
    assert older["store"][0]["level"] == "warning"


def test_sums_that_were_deleted_are_told_from_those_that_are_lost(tmp_path: Path, upstream: str):
    with closing(open_store(default_url(tmp_path / "state"))) as store:
        store.add(numbered(1, 2))
        with store.writing() as connection:
            connection.execute(delete(rollups))
        deleted = doctor(tmp_path, of(upstream))
        with store.writing() as connection:
            connection.execute(delete(exchanges))
        lost = doctor(tmp_path, of(upstream))

    assert deleted["store"][0]["text"] == "the sums of 2 exchanges are not built"
    assert lost["store"][0]["text"] == (
        "The sums of 2 exchanges were deleted, and so were their records (2026-11-23: 2): only a"
        " backup of the store has them."
    )
    assert [levels(each)["store"] for each in (deleted, lost)] == ["warning", "warning"]


def test_a_store_that_the_user_may_only_read_has_failed(upstream: str):
    with public_directory() as public:
        file = public / "traffic.db"
        open_store(f"sqlite:///{file}").close()
        file.chmod(0o444)
        found = doctor(
            public,
            of(upstream),
            f'traffic_url = "sqlite:///{file}"',
            f'state_dir = "{public}"',
            user=True,
            status=1,
        )

    assert found["store"][0]["remedy"].startswith("let the server's user write there")


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_postgresql_is_tried_without_making_anything_in_it(
    tmp_path: Path, upstream: str, server: Postgres
):
    url = server.new_database()
    settings = (of(upstream), f'traffic_url = "{url}"')
    empty = doctor(tmp_path, *settings)
    again = doctor(tmp_path, *settings)
    open_store(url).close()
    current = doctor(tmp_path, *settings)
    away = doctor(
        tmp_path,
        of(upstream),
        f'traffic_url = "postgresql://a:never-to-be-shown@127.0.0.1:{free_port()}/b"',
        status=1,
    )

    assert [levels(each)["store"] for each in (empty, again, current)] == ["warning"] * 2 + ["ok"]
    assert away["store"][0]["remedy"].startswith("until it can be used, records wait")


def test_a_port_that_is_taken_is_told_from_one_that_holdover_has(tmp_path: Path, upstream: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = doctor(tmp_path, of(upstream), f"port = {taken.getsockname()[1]}", status=1)
    with acting(answers(ok(b'{"status":"other"}'))) as url:
        other = doctor(tmp_path, of(upstream), f"port = {url.rpartition(':')[2]}", status=1)

    assert found["port"][0]["remedy"].startswith("stop who listens there")
    assert levels(other)["port"] == "failed"


@pytest.mark.thorough
def test_beside_a_running_server_all_is_well(tmp_path: Path):
    with running_fleet(tmp_path) as fleet:
        port = fleet.url.rpartition(":")[2]
        fleet.ask("any")
        done = run(
            "doctor", "--config", str(fleet.config), "--format", "json",
            **CLEAN, HOLDOVER_PORT=port,
        )  # fmt: skip

    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0, found
    assert found["port"]["text"].startswith("a running Holdover listens on 127.0.0.1, port ")


@pytest.mark.thorough
def test_few_file_descriptors_are_warned_of(tmp_path: Path):
    place = {"HOLDOVER_STATE_DIR": str(tmp_path), "HOLDOVER_UPSTREAM_URL": "http://127.0.0.1:1"}
    limited = ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh", *HOLDOVER, "doctor"]
    done = subprocess.run(
        limited,
        env=os.environ | CLEAN | place,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "warning  descriptors: 200 file descriptors: 68 connections of clients" in done.stdout
