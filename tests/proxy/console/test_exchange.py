"""One exchange: its bodies side by side, what was adjusted, shadows, and what to do next."""

import html
import json
import re

import pytest
from msgspec.structs import replace

from proxy.config.settings import Settings
from proxy.console.pages.exchange import Clipping, replay_command
from proxy.console.pages.explain import MAX_BYTES
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.console.store_reader import StoreReader
from proxy.security.redaction import Redacted
from proxy.traffic import Body, Content, MadeAdjustment, compress, default_url
from tests.proxy.console.harness import settings_file, shown, signed_in
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import kept, moment, numbered

ASKED = {"prompt": "\n\nHuman: Hello\n\nAssistant:", "model": "claude-2"}
SENT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
SAID = {"content": [{"type": "text", "text": "Hi. More"}], "stop_reason": "end_turn"}
BACK = {"completion": "Hi. Less", "stop_reason": "stop_sequence"}
HOSTILE = '<img src=x onerror="alert(1)">\u202e'
COMPARED = {
    "equal": False,
    "similarity": 0.42,
    "models": ["claude-2", None],
    "characters": [1200, 900],
    "adjustments": [[], ["drop_top_k", "trim_prefill"]],
}


@pytest.fixture
def look(tmp_path):
    """Return a function that shows one exchange of a store with some entries."""
    opened = []

    def look(entries, name="req_a", text=""):
        console = signed_in(settings_file(tmp_path, text, entries))
        opened.append(console)
        return console.__enter__().see(f"/exchanges/{name}")

    yield look
    for console in opened:
        console.__exit__(None, None, None)


def one(*bodies: Body, **fields) -> list:
    content = Content(id="req_a", received=moment(1), bodies=bodies)
    return [record(**{"id": "req_a", "received": moment(1)} | fields), content]


def made(kind: str, *words: str) -> MadeAdjustment:
    return MadeAdjustment(kind, *map(Redacted, words))


def whole(**fields) -> list:
    timing = compress(json.dumps([[1.0, "start", 0], [5.0, "delta", 3]]).encode())
    return one(
        kept("legacy_in", ASKED),
        kept("messages_out", SENT),
        replace(kept("messages_back", SAID), timing=timing),
        kept("legacy_back", BACK),
        **fields,
    )


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_bodies_stand_side_by_side_with_marks_for_what_differs(look):
    page = look(whole()).text

    assert page.count('<figure class="body">') == 4
    assert '<mark class="lacks">More</mark>' in page
    assert '<mark class="gains">Less</mark>' in page
    assert "a stream of 2 events, 1 with text: the first after 5.0 ms" in page
    assert "only in the first" in page


@pytest.mark.without_coverage
def test_what_differs_is_not_searched_in_long_texts_which_are_cut(look):
    long = "word " * 20_000
    page = look(one(kept("legacy_in", {"prompt": long}), kept("messages_out", {"system": long})))

    assert "These texts have more than 4,000 words" in shown(page.text)
    assert "This is its beginning" in page.text
    assert "<mark" not in page.text
    assert len(page.text) < 200_000 + 10 * len(long)


def test_a_body_alone_and_a_digest_are_shown_as_such(look):
    digest = Body(part="messages_out", size=7, digest="d1g357", data=None, timing=None)
    page = shown(look(one(digest, kept("legacy_back", b"not JSON"))).text)

    assert "Its digest is d1g357" in page
    assert "not JSON" in page
    assert "can be neither explained nor asked again" in page


def test_a_timing_that_cannot_be_read_is_said_to_be_such(look):
    damaged = replace(kept("messages_back", SAID), timing=compress(b'"?"'))
    assert "a stream whose timing cannot be read" in shown(look(one(damaged)).text)


def test_without_bodies_it_says_how_to_keep_those_to_come(look):
    page = shown(look(one()).text)

    assert 'To keep those of exchanges to come, set capture = "full"' in page


def test_adjustments_come_with_why_and_what_to_do(look):
    adjustments = (made("drop_top_k", "top_k", "5", ""), made("later", "f", "", "x"))
    page = shown(look(one(adjustments=adjustments)).text)

    assert "drop top k top_k : 5 → nothing" in page
    assert "later f : nothing → x" in page
    assert "Nothing: what was sent means what was asked." not in page


def test_a_request_that_needed_no_adjustment_is_said_to_be_one(look):
    page = shown(look(one(sent_model=None)).text)

    assert "Nothing: what was sent means what was asked." in page
    assert "sent model" not in page


