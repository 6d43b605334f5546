"""Spans of exchanges, as a collector gets them: which there are, and what they say."""

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.end_to_end.fallback_fleet import RULES as TWO_TRIES
from tests.end_to_end.fallback_fleet import SPARE, ask, two_legs
from tests.fleet import Fleet, marked, rule, running_fleet
from tests.harness import body
from tests.otlp_receiver import ReceivedSpan, Receiver, receiving
from tests.servers import fetch_streamed, free_port, serving
from tests.waiting import wait_for

RULES = "\n".join(
    [
        "traces = true",
        TWO_TRIES,
        rule("shadowed", 'action = "translate"', 'shadow = { model = "claude-sonnet-5" }'),
        rule("control", 'action = "translate"', 'shadow = { action = "forward", control = true }'),
        rule("refused", 'action = "refuse"'),
    ]
)
OLD, SMALL = "claude-2.1", "claude-instant-1.2"
SECRET = f"sk-ant-api03-{secrets.token_hex(20)}"


@dataclass
class Traced:
    """A Holdover that sends its spans, and the collector that gets them."""

    fleet: Fleet
    receiver: Receiver

    def spans(self, answer: httpx.Response, count: int) -> list[ReceivedSpan]:
        """Return the spans of the exchange that led to this answer."""
        return self.receiver.of_trace(self.fleet.record(answer)["trace_id"], count)

    def sent(self, answer: httpx.Response, name: str = "traceparent") -> list[str]:
        """Return a header of the requests that upstreams got for this answer."""
        urls = (self.fleet.upstream_url, self.fleet.legacy_url)
        requests = [each for url in urls for each in self.fleet.received(url, answer)]
        return [value for each in requests for key, value in each["headers"] if key == name]

    def sent_parents(self, answer: httpx.Response) -> list[tuple[str, str, bool]]:
        """Return trace, span and whether it is sampled, as upstreams got them."""
        parts = [value.split("-") for value in self.sent(answer)]
        return [(trace, span, int(flags, 16) % 2 == 1) for _, trace, span, flags in parts]


@contextmanager
def traced(directory: Path, **environment: str) -> Iterator[Traced]:
    """Run a Holdover that sends its spans at once."""
    with receiving() as receiver:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with two_legs(directory, RULES, **variables | environment) as fleet:
            yield Traced(fleet, receiver)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Every exchange of it is traced, unless its client says otherwise."""
    directory = tmp_path_factory.mktemp("traces")
    with traced(
        directory,
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    ) as running:
        yield running


def parent(flags: str = "01", **parts: str) -> dict[str, str]:
    """Return a client's `traceparent`."""
    given = {"version": "00", "trace": secrets.token_hex(16), "span": secrets.token_hex(8)} | parts
    return {"traceparent": "-".join([*given.values(), flags])}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_exchange_is_a_server_span_around_the_client_span_of_its_request(world, stream):
    answer = world.fleet.post(model=SMALL, stream=stream, temperature=0.5)
    record = world.fleet.record(answer)
    server, client = world.spans(answer, 2)

    assert (server.name, server.kind, server.status) == (
        f"text_completion {SMALL}",
        "SERVER",
        "UNSET",
    )
    assert (client.name, client.kind) == (f"chat {record['sent_model']}", "CLIENT")
    assert (server.parent_id, client.parent_id) == ("", server.span_id)
    assert record["span_id"] == server.span_id
    assert world.sent_parents(answer) == [(client.trace_id, client.span_id, True)]
    said = server.attributes
    assert said["gen_ai.operation.name"] == "text_completion"
    assert said["gen_ai.provider.name"] == "anthropic"
    assert said["gen_ai.request.model"] == SMALL
    assert said["gen_ai.request.temperature"] == 0.5
    assert said["gen_ai.response.finish_reasons"] == [record["stop_reason"]]
    assert said["http.response.status_code"] == 200
    assert said["holdover.id"] == record["id"]
    assert said["holdover.outcome"] == "answered"
    assert said["holdover.caller"] == record["caller"]
    assert said["holdover.adjustments"] == [each["kind"] for each in record["adjustments"]]
    asked = client.attributes
    host, port = world.fleet.upstream_url.removeprefix("http://").split(":")
    assert asked["gen_ai.operation.name"] == "chat"
    assert asked["gen_ai.request.model"] == record["sent_model"]
    assert asked["gen_ai.response.model"] == record["answered_model"]
    assert asked["gen_ai.response.finish_reasons"] == [record["upstream_stop_reason"]]
    assert asked["gen_ai.usage.input_tokens"] == record["input_tokens"]
    assert asked["gen_ai.usage.output_tokens"] == record["output_tokens"]
    assert (asked["server.address"], asked["server.port"]) == (host, int(port))
    for attributes in (said, asked):
        assert ("gen_ai.request.stream" in attributes) == stream
        assert "error.type" not in attributes
    assert ("gen_ai.response.time_to_first_chunk" in asked) == stream
    took = server.wire.end_time_unix_nano - server.wire.start_time_unix_nano
    assert took / 1e6 == pytest.approx(record["total_ms"], abs=0.01)
    assert server.wire.start_time_unix_nano <= client.wire.start_time_unix_nano
    assert client.wire.end_time_unix_nano == server.wire.end_time_unix_nano


