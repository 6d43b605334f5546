from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core._pydantic_core import list_all_errors

from proxy.config.setting_errors import SENTENCES, describe_problem, words_for
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from tests.docs import SHAPES
from tests.hypothesis_profiles import scaled

HASH = "sha256:" + "0" * 64
NOT_OURS = (
    *("Input should", "Extra inputs", "Value error", "Field required", "Assertion failed"),
    *("String should", "Keys should", "URL scheme should", "unable to", "valid dictionary"),
    *("instance of", "frozenset", "tuple", "pydantic", "error parsing", "[key]", "pathlib"),
)


def problem(text: str) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(TomlSource(Path("h.toml"), text))
    return str(caught.value).split("\n")


@pytest.mark.without_coverage
@pytest.mark.parametrize("error", list_all_errors(), ids=lambda error: error["type"])
def test_every_error_that_pydantic_knows_has_words_of_ours(error):
    kind, context = error["type"], error.get("example_context") or {}
    theirs = error["message_template_python"].partition("{")[0].strip()
    said = words_for(kind, context | {"error": "our words", "expected": "'a' or 'b'"})

    assert not any(phrase in said for phrase in NOT_OURS)
    assert said != theirs
    assert kind in SENTENCES or said == "has a value that it cannot have"


def test_an_error_that_a_later_pydantic_invents_has_words_of_ours():
    assert words_for("invented_later", {"x": 1}) == "has a value that it cannot have"