def test_times_are_drawn_as_a_bar(look):
    page = look(one(upstream_ms=50.0, first_token_ms=80.0, first_byte_ms=None, total_ms=100.0)).text

    widths = dict(
        re.findall(r'<rect class="t-([\w-]+)" x="[\d.]+%" y="2.0" width="([\d.]+)%"', page)
    )
    assert widths == {"upstream": "50.000", "first-token": "30.000", "total": "20.000"}
    assert "50 ms: the upstream began to answer" in page


def test_an_exchange_that_failed_says_why_and_whose_fault_it_was(look):
    failed = one(
        status=500, failure="the upstream broke off", first_failure="status 529", route=None
    )
    page = shown(look(failed).text)

    assert "the upstream broke off (at fault: upstream)" in page
    assert "This was the second try; the first one failed: status 529" in page


def test_a_client_without_a_key_and_a_request_without_a_model_have_words(look):
    page = shown(look(one(caller=None, asked_model=None, status=None, client_gone=True)).text)

    assert "A client without a key asked for no model that could be read" in page
    assert "no status client left" in page


def test_the_whole_record_is_there_with_units(look):
    page = shown(look(one(streamed=True, features=("top_k", "system"), temperature=0.5)).text)

    assert "features top k, system" in page
    assert "reply 158 bytes" in page
    assert "upstream 4 ms" in page
    assert "streamed yes" in page
    assert "temperature 0.5" in page
    assert "outcome answered" in page


def test_shadows_stand_beside_it_with_their_similarity(look):
    shadow = shadow_record(id="req_a", comparison=COMPARED)
    control = shadow_record(id="req_a", leg="control", comparison={"equal": True, "similarity": 1})
    failed = shadow_record(id="req_a", leg="other", comparison=None, failure="status 500")
    page = look([*one(), shadow, control, failed]).text

    assert "Shadow: 42 % similar" in shown(page)
    assert "models claude-2 / none" in shown(page)
    assert "characters 1,200 / 900" in shown(page)
    assert "adjustments none / drop_top_k, trim_prefill" in shown(page)
    assert "There is nothing to compare: status 500." in shown(page)
    assert page.count('class="floor"') == 1


def answers_of(*parts: tuple[str, object]) -> list:
    bodies = tuple(kept(part, said) for part, said in parts)
    return [Content(id="req_a", received=moment(1), bodies=bodies)]


def test_the_text_of_a_shadow_stands_beside_the_clients(look):
    said = answers_of(
        ("shadow_back", {"completion": "Hi.\n<b>More"}),
        ("control_back", {"completion": "Hi. Less"}),
    )
    legs = [shadow_record(id="req_a", leg=leg) for leg in ("control", "shadow")]
    page = look([*whole(), *said, *legs]).text

    both = page[page.index("The client's answer and the shadow's") :]
    assert 'Hi.<mark class="lacks"> Less</mark></code>' in both
    assert 'Hi.<mark class="gains">\n&lt;b&gt;More</mark></code>' in both
    assert "only in the shadow's" in both
    control = both[both.index("The client's answer and the control's") :]
    assert "What the control answered" in control
    assert "<mark" not in control
    assert "To keep those of shadows to come" not in page


def test_a_shadow_without_a_text_says_how_to_keep_those_to_come(look):
    failed = shadow_record(id="req_a", leg="control", comparison=None, failure="status 500")
    page = shown(look([*whole(), shadow_record(id="req_a"), failed]).text)

    assert "The text of the shadow&#39;s answer is not kept." in page
    assert 'To keep those of shadows to come, set capture = "full"' in page
    assert "and the control's" not in page


def test_texts_of_very_many_words_are_not_marked(look):
    long = {"completion": "a " * 4_000}
    said = [
        *one(kept("legacy_back", long)),
        *answers_of(("shadow_back", {"completion": "b " * 5_000})),
        shadow_record(id="req_a"),
    ]
    page = shown(look(said).text)

    assert "There are too many words here to mark what differs; holdover show req_a marks" in page
    assert "What the shadow answered: the first 8,000 of 10,000 characters" in page


def test_its_request_can_be_explained_and_asked_again(look):
    page = look(whole(caller_name="night ly", version="2023-06-01")).text

    assert json.loads(field(page, "request")) == ASKED
    assert field(page, "version") == "2023-06-01"
    assert field(page, "caller") == "night ly"
    assert (
        "holdover replay --since 2026-11-23T00:00:01.000+00:00 "
        "--until 2026-11-23T00:00:01.001+00:00 --caller &#39;night ly&#39; --config "
    ) in page
    assert 'data-copy="replay"' in page


