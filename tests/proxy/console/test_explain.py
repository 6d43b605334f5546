"""Explaining a pasted request: what it becomes, which rule decides, code, and what is wrong."""

import html
import json
import re

import pytest

from tests.harness import body
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.recorded_exchanges import numbered

RULES = """
legacy_url = "http://127.0.0.1:9"
[callers.batch]
token = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[[rollout]]
name = "streams"
match = { streamed = true }
action = "forward"
[[rollout]]
name = "half"
match = { caller = "batch" }
share = 99.99
by = "user_id"
action = "translate"
model = "claude-opus-5"
[[rollout]]
name = "ended"
match = { anthropic_version = "2023-01-01" }
action = "refuse"
"""
HOSTILE = '</textarea><script>alert(1)</script>"\u202e'


@pytest.fixture
def ask(tmp_path):
    """Return a function that sends the form of a console with some settings."""
    opened = []

    def ask(request, text="", *, console=None, **fields):
        console = console or {}
        entries = console.pop("entries", ())
        running = signed_in(settings_file(tmp_path, text, entries), **console)
        opened.append(running)
        written = request if isinstance(request, str) else json.dumps(request)
        return running.__enter__().send("/explain", **{"request": written, "version": ""} | fields)

    yield ask
    for running in opened:
        running.__exit__(None, None, None)


def code(answer, name: str) -> str:
    found = re.search(rf'<code id="code-{name}">(.*?)</code>', answer.text, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def test_a_request_becomes_prose_adjustments_and_code(ask):
    answer = ask(body(model="claude-2.1", prompt="\n\nHuman: Say hi\n\nAssistant: Well", top_k=5))
    page = shown(answer.text)

    assert answer.status_code == 200
    assert "The request asks for claude-2.1, which becomes " in page
    assert "It is translated: no rule decides about it" in page
    assert "user: &#34;Say hi&#34;" in page
    assert "replace retired model model : claude-2.1 → " in page
    assert "In the form of 2023-01-01 :" in page
    assert json.loads(code(answer, "request"))["max_tokens"] == body()["max_tokens_to_sample"]
    assert "import anthropic\n" in code(answer, "python")
    assert "import Anthropic from" in code(answer, "typescript")
    assert "curl " in code(answer, "curl")
    assert answer.text.count("data-copy=") == 4


def test_what_was_pasted_comes_back_as_it_was(ask):
    written = json.dumps(body(prompt=f"\n\nHuman: {HOSTILE}\n\nAssistant:"), indent=1)
    answer = ask(written, caller="")

    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", answer.text, re.DOTALL)
    assert found is not None
    assert html.unescape(found[1]) == written
    assert "<script>alert" not in answer.text


def test_a_request_that_needs_nothing_says_so(ask):
    fields = {"model": "claude-haiku-4-5", "prompt": "\n\nHuman: Hi\n\nAssistant:"}
    page = shown(ask(body(**fields), version="2023-06-01").text)

    assert "Nothing has to be adjusted." in page
    assert "The request asks for claude-haiku-4-5." in page


@pytest.mark.parametrize(
    ("request_", "given", "fate", "verdicts"),
    [
        (
            body(stream=True),
            {},
            "It is forwarded to the legacy API unchanged: the rule streams decides.",
            ["streams: yes."],
        ),
        (
            body(metadata={"user_id": "u"}),
            {"caller": "batch"},
            "It is translated: the rule half decides.",
            ["streams: no: it matches only streamed requests.", "half: yes (bucket "],
        ),
        (
            body(),
            {"version": "2023-01-01"},
            "It is refused: the rule ended decides.",
            [
                "half: no: caller ",
                "ended: yes.",
                "POST /v1/complete is no longer served",
            ],
        ),
    ],
)
def test_the_rule_that_decides_is_named_and_why_the_others_do_not(
    ask, request_, given, fate, verdicts
):
    page = shown(ask(request_, RULES, **given).text)

    assert fate in page
    for line in verdicts:
        assert html.escape(line) in page or line in page


def test_a_rule_that_translates_says_what_by_its_own_model(ask):
    page = shown(ask(body(), RULES, caller="batch").text)

    assert "which becomes claude-opus-5" in page


def test_the_kill_switch_decides_before_all_rules(ask):
    page = shown(ask(body(), f'rollout_override = "translate"\n{RULES}').text)

    assert "No rule is asked: the kill switch decides about every request." in page


def test_a_model_that_is_not_known_is_said_to_be_a_guess(ask):
    page = shown(ask(body(model="claude-haku-4-5")).text)

    assert "Holdover does not know the model &#39;claude-haku-4-5&#39;; did you mean" in page


def test_a_caller_that_does_not_exist_is_refused_beside_its_field(ask):
    answer = ask(body(), RULES, caller="bach")

    assert answer.status_code == 400
    assert "No caller in [callers] is named &#39;bach&#39;; did you mean batch ?" in shown(
        answer.text
    )
    assert 'name="caller" value="bach"' in answer.text


def test_a_digest_stands_for_a_caller_without_a_name(ask):
    assert ask(body(), RULES, caller="0123456789abcdef").status_code == 200


def test_names_of_callers_that_rules_can_match_are_suggested(ask):
    recorded = {"entries": numbered(1, caller_name="nightly")}
    page = ask(body(), RULES, console=recorded).text

    assert '<option value="batch"></option>' in page
    assert "nightly" not in page  # it would be refused


@pytest.mark.parametrize(
    ("request_", "given", "what"),
    [
        ("", {}, "Paste a request first"),
        ('{"messages": []}', {}, "a request of the Messages API already"),
        ({"model": "claude-2"}, {}, "Holdover answers this request with an error: "),
        (body(), {"version": HOSTILE}, "is not a valid version"),
    ],
)
def test_what_is_wrong_is_said_with_the_form_filled_in(ask, request_, given, what):
    answer = ask(request_, **given)

    assert answer.status_code == 400
    assert what in shown(answer.text)
    assert "<textarea" in answer.text
    assert "<script>alert" not in answer.text


def test_a_request_that_was_found_in_what_was_pasted_can_be_explained(ask):
    written = json.dumps(body())
    answer = ask(f"curl x -d '{written}'")

    assert answer.status_code == 400
    assert "This is a curl command." in shown(answer.text)
    assert (
        f'name="request" value="{html.escape(written).replace("&quot;", "&#34;")}"' in answer.text
    )


def test_long_requests_are_explained_and_their_code_is_not_shown(ask):
    turns = "\n\nHuman: word\n\nAssistant: word" * 20_000
    answer = ask(body(prompt=f"{turns}\n\nHuman: x\n\nAssistant:"))

    assert answer.status_code == 200
    assert "and more; the whole request is below" in answer.text
    assert "holdover explain FILE --code python" in answer.text


def test_what_is_too_long_is_refused_in_words(ask):
    answer = ask("x" * (1024 * 1024 + 1))

    assert answer.status_code == 413
    assert "This is longer than 1,048,576 bytes" in answer.text


def test_a_console_that_changes_nothing_explains(ask):
    assert ask(body(), console={"is_readonly": True}).status_code == 200


def test_a_form_of_another_site_is_refused(ask):
    assert ask(body(), csrf="x").status_code == 403