def test_the_resource_is_named_as_operators_are_used_to(world):
    span = world.spans(world.fleet.post(), 2)[0]

    assert span.resource["service.name"] == "holdover"
    assert span.resource["deployment.environment.name"] == "test"
    assert {"service.version", "service.instance.id"} <= span.resource.keys()


def test_the_trace_of_a_client_goes_on(world):
    given = parent() | {"tracestate": "vendor=opaque"}
    answer = world.fleet.post(given)
    server, client = world.spans(answer, 2)

    _, trace_id, span_id, _ = given["traceparent"].split("-")
    assert (server.trace_id, server.parent_id) == (trace_id, span_id)
    assert world.sent_parents(answer) == [(trace_id, client.span_id, True)]
    assert world.sent(answer, "tracestate") == ["vendor=opaque"]


def test_a_client_that_is_not_sampled_has_no_spans_and_its_trace_goes_on(world):
    given = parent("00")
    answer = world.fleet.post(given)
    follows = world.spans(world.fleet.post(), 2)

    trace_id = given["traceparent"].split("-")[1]
    assert world.fleet.record(answer)["trace_id"] == trace_id
    [(sent_trace, _, is_sampled)] = world.sent_parents(answer)
    assert (sent_trace, is_sampled) == (trace_id, False)
    assert follows
    assert trace_id not in {span.trace_id for span in world.receiver.spans}


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "nonsense"},
        parent(version="ff"),
        parent(trace="0" * 32),
        parent(span="0" * 16),
        parent(flags="01-more"),
        parent(trace="A" * 32),
    ],
)
def test_a_malformed_trace_is_replaced(world, headers):
    answer = world.fleet.post(headers | {"tracestate": "of=nobody"})
    server, client = world.spans(answer, 2)

    assert server.parent_id == ""
    assert world.sent_parents(answer) == [(client.trace_id, client.span_id, True)]
    assert world.sent(answer, "tracestate") == []


def test_a_huge_state_of_a_trace_ends_here(world):
    given = parent() | {"tracestate": ",".join(f"v{n}={'x' * 200}" for n in range(30))}
    answer = world.fleet.post(given | {"baggage": "user=" + "y" * 9000})

    assert world.spans(answer, 2)[0].trace_id == given["traceparent"].split("-")[1]
    assert (world.sent(answer, "tracestate"), world.sent(answer, "baggage")) == ([], [])


def test_a_state_that_is_none_is_dropped_and_costs_no_line_of_the_log(world):
    answer = world.fleet.post(parent() | {"tracestate": "Not a state"})

    assert world.spans(answer, 2)
    assert world.sent(answer, "tracestate") == []
    assert world.fleet.lines("traces_failing") == []


def test_what_is_refused_before_an_upstream_is_asked_is_one_span(world):
    answer = world.fleet.post({"x-api-key": ...})
    [server] = world.spans(answer, 1)

    assert (server.name, server.status) == ("text_completion", "UNSET")
    assert server.attributes["error.type"] == "authentication_error"
    assert server.attributes["http.response.status_code"] == 401
    assert server.attributes["holdover.outcome"] == "not_admitted"


def test_a_rule_that_refuses_is_no_failure(world):
    [server] = world.spans(world.fleet.ask("refused"), 1)

    assert (server.status, server.attributes["holdover.rule"]) == ("UNSET", "refused")
    assert server.attributes["holdover.outcome"] == "refused"


@pytest.mark.parametrize(
    ("status", "of_server"), [(529, "ERROR"), (400, "UNSET")], ids=["upstream's", "client's"]
)
def test_an_error_of_upstreams_is_one_of_both_spans_unless_the_client_is_to_blame(
    world, status, of_server
):
    answer = world.fleet.post({"simulate-error": str(status)})
    server, client = world.spans(answer, 2)

    assert (server.status, client.status) == (of_server, "ERROR")
    assert server.attributes["error.type"] == world.fleet.record(answer)["error_type"]
    assert client.attributes["error.type"] == server.attributes["error.type"]
    assert client.attributes["http.response.status_code"] == status


