import json

import httpx

from proxy.simulator import create_simulator
from proxy.simulator.request_log import LoggedRequest, RequestLog
from tests.proxy.simulator.harness import HEADERS, ask, question, stream
from tests.servers import fetch, serving


def logged_requests(url):
    return fetch("GET", f"{url}/simulator/requests").json()


def test_requests_are_listed_oldest_first():
    with serving(create_simulator()) as url:
        ask(url, question("first"), path="/v1/messages?beta=true")
        stream(url, question("second"))
        fetch("GET", f"{url}/v1/nonsense")

        first, second, third = logged_requests(url)

    assert list(first) == [
        "method", "path", "query", "headers", "body", "raw", "body_bytes", "status", "outcome",
        "events_sent",
    ]  # fmt: skip
    assert (first["method"], first["path"], first["query"]) == ("POST", "/v1/messages", "beta=true")
    assert ["x-api-key", HEADERS["x-api-key"]] in first["headers"]
    assert first["body"] == question("first") == json.loads(first["raw"])
    assert (first["status"], first["outcome"], first["events_sent"]) == (200, "finished", 0)
    assert (second["body"]["stream"], second["events_sent"]) == (True, 13)
    assert (third["method"], third["body"], third["raw"]) == ("GET", None, "")
    assert (third["status"], third["outcome"]) == (404, "finished")


def test_the_list_can_be_cleared():
    with serving(create_simulator()) as url:
        ask(url)

        assert httpx.delete(f"{url}/simulator/requests").status_code == 204
        assert logged_requests(url) == []


def test_the_health_page_answers(url):
    assert fetch("GET", f"{url}/simulator/health").json() == {"status": "ok"}
    assert httpx.head(f"{url}/simulator/health").status_code == 200


def test_a_body_that_is_not_json_is_logged_as_text():
    with serving(create_simulator()) as url:
        fetch("POST", f"{url}/v1/messages", content=b"caf\xe9")

        [entry] = logged_requests(url)

    assert (entry["body"], entry["raw"], entry["body_bytes"]) == (None, "caf\ufffd", 4)


def test_only_the_beginning_of_a_very_long_body_is_logged():
    with serving(create_simulator()) as url:
        ask(url, question("x" * 300_000))

        [entry] = logged_requests(url)

    assert entry["body"] is None
    assert len(entry["raw"]) == 1_000
    assert entry["body_bytes"] > 300_000


def test_the_last_thousand_requests_are_kept():
    request_log = RequestLog()
    for number in range(1_001):
        request_log.add(LoggedRequest(method="GET", path=f"/{number}", query="", headers=[]))

    paths = [entry["path"] for entry in request_log.describe()]

    assert (len(paths), paths[0], paths[-1]) == (1_000, "/1", "/1000")
