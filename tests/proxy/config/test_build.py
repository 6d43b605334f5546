import os
from pathlib import Path
from typing import Any

import pytest

from proxy.config.build import (
    build_runtime_config,
    digester_of,
    names_of_digests,
    owners_of,
    policy_of,
    serves_only_tokens,
)
from proxy.config.runtime import RuntimeConfig
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.rollout import Route
from proxy.rollout.rule_schema import Campaign, Guard, Match
from proxy.security.credentials import Credential
from proxy.security.keyring import Keyring, Site, hash_token
from proxy.security.redaction import Digester
from translators import KNOWN_MODELS, AdjustmentKind, Policy, Sampling, Thinking

TODAY = "2026-09-01"


def read(text: str) -> Settings:
    return load_settings(TomlSource(Path("h.toml"), text))


def compiled(text: str) -> RuntimeConfig:
    settings = read(text)
    return build_runtime_config(settings, digester_of(settings))


def rule(text: str):
    (only,) = compiled("[[rollout]]\nname = 'a'\naction = 'translate'\n" + text).rollout.rules
    return only


def listed(**fields: str) -> str:
    """A caller with the token `t`, and more lines about it."""
    more = "".join(f"\n{name} = {value}" for name, value in fields.items())
    return f'[callers.ads]\ntoken = "sha256:{hash_token(b"t")}"{more}\n'


def upstream_key(text: str) -> bytes | None:
    (caller,) = compiled(text).keyring.known
    return caller.messages_key.secret if caller.messages_key else None


def test_without_settings_everything_is_translated_by_the_defaults():
    config = compiled("")

    assert config.rollout.otherwise == Route(action="translate", policy=policy_of(read("")))
    assert policy_of(read("")) == Policy(catalogue=KNOWN_MODELS)
    assert (config.rollout.rules, config.rollout.override) == ((), None)
    assert config.rollout.guards == {}
    assert config.keyring == Keyring(
        digester=config.keyring.digester,
        messages=Site(name="upstream", url="https://api.anthropic.com"),
    )


def test_what_is_said_outside_the_rules_is_the_policy():
    policy = policy_of(
        read(
            """
            strictness = "strict"
            prefill = "reroute"
            prefill-model = "claude-sonnet-4-5"
            leading-space = "raw"
            echoed-model = "answered"
            beta-header = "pass"
            refusal = "error"
            refuse = ["map_model"]
            [models]
            "claude-instant-*" = "claude-haiku-4-5"
            """
        )
    )

    assert policy == Policy(
        catalogue=policy.catalogue,
        strictness="strict",
        prefill="reroute",
        prefill_model="claude-sonnet-4-5",
        leading_space="raw",
        echoed_model="answered",
        beta_header="pass",
        refusal="error",
        refuse=frozenset({AdjustmentKind.MAP_MODEL}),
    )
    assert policy.catalogue.resolve("claude-instant-1", TODAY).id == "claude-haiku-4-5"


def test_what_an_operator_knows_of_a_model_counts_first():
    catalogue = policy_of(
        read(
            """
            [model-facts.claude-2]
            max-output-tokens = 5
            prefill = false
            sampling = "none"
            thinking = "always"
            retires = 2030-01-01
            successor = "new"
            [model-facts.new]
            [model-facts.claude-haiku-4-5]
            max-output-tokens = 7
            """
        )
    ).catalogue

    known, new = catalogue.find("claude-2"), catalogue.find("new")
    assert known is not None
    assert (known.retires, known.successor) == ("2030-01-01", "new")
    assert known.capabilities.max_output_tokens == 5
    assert known.capabilities.prefill is False
    assert known.capabilities.sampling is Sampling.NONE
    assert known.capabilities.thinking is Thinking.ALWAYS
    assert new is not None
    assert (new.retires, new.successor) == (None, None)
    haiku, before = catalogue.find("claude-haiku-4-5"), KNOWN_MODELS.find("claude-haiku-4-5")
    assert haiku is not None
    assert before is not None
    assert haiku.capabilities.max_output_tokens == 7
    assert haiku.capabilities.thinking == before.capabilities.thinking
    assert (haiku.retires, haiku.successor) == (before.retires, before.successor)


