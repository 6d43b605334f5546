import os
import tomllib
from itertools import cycle, takewhile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.config.toml_source import TomlSource, line_of, lines_of, nearest_line
from proxy.errors import InvalidSettings
from tests.hypothesis_profiles import scaled

FILE = """\
# The settings of the house
port = 8080
upstream-url = "http://h"  # a comment

[models]
"claude-instant-*" = "claude-haiku-4-5"

# The first rule
[[rollout]]
name = "first"
match = { model = "claude-2*", header = { X-App = "[[rollout]]" } }
stops = [
    "]]"]

[[rollout]]
name = "second"
text = \"\"\"
[[rollout]]
name = "none of it"
share = 5
\"\"\"
share = 25

[rollout.campaign]
brown-outs = [
    { start = 2026-09-01T10:00:00Z, minutes = 5 },
    # twice
    { start = 2026-10-01T10:00:00Z, minutes = 5 },
]

[callers.a-b]
token = "t"

[callers.a_b]
token = "u"
"""


def tree(text: str):
    return TomlSource(Path("h.toml"), text).tree()


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("port",), 2),
        (("upstream_url",), 3),
        (("models",), 5),
        (("models", "claude-instant-*"), 6),
        (("rollout",), 9),
        (("rollout", 0), 9),
        (("rollout", 0, "name"), 10),
        (("rollout", 0, "match"), 11),
        (("rollout", 0, "match", "header", "X-App"), 11),
        (("rollout", 1), 15),
        (("rollout", 1, "text"), 17),
        (("rollout", 1, "share"), 22),
        (("rollout", 1, "campaign"), 24),
        (("rollout", 1, "campaign", "brown_outs", 1, "minutes"), 25),
        (("callers", "a-b", "token"), 32),
        (("callers", "a_b", "token"), 35),
        ((), 1),
        (("rollout", 2), None),
        (("rollout", 0, "share"), None),
        (("port", "share"), None),
        (("port", 0), None),
        (("models", 0), None),
        (("rollout", "share"), None),
    ],
)
def test_a_value_is_on_the_line_on_which_its_statement_begins(place, line):
    assert line_of(place, FILE) == line


def test_a_statement_may_go_over_several_lines():
    assert lines_of(("rollout", 1, "campaign", "brown_outs"), FILE) == range(24, 29)


def test_what_is_missing_is_where_it_should_be():
    assert nearest_line(("rollout", 0, "share"), FILE) == 9
    assert nearest_line(("rollout", 1, "match", "header", "X-App"), FILE) == 15
    assert nearest_line(("workers",), FILE) is None


scalars = st.sampled_from(["1", "'''\n[x]\n'''", "[\n1, # 2\n\n]", "{ a = 1 }", "1979-05-27"])
gaps = st.lists(st.sampled_from(["", "# x = 1", "  # [b]", "\t", None]), max_size=6)


@settings(max_examples=scaled(500))
@given(
    tables=st.permutations(["[t]", "[u]", "[[l]]", "[[l]]"]),
    values=st.lists(scalars, max_size=3),
    gaps=gaps,
    which=st.integers(0, 15),
)
def test_comments_and_blank_lines_move_a_line_and_change_it_not(tables, values, gaps, which):
    """Each header and each key is a statement, and we know on which line we have written it."""
    lines: list[str] = []
    places, seen, gap = [], 0, cycle([*gaps, None])
    for header in tables:
        table: tuple[str | int, ...] = (header.strip("[]"),)
        if header == "[[l]]":
            table, seen = ("l", seen), seen + 1
        keys = {(*table, f"k{n}"): f"k{n} = {value}" for n, value in enumerate(values)}
        for place, statement in ({table: header} | keys).items():
            lines += takewhile(lambda line: line is not None, gap)
            places.append((place, len(lines) + 1))
            lines += statement.split("\n")
    text = "\n".join(lines)
    place, line = places[which % len(places)]

    assert tomllib.loads(text).keys() == {"t", "u", "l"}
    assert line_of(place, text) == line


def test_hyphens_and_underscores_in_names_of_settings_are_the_same():
    text = """
    legacy-url = "x"
    [[rollout]]
    on-failure = { prefill-model = "m-n" }
    match = { user-agent = "a-b", header = { X-App-Id = "c-d" } }
    [model-facts.claude-x]
    max-output-tokens = 5
    [callers.billing-eu]
    upstream-key = "k-l"
    [models]
    claude-2 = "claude-y"
    """

    assert tree(text) == {
        "legacy_url": "x",
        "rollout": [
            {
                "on_failure": {"prefill_model": "m-n"},
                "match": {"user_agent": "a-b", "header": {"X-App-Id": "c-d"}},
            }
        ],
        "model_facts": {"claude-x": {"max_output_tokens": 5}},
        "callers": {"billing-eu": {"upstream_key": "k-l"}},
        "models": {"claude-2": "claude-y"},
    }