def test_a_stream_that_fails_is_an_error_though_its_status_is_well(world):
    headers = {"simulate-error-after-deltas": "1"}
    server, client = world.spans(world.fleet.post(headers, stream=True), 2)

    for span in (server, client):
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "overloaded_error")
        assert span.attributes["http.response.status_code"] == 200


def test_the_second_try_of_an_exchange_links_to_the_first(world):
    answer = ask(world.fleet, "to-legacy", {"error": "529"})
    server, first, second = world.spans(answer, 3)

    assert (first.name.split()[0], second.name) == ("chat", f"text_completion {OLD}")
    assert (first.parent_id, second.parent_id) == (server.span_id, server.span_id)
    assert (first.links, second.links) == ([], [first.span_id])
    assert (first.status, second.status, server.status) == ("ERROR", "UNSET", "UNSET")
    assert first.attributes["error.type"] == "overloaded_error"
    assert first.wire.end_time_unix_nano <= second.wire.start_time_unix_nano
    assert [span for _, span, _ in world.sent_parents(answer)] == [first.span_id, second.span_id]


def test_a_first_try_that_is_too_slow_ends_with_that(world):
    answer = ask(world.fleet, "to-model", {"delay-headers": "5000"})
    _, first, second = world.spans(answer, 3)

    assert first.attributes["error.type"] == "timeout_error"
    assert "http.response.status_code" not in first.attributes
    assert second.name == f"chat {SPARE}"


def test_a_request_that_is_made_anew_after_a_lesson_links_to_the_refused_one(world):
    answer = world.fleet.ask("alone", model="claude-opus-4-8", temperature=0.5)
    _, first, second = world.spans(answer, 3)

    assert (first.attributes["error.type"], first.status) == ("400", "ERROR")
    assert (second.links, second.status) == ([first.span_id], "UNSET")


def test_a_shadow_is_in_the_trace_of_its_exchange_and_links_to_its_request(world):
    answer = world.fleet.ask("shadowed")
    server, client, shadow = world.spans(answer, 3)

    assert shadow.name == "chat claude-sonnet-5"
    assert (shadow.parent_id, shadow.links) == (server.span_id, [client.span_id])
    assert shadow.attributes["holdover.leg"] == "shadow"
    assert shadow.attributes["gen_ai.usage.output_tokens"] > 0
    assert shadow.wire.start_time_unix_nano >= server.wire.end_time_unix_nano
    assert (shadow.trace_id, shadow.span_id, True) in world.sent_parents(answer)


def test_a_shadow_that_fails_says_so_and_its_control_does_not(world):
    answer = world.fleet.ask("control", model=OLD, headers={"x-legacy": '{"error": "500"}'})
    _, client, shadow, control = world.spans(answer, 4)

    assert (shadow.name.split()[0], shadow.status) == ("text_completion", "ERROR")
    assert shadow.attributes["error.type"] == "api_error"
    assert (control.attributes["holdover.leg"], control.status) == ("control", "UNSET")
    assert (shadow.links, control.links) == ([client.span_id], [client.span_id])


def test_a_client_that_leaves_ends_its_spans_once(world):
    headers = marked({"simulate-delta-size": "2", "simulate-delay-events": "300"})
    url = f"{world.fleet.url}/v1/complete"
    with fetch_streamed("POST", url, json=body(stream=True), headers=headers) as answer:
        next(answer.iter_raw())
    record = world.fleet.line("exchange", user_agent=headers["user-agent"])
    server, client = world.receiver.of_trace(record["trace_id"], 2)

    assert server.attributes["holdover.outcome"] == "client_gone"
    assert (server.status, client.status) == ("UNSET", "UNSET")
    assert "error.type" not in server.attributes | client.attributes


def test_no_prompt_answer_or_key_is_in_a_span_and_names_are_bounded(world):
    names = [f"claude-{SECRET}", "m" * 4000]
    for name in names:
        answer = world.fleet.post(
            {"x-api-key": SECRET}, model=name, prompt="\n\nHuman: Only between us\n\nAssistant:"
        )
        for span in world.spans(answer, 2):
            assert len(span.name) < 300
    everything = "".join(str(span.wire) for span in world.receiver.spans)

    assert SECRET not in everything
    assert "between us" not in everything
    assert "Hello" not in everything