def test_a_rule_by_itself():
    plain = rule("")

    assert (plain.name, plain.match, plain.share, plain.by) == ("a", Match(), 10_000, "caller")
    assert plain.route == compiled("").rollout.otherwise
    assert (plain.on_failure, plain.shadow, plain.guard) == (None, None, None)
    assert plain.campaign == Campaign()


def test_a_rule_says_what_differs_and_leaves_the_rest():
    own = rule(
        """
        share = 12.34
        by = "prompt"
        model = "claude-opus-4-8"
        strictness = "strict"
        prefill = "reroute"
        prefill-model = "claude-sonnet-4-5"
        refuse = ["emulate_stop_sequence"]
        guard = { errors-above = 5 }
        """
    )

    policy = own.route.policy
    assert (own.share, own.by, own.guard) == (1_234, "prompt", Guard(errors_above=5))
    assert (policy.strictness, policy.prefill) == ("strict", "reroute")
    assert policy.prefill_model == "claude-sonnet-4-5"
    assert policy.refuse == {AdjustmentKind.EMULATE_STOP_SEQUENCE}
    assert policy.leading_space == "legacy"


def test_the_model_of_a_rule_answers_whatever_is_asked():
    settings = '[models]\n"claude-2" = "claude-haiku-4-5"\n[[rollout]]\nname = "a"\n'
    (own, plain) = compiled(
        settings
        + "action = 'translate'\nmodel = 'claude-opus-4-8'\nshare = 5\n"
        + "[[rollout]]\nname = 'b'\naction = 'translate'\n"
    ).rollout.rules

    assert [
        (
            own.route.policy.catalogue.resolve(asked, TODAY).id,
            plain.route.policy.catalogue.resolve(asked, TODAY).id,
        )
        for asked in ("claude-2", "claude-sonnet-4-5", "nobody-knows")
    ] == [
        ("claude-opus-4-8", "claude-haiku-4-5"),
        ("claude-opus-4-8", "claude-sonnet-4-5"),
        ("claude-opus-4-8", "nobody-knows"),
    ]


def test_what_a_rule_refuses_comes_to_what_is_refused_anyway():
    text = "refuse = ['map_model']\n[[rollout]]\nname = 'a'\naction = 'translate'\n"
    (own,) = compiled(text + "refuse = ['drop_beta']").rollout.rules

    assert own.route.policy.refuse == {AdjustmentKind.MAP_MODEL, AdjustmentKind.DROP_BETA}


def test_the_other_legs_of_a_rule_are_legs_like_its_own():
    config = compiled(
        """
        legacy-url = "http://legacy"
        [[rollout]]
        name = "a"
        action = "forward"
        on-failure = { action = "translate", model = "claude-opus-4-8", timeout = 2 }
        shadow = { strictness = "strict", share = 0.5, control = true, daily-tokens = 9 }
        guard = { errors-above = 5 }
        """
    )

    (own,) = config.rollout.rules
    assert config.keyring.legacy == Site(name="legacy", url="http://legacy")
    assert own.route.action == "forward"
    assert own.on_failure is not None
    assert (own.on_failure.route.action, own.on_failure.timeout) == ("translate", 2)
    assert own.on_failure.route.policy.catalogue.resolve("x", TODAY).id == "claude-opus-4-8"
    assert own.shadow is not None
    assert own.shadow.route.policy.strictness == "strict"
    assert (own.shadow.share, own.shadow.control, own.shadow.daily_tokens) == (50, True, 9)
    assert config.rollout.guards == {"a": Guard(errors_above=5)}
    assert config.rollout.catalogue == config.rollout.otherwise.policy.catalogue