def test_a_caller_called_as_what_holds_names_has_settings_like_any_other():
    assert tree("[callers.models]\nupstream-key = 'k'") == {
        "callers": {"models": {"upstream_key": "k"}}
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("= 1", r"h\.toml, line 1, column 1: invalid statement\Z"),
        ("port = 1\nhost = nope", r"h\.toml, line 2, column 8: invalid value\Z"),
        ('host = "a', r"h\.toml(: Unterminated string|, line 1)"),
        ("a = " + "[" * 50_000, r"h\.toml: is nested too deeply"),
        ("a = " + "1" * 5_000, r"h\.toml: Exceeds the limit"),
        ("port = 1\r", r"h\.toml, line 1, column 9: "),
    ],
)
def test_what_is_no_toml_is_refused(text, problem):
    with pytest.raises(InvalidSettings, match=problem):
        tree(text)


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("port = 1\r\nport = 2", 2, "port"),
        ("# port\nlegacy-url = 1\n\nlegacy_url = 2", 4, "legacy_url"),
        ("port = 1\n[models]\na = 1\ntext = [\n]\n[ models ]\nx = nope", 6, "models"),
        ("[[rollout]]\nname = 'a'\nname = [\n'b']", 3, "name"),
        ("[rollout]\n[[rollout]]", 2, "rollout"),
        ("models.'a=b' = 1\n[models.x]\n[models]\n", 3, "models"),
        ("[models]\n'a=]' = 1\n'a=]' = 2", 3, "'a=]'"),
        ('[models."]\\"="]\n[models."]\\"="]', 2, 'models."]\\"="'),
        ("x = { a = 1 }\nx.b = 2", 2, "x.b"),
        ("[a.b]\nc = 1\n[a]\nb.d = 1", 4, "b.d"),
        ("\nx = { a = 1, a = 2 }", 2, "a"),
        ("\nx = [\n{ a-b = 1, a_b = 2 }]", 2, "a_b"),
    ],
)
def test_what_is_given_twice_is_named_with_its_line(text, line, name):
    with pytest.raises(InvalidSettings) as refused:
        tree(text)

    assert str(refused.value) == f"h.toml, line {line}: `{name}` is given twice"


LINES = (
    *("a = 1", "a-b = 1", "a_b = 1", "a.b = 1", "[a]", "[[a]]", "[a.b]", "[a", "a = [", "]", "# a"),
    *("{ a = 1, a.b = 2 },", "a = { a-b = 1, a_b = 2 }", "a = { a = 1, a = 2 }", '"""', 'a = """'),
)


@given(st.lists(st.sampled_from(LINES), max_size=6).map("\n".join))
@example("x = 1\na = {a = 1, a.b = 2}\n")
@example("[a]\n[a")
def test_any_file_is_read_or_refused_with_its_name(text: str):
    try:
        tomllib.loads(text.replace("a-b", "a_b"))
    except tomllib.TOMLDecodeError:
        with pytest.raises(InvalidSettings, match=r"\Ah\.toml[,:] "):
            tree(text)
    else:
        tree(text)


def test_a_file_is_read_as_it_is(tmp_path: Path):
    path = tmp_path / "h.toml"
    path.write_bytes("# é\r\nport = 1\r\n".encode())

    file = TomlSource.read(path)

    assert file == TomlSource(path, "# é\r\nport = 1\r\n")
    assert file.tree() == {"port": 1}
    assert line_of(("port",), file.text) == 2


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path):
    latin, pipe, loop = tmp_path / "latin", tmp_path / "pipe", tmp_path / "loop"
    latin.write_bytes(b"# \xe9")
    os.mkfifo(pipe)
    loop.symlink_to(loop)

    for path, reason in [
        (tmp_path / "none", "no such file"),
        (tmp_path, "is not a file"),
        (latin, "is not UTF-8"),
        (pipe, "is not a file"),
        (loop, "Too many levels of symbolic links"),
    ]:
        with pytest.raises(InvalidSettings) as caught:
            TomlSource.read(path)
        assert str(caught.value) == f"{path}: {reason}"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("[[rollout]]\nname = 'a'", ("rollout", 0, "share"), 'rule "a": share: is odd'),
        ("[[rollout]]\nname = 'a'", ("rollout", 0), 'rule "a": is odd'),
        ("[[rollout]]\nname = 'a'", ("rollout", 0, "name"), "rollout.0.name: is odd"),
        ("[[rollout]]\nname = 'a'\n" * 2, ("rollout", 1, "by"), "rollout.1.by: is odd"),
        ("[[rollout]]\nname = 5", ("rollout", 0, "by"), "rollout.0.by: is odd"),
        ("[[rollout]]\nname = '\"<b>'", ("rollout", 0, "by"), "rollout.0.by: is odd"),
        ("rollout = [5]", ("rollout", 0), "rollout.0: is odd"),
        ("rollout = 5", ("rollout", 0), "rollout.0: is odd"),
        ("rollout = []", ("rollout", 0), "rollout.0: is odd"),
    ],
)
def test_a_rule_is_called_by_its_name_if_that_tells_which_one_it_is(text, place, said):
    described = TomlSource(Path("h.toml"), text).describe_error(place, "is odd")

    assert described.endswith(f": {said}")


@pytest.mark.parametrize(
    ("place", "sentence", "said"),
    [
        (("port",), "is odd", "h.toml, line 2: port: is odd"),
        (("rollout", 1), "share: is odd", 'h.toml, line 22: rule "second": share: is odd'),
        (("rollout", 1), "by: is odd", 'h.toml, line 15: rule "second": by: is odd'),
        ((), "port: is odd", "h.toml, line 2: port: is odd"),
        ((), "all is odd", "all is odd"),
        (("workers",), "is odd", "workers: is odd"),
    ],
)
def test_what_is_said_about_a_place_names_its_line(place, sentence, said):
    assert TomlSource(Path("h.toml"), FILE).describe_error(place, sentence) == said


def test_without_a_file_there_is_no_line():
    assert TomlSource(Path()).describe_error(("port",), "is odd") == "port: is odd"


def test_what_a_file_says_is_not_in_its_representation():
    assert "sk-ant" not in repr(TomlSource(Path("h.toml"), 'upstream_key = "sk-ant-1"'))