@pytest.mark.thorough
def test_a_share_of_the_traces_is_sampled_and_those_of_sampled_clients_all(tmp_path: Path):
    with traced(
        tmp_path,
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0",
        OTEL_SERVICE_NAME="legacy-bridge",
    ) as world:
        unsampled = world.fleet.post()
        server, _ = world.spans(world.fleet.post(parent()), 2)
        [(_, _, is_sampled)] = world.sent_parents(unsampled)

    assert not is_sampled
    assert {span.trace_id for span in world.receiver.spans} == {server.trace_id}
    assert server.resource["service.name"] == "legacy-bridge"


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_workers_send_what_is_left_when_they_end_and_cut_streams_off(tmp_path: Path):
    settings = "traces = true\nshutdown_timeout = 0.5\n"
    with receiving() as receiver:
        variables: dict[str, Any] = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
        }
        with running_fleet(tmp_path, settings, workers=2, **variables) as fleet:
            headers = marked({"simulate-delay-events": "60000"})
            url = f"{fleet.url}/v1/complete"
            with fleet.client.stream(
                "POST", url, json=body(stream=True), headers=headers
            ) as answer:
                for door in fleet.doors.values():
                    door.post("/v1/complete", json=body(), headers=marked())
                assert fleet.stop() == 0
                answer.read()
    outcomes = [span.attributes.get("holdover.outcome") for span in receiver.spans]

    assert sorted(filter(None, outcomes)) == ["answered", "answered", "cut_off"]
    assert len({span.resource["service.instance.id"] for span in receiver.spans}) == 2


async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Take spans, and answer long after everybody has given up."""
    del receive, send
    if scope["type"] == "http":
        await asyncio.sleep(600)


async def talks_nonsense(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error that is as long as the secret in it is safe."""
    answer = PlainTextResponse(f"{SECRET} \x1b[31m" + "nonsense " * 100_000, 500)
    await answer(scope, receive, send)


@pytest.mark.thorough
@pytest.mark.parametrize("collector", [None, says_nothing, talks_nonsense])
def test_a_bad_collector_costs_no_answer_and_is_said_now_and_then(
    tmp_path: Path, collector: ASGIApp | None
):
    with ExitStack() as stack:
        down = f"http://127.0.0.1:{free_port()}"
        url = stack.enter_context(serving(collector)) if collector else down
        fleet = stack.enter_context(
            running_fleet(
                tmp_path,
                "traces = true\ntraffic = false",
                OTEL_EXPORTER_OTLP_ENDPOINT=url,
                OTEL_BSP_SCHEDULE_DELAY="20",
                OTEL_BSP_MAX_QUEUE_SIZE="8",
                OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4",
            )
        )
        answers = [fleet.post() for _ in range(40)]
        wait_for(lambda: fleet.lines("traces_failing"))
        began = time.monotonic()
        status = fleet.stop()
        took = time.monotonic() - began
        reasons = [line["reason"] for line in fleet.lines("traces_failing")]
        is_lost = bool(fleet.lines("traces_lost"))

    assert {answer.status_code for answer in answers} == {200}
    assert (status, is_lost) == (0, collector is not talks_nonsense)
    assert took < 30
    assert 0 < len(reasons) < len(answers) / 4
    assert SECRET not in "".join(reasons)
    assert max(map(len, reasons)) <= 256


@pytest.mark.thorough
def test_where_the_sdk_is_switched_off_a_trace_goes_on_and_none_begins(tmp_path: Path):
    given = parent()
    with traced(tmp_path, OTEL_SDK_DISABLED="true") as world:
        followed, alone = world.fleet.post(given), world.fleet.post()
        sent = world.sent(followed), world.sent(alone)
        lines = [world.fleet.record(answer) for answer in (followed, alone)]

    assert sent == ([given["traceparent"]], [])
    assert [line.get("trace_id") for line in lines] == [given["traceparent"].split("-")[1], None]
    assert world.receiver.spans == []


OFF = """
import sys
from holdover import main
try:
    main()
finally:
    names = [name for name in sys.modules if name.startswith(("opentelemetry", "google"))]
    print("holdover: imported", *names, file=sys.stderr)
"""


@pytest.mark.thorough
def test_who_does_not_trace_loads_nothing_and_passes_a_trace_on_as_it_came(tmp_path: Path):
    given = parent() | {"tracestate": "vendor=" + "x" * 600}
    with running_fleet(tmp_path, program=[sys.executable, "-c", OFF]) as fleet:
        world = Traced(fleet, Receiver())
        answer = fleet.post(given)
        record = fleet.record(answer)
        sent = [world.sent(answer, name) for name in given]
        assert fleet.stop() == 0
        log = fleet.log.read_text()

    assert sent == [[value] for value in given.values()]
    assert record["trace_id"] == given["traceparent"].split("-")[1]
    assert "span_id" not in record
    assert "holdover: imported\n" in log