def test_what_was_not_answered_is_not_asked_again(look):
    page = look(one(kept("legacy_in", ASKED), caller=None)).text

    assert "It cannot be asked again" in page
    assert "holdover replay" not in page


def test_the_command_asks_the_demo_if_that_is_what_is_shown(tmp_path):
    url = default_url(tmp_path / "demo")
    site = Site(
        reader=SettingsReader(path=None, load=lambda _: Settings(state_dir=tmp_path)),
        store=StoreReader(url=url),
        server=ServerClient(""),
    )
    command = replay_command(site, site.reader.read().settings, record())

    assert command.endswith(" --caller 0123456789abcdef --demo")


def test_the_command_finds_the_store_whatever_the_shell_says_of_the_state(look, tmp_path):
    config = settings_file(tmp_path)
    local = Site(
        reader=SettingsReader(path=config, load=lambda _: Settings(state_dir=tmp_path / "a b")),
        store=StoreReader(url=default_url(tmp_path / "a b")),
        server=ServerClient(""),
    )
    command = replay_command(local, local.reader.read().settings, record())

    assert command.startswith(f"HOLDOVER_STATE_DIR='{tmp_path}/a b' holdover replay --since ")
    assert command.endswith(f" --config {config}")
    assert "HOLDOVER_STATE_DIR" not in look(whole()).text  # where a `traffic_url` is set


def test_a_caller_without_a_key_is_selected_by_time_alone(look):
    assert "--caller" not in look(whole(caller=None)).text


def test_the_upstreams_id_and_the_beginning_of_an_id_lead_to_it(look):
    assert (
        look(whole(request_id="req_of_upstream"), "req_of_upstream").url.path == "/exchanges/req_a"
    )
    assert look([], "of_up").url.path == "/exchanges/req_a"


def test_several_that_begin_alike_are_listed(look):
    page = look(numbered(1, 2, caller_name="nightly"), "req_00").text

    assert "2 exchanges have an id that begins like this" in shown(page)
    assert 'href="/exchanges/req_0002"' in page


@pytest.mark.parametrize(("days", "kept_for"), [(90, "for 90 days"), (0, "until space runs out")])
def test_one_that_is_gone_is_a_404_in_words(look, days, kept_for):
    answer = look([], "req_<b>", f"traffic_days = {days}\n")

    assert answer.status_code == 404
    assert "No recorded exchange has the id req_&lt;b&gt;" in answer.text
    assert f"Records are kept {kept_for}" in shown(answer.text)


def test_what_clients_and_upstreams_have_sent_is_text(look):
    names = ("caller_name", "asked_model", "sent_model", "answered_model", "rule", "user_agent")
    more = ("failure", "error_type", "first_failure", "version")
    said = {"prompt": HOSTILE, HOSTILE: HOSTILE, "model": HOSTILE}
    bodies = [kept(part, said) for part in ("legacy_in", "messages_out")]
    bodies += [kept(part, {"completion": HOSTILE}) for part in ("legacy_back", "shadow_back")]
    adjustments = (made(HOSTILE, HOSTILE, HOSTILE, HOSTILE),)
    shadow = shadow_record(id="req_a", rule=HOSTILE, comparison={HOSTILE: [HOSTILE]})
    page = look(
        [*one(*bodies, adjustments=adjustments, **dict.fromkeys((*names, *more), HOSTILE)), shadow]
    ).text

    assert "<img" not in page
    without_fields = re.sub(r"<input[^>]*>", "", page)
    assert "\u202e" not in without_fields


@pytest.mark.parametrize("depth", [99, 100, 101, 500, 5_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_bodies_that_are_nested_deeply_are_shown(look, depth, opens, closes):
    nested = f'{{"prompt": "Hi", "metadata": {opens * depth}1{closes * depth}}}'
    page = look(one(kept("legacy_in", nested.encode()), kept("messages_out", SENT)))
    assert page.status_code == 200
    assert "metadata" in html.unescape(page.text)


@pytest.mark.parametrize("metadata", [["a"] * 300_000, dict.fromkeys(map(str, range(99_999)))])
def test_of_many_short_values_no_more_is_read_than_is_shown(metadata):
    left = json.dumps(Clipping().clip({"messages": [], "system": "S", "metadata": metadata}))
    assert left.startswith('{"system": "S", "metadata": ')
    assert 50_000 < len(json.dumps(json.loads(left), indent=2)) < 200_000


def test_a_request_that_explain_would_refuse_is_not_offered_to_it(look):
    page = look(one(kept("legacy_in", ASKED | {"prompt": "x" * MAX_BYTES})))
    assert "Its request is too long to be explained here" in shown(page.text)
    assert "Explain this request" not in page.text