NAMES = sorted({name for shape in SHAPES.values() for name in shape.model_fields} | {"shaer"})
ODD_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(NAMES) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=scaled(300))
@given(name=st.sampled_from(sorted(Settings.model_fields)), value=ODD_VALUES)
@example(name="upstream_key", value={"a": 1})
@example(name="callers", value={"a b": {"token": HASH, "upstream_key": {"env": 1, "x": 2}}})
@example(name="state_dir", value={"a": 1})
@example(name="rollout", value=[{"name": "", "action": "x", "campaign": {"link": "x"}}, 5])
def test_no_wording_of_pydantics_is_said_whatever_a_file_holds(name: str, value: Any):
    try:
        Settings(**{name: value})
    except ValidationError as exc:
        for error in exc.errors():
            said = describe_problem(error, Settings)
            own = str(value)
            assert not any(word in said.sentence for word in NOT_OURS if word not in own)
            assert "[key]" not in said.place
            assert set(map(str, said.place)) <= set(map(str, error["loc"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('upstraem_url = "x"', "unknown setting `upstraem_url`; did you mean `upstream_url`?"),
        ('upstraem-url = "x"', "unknown setting `upstraem_url`; did you mean `upstream_url`?"),
        ("colour = 5", "unknown setting `colour`"),
        (
            "[[rollout]]\nname = 'a'\naction = 'translate'\nmatch = { callers = 'x' }",
            'rule "a": match: unknown setting `callers`; did you mean `caller`?',
        ),
        (
            f"[callers.a]\ntokne = 1\ntoken = '{HASH}'",
            "callers.a: unknown setting `tokne`; did you mean `token`?",
        ),
        (
            f"[callers.token]\ntokne = 1\ntoken = '{HASH}'",
            "callers.token: unknown setting `tokne`; did you mean `token`?",
        ),
        (
            f"[callers.a]\nupstream_key = {{ flie = 'x' }}\ntoken = '{HASH}'",
            "callers.a.upstream_key: unknown setting `flie`; did you mean `file`?",
        ),
        (
            f"[callers.a]\nupstream_url = 'x'\ntoken = '{HASH}'",
            "callers.a: unknown setting `upstream_url`: it belongs at the top of the file, above "
            "all tables",
        ),
        ("[callers.a]", "callers.a: give exactly one of token and digest"),
        (
            f"[callers.a]\ntoken = '{HASH}'\ndigest = '0123456789abcdef'",
            "callers.a: give exactly one of token and digest",
        ),
        (
            "[callers.a]\ndigest = '0123456789abcdef'\nlegacy_key = 'k'",
            "callers.a: legacy_key: needs `token`, because a digest opens no key",
        ),
        (
            "[callers.a]\ndigest = '0123456789ABCDEF'",
            "callers.a.digest: must be 16 lower-case hexadecimal digits, as the log shows them",
        ),
        (
            "[callers.a]\ndigest = '0123456789abcdef'",
            "callers.a.digest: is a digest, which needs the setting digest_key; to keep",
        ),
        (
            "[model_facts.x]\nsuccesor = 'y'",
            "model_facts.x: unknown setting `succesor`; did you mean `successor`?",
        ),
        (
            "[prices.x]\ninputs = 1\ninput = 1\noutput = 2",
            "prices.x: unknown setting `inputs`; did you mean `input`?",
        ),
        ('log_format = "jsno"', "log_format: must be one of `auto`, `console`, `json`"),
        ("workers = 65", "workers: must be at most 64"),
        ("workers = 1.5", "workers: must be a whole number"),
        ("workers = nan", "workers: must be a finite number"),
        ("traffic = 3", "traffic: must be `true` or `false`"),
        ("models = 5", "models: must be a table"),
        ("[rollout]\nname = 'a'", "rollout: must be a list of tables: write `[[rollout]]`"),
        ("rollout = 5", "rollout: must be a list"),
        ("refuse = 'x'", "refuse: must be a list"),
        ("refuse = ['x']", "refuse.0: must be one of `add_assistant_turn`, "),
        ("rollout = [5]", "rollout.0: must be a table"),
        ("state_dir = { a = 1 }", "state_dir: must be the path of a file or directory"),
        ('upstream_url = "ftp://x"', "upstream_url: must begin with http:// or https://"),
        ('upstream_url = "x"', "upstream_url: must be a URL such as https://api.anthropic.com"),
        ("[model_facts.x]\nretires = 'soon'", "model_facts.x.retires: must be a date such as"),
        ("allowed_hosts = ['A']", "allowed_hosts.0: must be a name or an address in lower case"),
        ("[redact]\nA = 'x'", "redact.A: the name must have 1 to 32 lower-case letters"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_ours_with_its_line(text: str, said: str):
    [line] = problem(text)
    where, _, sentence = line.partition(": ")

    assert where.startswith("h.toml, line ")
    assert sentence.startswith(said)


RULE = '[[rollout]]\nname = "a"\naction = "translate"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "match = { modle = 'x' }",
            'rule "a": match: unknown setting `modle`; did you mean',
        ),
        ("guard = { window = 5, p95_ration = 2 }", "`p95_ration`; did you mean `p95_ratio`?"),
        ("campaign = { sunste = 2027-01-01 }", "`sunste`; did you mean `sunset`?"),
        (
            "campaign = { brown_outs = [{ start = 2027-01-01, minuets = 5 }] }",
            'rule "a": campaign.brown_outs.0: unknown setting `minuets`; did you mean `minutes`?',
        ),
        ("shadow = { actoin = 'forward' }", 'rule "a": shadow: unknown setting `actoin`; did you'),
        ("prefill = 'instrct'", "`reroute`; did you mean `instruct`?"),
        ("refuse = ['map_modle']", "; did you mean `map_model`?"),
        (
            "[rollout.campaign.brown_outs]\nminutes = 5",
            'rule "a": campaign.brown_outs: must be a list of tables: write '
            "`[[rollout.campaign.brown_outs]]`",
        ),
    ],
)
def test_a_rule_is_corrected_at_its_own_line(text: str, said: str):
    lines = problem(RULE + text)

    assert any(said in line for line in lines), lines
    assert all("line " in line for line in lines)


def test_a_wrong_setting_is_blamed_on_the_place_that_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = TomlSource(Path("h.toml"), "port = 1\nworkers = 1\ndigest_key = 'x'\nupstream_url = 'x'")
    (tmp_path / "holdover_digest_key").write_text("a\tb")
    monkeypatch.setenv("HOLDOVER_PORT", "many")
    with pytest.raises(InvalidSettings) as caught:
        load_settings(file, secrets=tmp_path, workers=0)

    assert str(caught.value).split("\n") == [
        "environment, HOLDOVER_PORT: port: must be a whole number",
        "workers: must be at least 1",
        "h.toml, line 4: upstream_url: must be a URL such as https://api.anthropic.com",
        "secrets, holdover_digest_key: digest_key: contains a control character or another that is "
        "invisible",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("refuse = ['map_model', 'map_modle']", "map_model"),
        ("capture = 'ful'", "full"),
        ("strictness = 'lenent'", "lenient"),
        ("upstream_auth = 'baerer'", "bearer"),
        ("log_format = 'jsno'", "json"),
        ("rollout_override = 'foward'", "forward"),
        ("[rollout_override]\naction = 'translate'\nmodle = 'x'", "model"),
        ("[model_facts.x]\nsampling = 'oneof'", "one_of"),
        ("Wrokers = 2", "workers"),
        ("[redcat]\nticket = 'T'", "redact"),
        (f"[calers.a]\ntoken = '{HASH}'", "callers"),
        (f"{RULE}by = 'calller'\nshare = 5", "caller"),
        (f"{RULE}capture = 'digset'", "digest"),
        (f"{RULE}shadow = 'foward'", "forward"),
        (f"{RULE}on_failure = {{ action = 'foward' }}", "forward"),
        (f"{RULE}on_failure = {{ action = 'forward', timout = 5 }}", "timeout"),
        (f"{RULE}on_failure = {{ action = 'translate', refuse = ['map_modle'] }}", "map_model"),
        (f"{RULE}shadow = {{ contrl = true }}", "control"),
        (
            f"{RULE}match = {{ caller = 'nightly' }}\n[callers.nightly-b]\ntoken = '{HASH}'",
            "nightly-b",
        ),
    ],
)
def test_a_name_out_of_a_known_set_is_corrected_wherever_it_stands(text: str, meant: str):
    lines = problem(text)

    assert any(line.endswith(f"; did you mean `{meant}`?") for line in lines), lines
    assert all(line.startswith("h.toml, line ") for line in lines)


def test_a_misspelt_variable_is_corrected(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOLDOVER_UPSTRAEM_URL", "x")
    with pytest.raises(InvalidSettings) as caught:
        load_settings()

    assert str(caught.value) == (
        "environment: unknown setting `HOLDOVER_UPSTRAEM_URL`; did you mean "
        "`HOLDOVER_UPSTREAM_URL`?"
    )
