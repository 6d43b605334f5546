import pytest

from tests.proxy.simulator.harness import HEADERS, refusal
from tests.servers import fetch


def get(url, path, **query):
    return fetch("GET", url + path, params=query, headers=HEADERS)


def ids(response):
    return [model["id"] for model in response.json()["data"]]


def test_a_model_is_described_by_its_alias(url):
    model = get(url, "/v1/models/claude-sonnet-4-5").json()

    capabilities = model.pop("capabilities")
    assert model == {
        "type": "model",
        "id": "claude-sonnet-4-5-20250929",
        "display_name": "Claude Sonnet 4.5",
        "created_at": "2025-09-29T00:00:00Z",
        "lifecycle": "deprecated",
        "deprecated_at": "2026-09-30T00:00:00Z",
        "retires_at": "2026-11-30T00:00:00Z",
        "line": "sonnet",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
    assert capabilities["effort"]["supported"] is False
    assert capabilities["thinking"] == {
        "supported": True,
        "types": {
            "adaptive": {"supported": False},
            "between_tools": {"supported": False},
            "disabled": {"supported": True},
            "enabled": {"supported": True},
        },
    }


def test_the_levels_of_effort_that_a_model_takes_are_listed(url):
    effort = get(url, "/v1/models/claude-opus-4-5").json()["capabilities"]["effort"]

    taken = {level: value["supported"] for level, value in effort.items() if level != "supported"}
    assert effort["supported"] is True
    assert taken == {"low": True, "medium": True, "high": True, "xhigh": False, "max": False}


@pytest.mark.parametrize("name", ["claude-sonnet-4-0", "claude-4-sonnet-20250514"])
def test_an_older_spelling_names_the_same_model(url, name):
    assert get(url, f"/v1/models/{name}").json()["id"] == "claude-sonnet-4-20250514"


@pytest.mark.parametrize("name", ["claude-2", "nonsense"])
def test_an_unknown_model_is_not_found(url, name):
    assert refusal(get(url, f"/v1/models/{name}")) == (404, f"model: {name}")


def test_active_and_deprecated_models_are_listed_newest_first(url):
    listed = ids(get(url, "/v1/models", limit=1_000))

    assert listed[0] == "claude-fable-5-2"
    assert listed[-1] == "claude-sonnet-4-5-20250929"
    assert len(listed) == 19


def test_retired_models_are_listed_on_request(url):
    retired = ids(get(url, "/v1/models", lifecycle="retired", limit=100))

    assert retired[0] == "claude-opus-4-1-20250805"
    assert "claude-3-opus-20240229" in retired
    assert ids(get(url, "/v1/models", **{"lifecycle[]": "deprecated"})) == [
        "claude-mythos-preview",
        "claude-sonnet-4-5-20250929",
    ]


def test_the_list_is_paged(url):
    everything = ids(get(url, "/v1/models", limit=1_000))
    first = get(url, "/v1/models", limit=15).json()
    rest = get(url, "/v1/models", after_id=first["last_id"]).json()
    back = get(url, "/v1/models", before_id=rest["first_id"], limit=2).json()

    assert (first["has_more"], rest["has_more"], back["has_more"]) == (True, False, True)
    assert [model["id"] for model in (*first["data"], *rest["data"])] == everything
    assert [model["id"] for model in back["data"]] == everything[13:15]


def test_a_page_next_to_an_unknown_model_is_empty(url):
    empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}

    assert get(url, "/v1/models", after_id="x").json() == empty
    assert get(url, "/v1/models", before_id="x").json() == empty


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": "0"}, "limit: Input should be greater than or equal to 1"),
        ({"limit": "1001"}, "limit: Input should be less than or equal to 1000"),
        ({"limit": "x"}, "limit: Input should be a valid integer"),
        ({"lifecycle": "x"}, "lifecycle: Input should be 'active', 'deprecated' or 'retired'"),
    ],
)
def test_an_invalid_query_is_refused(url, query, expected):
    assert refusal(get(url, "/v1/models", **query)) == (400, expected)


def test_models_require_a_version_and_a_key(url):
    without_version = {"x-api-key": "k"}

    assert fetch("GET", f"{url}/v1/models", headers=without_version).status_code == 400
    assert fetch("GET", f"{url}/v1/models/x", headers=without_version).status_code == 400
    assert fetch("GET", f"{url}/v1/models").status_code == 401