def test_the_override_is_a_leg():
    override = compiled("[rollout-override]\naction = 'translate'\nstrictness = 'strict'").rollout

    assert override.override is not None
    assert override.override.action == "translate"
    assert override.override.policy.strictness == "strict"


def test_keys_are_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "key").write_text("sk-ant-file\n")
    monkeypatch.setenv("ADS_KEY", "sk-ant-env\n")

    assert upstream_key(listed()) is None
    assert upstream_key(listed(upstream_key="'sk-ant-1'")) == b"sk-ant-1"
    assert upstream_key(listed(upstream_key="{ env = 'ADS_KEY' }")) == b"sk-ant-env"
    assert upstream_key(listed(upstream_key=f"{{ file = '{tmp_path}/key' }}")) == b"sk-ant-file"
    assert [key.secret for key in compiled("upstream-key = 'sk-ant-2'").keyring.held] == [
        b"sk-ant-2"
    ]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{ env = 'NOT_SET_ANYWHERE' }", "the variable NOT_SET_ANYWHERE is not set"),
        ("{ env = 'SET_TO_NOTHING' }", "the variable SET_TO_NOTHING is not set"),
        ("{ file = 'DIR/none' }", "DIR/none cannot be read"),
        ("{ file = 'DIR' }", "DIR cannot be read"),
        ("{ file = 'DIR/pipe' }", "DIR/pipe cannot be read"),
        ("{ file = 'DIR/latin' }", "DIR/latin cannot be read"),
        ("{ file = 'DIR/blank' }", "DIR/blank is empty"),
        (
            "{ file = 'DIR/two' }",
            "DIR/two contains a control character or another that is invisible",
        ),
        (
            "{ env = 'NO_HEADER' }",
            "the variable NO_HEADER contains a character that is not Latin-1, as HTTP headers need",
        ),
    ],
)
def test_a_key_that_is_not_there_is_said_at_once(
    written: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "blank").write_text("\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "two").write_text("sk-ant-1\nsk-ant-2\n")
    monkeypatch.setenv("SET_TO_NOTHING", " ")
    monkeypatch.setenv("NO_HEADER", "sk-ant-\u20ac")

    with pytest.raises(InvalidSettings) as caught:
        upstream_key(listed(upstream_key=written.replace("DIR", str(tmp_path))))

    said = f"callers.ads.upstream_key: {problem}"
    assert str(caught.value) == said.replace("DIR", str(tmp_path))


def test_each_upstream_has_keys_of_its_own_and_one_origin_has_one():
    keys = "upstream-key = 'm'\nlegacy-key = 'l'\n"
    of_ads = listed(upstream_key="'ads-m'", legacy_key="'ads-l'")
    elsewhere, same = "http://legacy", "https://api.anthropic.com:443/old"

    def both(url: str, text: str) -> list[str | None]:
        """Of the server, and of the caller: for the Messages API, and for the legacy upstream."""
        keyring = compiled(f"legacy-url = '{url}'\n{text}").keyring
        assert keyring.legacy is not None
        [ads] = keyring.known
        held = (keyring.messages.key, keyring.legacy.key, *ads.keys)
        return [None if key is None else key.secret.decode() for key in held]

    assert both(elsewhere, keys + of_ads) == ["m", "l", "ads-m", "ads-l"]
    assert both(same, keys + of_ads) == ["m", "l", "ads-m", "ads-l"]
    one = "upstream-key = 'm'\n" + listed(upstream_key="'ads-m'")
    assert both(elsewhere, one) == ["m", None, "ads-m", None]
    assert both(same, one) == ["m", "m", "ads-m", "ads-m"]
    other = "legacy-key = 'l'\n" + listed(legacy_key="'ads-l'")
    assert both(elsewhere, other) == both(same, other) == [None, "l", None, "ads-l"]


def test_a_key_stands_in_a_header_as_it_is_written():
    [key] = compiled("upstream-key = 'sk-\xe9'").keyring.held

    assert key.secret == b"sk-\xe9"
    assert key.setting == "upstream_key"


def test_two_callers_with_one_token_are_refused():
    token = f"token = 'sha256:{hash_token(b't')}'"

    with pytest.raises(InvalidSettings, match=r"callers\.b\.token: is also the token of 'a'"):
        compiled(f"[callers.a]\n{token}\n[callers.b]\n{token}")


DIGEST = "0123456789abcdef"
NAMED = f'digest_key = "k"\n[callers.a]\ndigest = "{DIGEST}"\n'


def test_two_callers_with_one_digest_are_refused():
    with pytest.raises(InvalidSettings, match=r"callers\.b\.digest: is also the digest of 'a'"):
        compiled(f'{NAMED}[callers.b]\ndigest = "{DIGEST}"\n')


def test_a_digest_is_a_name_and_no_key_to_anything():
    keyring = compiled(NAMED).keyring

    assert (keyring.names, keyring.known) == ({DIGEST: "a"}, ())


def test_a_caller_who_would_be_turned_away_cannot_have_a_digest():
    said = r"callers\.a\.digest: only callers with a token are served while a key is held here"
    with pytest.raises(InvalidSettings, match=said):
        compiled(f"upstream_key = 'sk-ant-1'\n{NAMED}{listed()}")

    assert compiled(f"upstream_key = 'sk-ant-1'\n{NAMED}").keyring.names
    assert compiled(NAMED + listed()).keyring.names


def test_the_map_is_in_force():
    keyring = compiled(listed(upstream_key="'sk-ant-1'")).keyring

    caller = keyring.identify([(b"x-api-key", b"t")])

    assert caller.name == "ads"
    assert caller.messages.credential == Credential(b"x-api-key", b"sk-ant-1", b"sk-ant-1")


def test_digests_stay_the_same_under_a_key_that_is_set_or_kept_and_only_then(tmp_path: Path):
    state = f"state_dir = '{tmp_path}'\n"

    def digest(text: str) -> str:
        return digester_of(read(state + text)).caller(b"t")

    assert digest("digest-key = 'k'") == digest("digest-key = 'k'") != digest("digest-key = 'l'")
    assert digest("") != digest("")
    (tmp_path / "digest.key").write_text("l")
    assert digest("") == digest("digest-key = 'l'") != digest("digest-key = 'k'")


def test_no_secret_is_in_a_representation():
    config = compiled("upstream-key = 'sk-ant-1'\n" + listed(upstream_key="'sk-ant-2'"))

    assert "sk-ant" not in repr(config)


def test_names_of_digests_and_owners_are_those_that_are_written():
    settings = read(
        'digest_key = "k"\n[callers]\n'
        'nightly = { digest = "0123456789abcdef", owner = "Ann" }\n'
        f'search = {{ token = "sha256:{"a" * 64}" }}\n'
    )

    assert names_of_digests(settings) == {"0123456789abcdef": "nightly"}
    assert owners_of(settings) == {"nightly": "Ann"}


@pytest.mark.parametrize(
    ("fields", "is_so"),
    [
        ({}, False),
        ({"upstream_key": "sk-1"}, False),
        ({"callers": {"a": {"token": "sha256:" + "a" * 64}}}, False),
        ({"upstream_key": "sk-1", "callers": {"a": {"token": "sha256:" + "a" * 64}}}, True),
        ({"callers": {"a": {"token": "sha256:" + "a" * 64, "upstream_key": "sk-1"}}}, True),
    ],
)
def test_whether_only_tokens_are_served_is_what_the_keyring_does(fields: Any, is_so: bool):
    settings = Settings(**fields)

    assert serves_only_tokens(settings) is is_so
    keyring = build_runtime_config(settings, Digester("k")).keyring
    assert keyring.refuses_strangers is is_so
