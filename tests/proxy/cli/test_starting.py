from pathlib import Path

import pytest

from proxy.cli.starting import starting_fields
from proxy.config.sources import load_settings
from proxy.server.listening import listen_on

RULES = [
    {"name": "canary", "action": "translate", "share": 5, "capture": "full"},
    {"name": "rest", "action": "forward"},
]


def test_a_server_says_what_it_is_and_what_is_off(tmp_path: Path):
    sockets = [*listen_on("127.0.0.1", 0), *listen_on("::1", 0)]
    ports = [each.getsockname()[1] for each in sockets]
    said = starting_fields(load_settings(state_dir=tmp_path, workers=2), sockets)
    for each in sockets:
        each.close()

    assert said["addresses"] == [f"http://127.0.0.1:{ports[0]}", f"http://[::1]:{ports[1]}"]
    assert (said["workers"], said["upstream"]) == (2, "https://api.anthropic.com")
    assert (said["state_directory"], said["store"]) == (
        str(tmp_path),
        str(tmp_path / "traffic" / "traffic.db"),
    )
    assert (said["rules"], said["legacy_upstream"]) == ([], None)
    assert said["off"] == [
        "bodies in records (`capture`)",
        "forwarding (`legacy_url`)",
        "admin pages (`admin_token`)",
        "traces (`traces`)",
        "notices (`notify_url`)",
    ]


def test_what_is_on_is_not_off_and_no_secret_is_said():
    secret = "never-to-be-said-aloud"
    said = starting_fields(
        load_settings(
            rollout=RULES,
            rollout_override="forward",
            legacy_url="http://127.0.0.1:9",
            upstream_key=secret,
            admin_token=secret,
            traces=True,
            notify_url=f"https://hooks.example/{secret}",
            notify_secret=f"whsec_{'A' * 43}=",
            traffic_url=f"postgresql://user:{secret}@db.example/holdover",
        ),
        [],
    )

    assert said["off"] == []
    assert said["rules"] == ["canary: translate 5 %", "rest: forward 100 %", "override: forward"]
    assert said["store"] == "PostgreSQL at db.example:5432/holdover"
    assert secret not in str(said)


@pytest.mark.parametrize("capture", ["off", "full"])
def test_without_records_there_are_no_bodies_either(capture: str):
    said = starting_fields(load_settings(traffic=False, capture=capture), [])

    assert said["store"] is None
    assert said["off"][:2] == ["records (`traffic`)", "bodies in records (`capture`)"]
