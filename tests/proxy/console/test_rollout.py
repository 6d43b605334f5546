"""The rollout in a browser: nothing is written before it was seen, and never over somebody else."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from proxy.config.history import SettingsHistory, history_of
from proxy.config.rollout_edit import RolloutEdit
from proxy.config.settings import Settings
from proxy.config.toml_source import TomlSource, version_of
from proxy.console.access.one_time_address import OneTimeAddress
from proxy.console.app import create_console
from proxy.console.rollout.board import MOST_READ
from proxy.console.server_client import ServerClient
from proxy.console.site import SettingsReader, Site
from proxy.console.store_reader import StoreReader
from proxy.rollout import bucket
from proxy.security.hosts import HostCheck
from proxy.workers.shared_state import SharedState, directory_for
from tests.proxy.console.harness import Person, console, settings_file, shown, signed_in
from tests.record_factory import record
from tests.servers import free_port, new_client, serving

NAMES = tuple(f"support-{number}" for number in range(12))
CALLERS = "".join(
    f'[callers.{name}]\ntoken = "sha256:{number:064x}"\n' for number, name in enumerate(NAMES)
)
CANARY = """
[[rollout]]
name = "canary"
action = "translate"
model = "claude-haiku-4-5"
share = 5
match = { caller = "support-*" }
guard = { errors_above = 5 }
"""
RULES = f'legacy_url = "http://127.0.0.1:1"\n{CALLERS}{CANARY}'


def entries(count: int = 12, **fields: Any) -> list[Any]:
    received = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="milliseconds")
    return [
        record(
            id=f"req_{number:024}",
            received=received,
            caller_name=NAMES[number % len(NAMES)],
            **fields,
        )
        for number in range(count)
    ]


def inside(percent: float) -> list[str]:
    return [name for name in NAMES if bucket("canary", name.encode()) < percent * 100]


def version(config: Path) -> str:
    return version_of(TomlSource.read(config))


def history(config: Path) -> SettingsHistory:
    return history_of(config.parent, config)


def trip(config: Path, rule: str = "canary") -> None:
    note = {"rule": rule, "since": "2026-11-29T10:00:00+00:00", "reason": "12 % errors"}
    state = SharedState(directory_for(config.parent, config))
    state.write(f"tripped/{rule}", json.dumps(note).encode())


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    with signed_in(settings_file(tmp_path, RULES, entries())) as somebody:
        yield somebody


@contextmanager
def two_people(config: Path) -> Iterator[tuple[Person, Person]]:
    """Two sessions at one console."""
    with ExitStack() as stack:
        url, once = stack.enter_context(console(config))
        people = []
        for _ in range(2):
            client = stack.enter_context(new_client(base_url=url, follow_redirects=True))
            client.get(str(once))
            people.append(Person(client=client, config=config, url=url))
        yield people[0], people[1]


@contextmanager
def server_saying(**readiness: Any) -> Iterator[str]:
    """A server that answers `/readyz` with this."""

    async def readyz(_: object) -> JSONResponse:
        return JSONResponse({"status": "ready"} | readiness)

    with serving(Starlette(routes=[Route("/readyz", readyz)])) as url:
        yield url


def test_the_rules_are_sentences_in_their_order_with_what_they_have_decided(tmp_path):
    rest = '[[rollout]]\nname = "rest"\naction = "forward"\nshare = 0\n'
    some = entries(2, rule="canary", why="rule", status=500)
    with signed_in(settings_file(tmp_path, RULES + rest, some)) as person:
        text = shown(person.see("/rollout").text)

    assert "2 rules, tried from the top" in text
    assert "Requests of support-* : 5 % of the callers are translated" in text
    assert "Guard: it loses its share when its share of errors is 5 percentage points" in text
    assert "2 requests, 2 errors" in text
    assert text.index("1. canary") < text.index("2. rest") < text.index("Then: All other requests")
    assert "In the last hour these were 0 requests" in text
    assert "The server at http://127.0.0.1" in text


def test_without_rules_it_is_said_how_to_begin(tmp_path):
    with signed_in(settings_file(tmp_path)) as person:
        text = shown(person.see("/rollout").text)

    assert "There are no rules: every request is translated." in text
    assert "No rule has a campaign" in text
    assert "Nothing has changed yet." in text
    assert "Nothing can be forwarded: the settings have no legacy_url" in text


def test_without_a_settings_file_it_is_said_why_nothing_can_be_changed(tmp_path):
    once = OneTimeAddress(base="")
    site = Site(
        reader=SettingsReader(path=None, load=lambda _: Settings(state_dir=tmp_path)),
        store=StoreReader(url=f"sqlite:///{tmp_path / 'traffic.db'}"),
        server=ServerClient(f"http://127.0.0.1:{free_port()}"),
    )
    app = create_console(site, hosts=HostCheck(is_local=True), token=None, once=once)
    with serving(app) as url, new_client(base_url=url, follow_redirects=True) as client:
        client.get(str(once))
        pages = [client.get(path).text for path in ("/rollout", "/rollout/history")]

    assert "There is no settings file to change" in pages[0]
    assert "there is no history of its changes" in pages[1]


def test_a_preview_names_who_comes_in_before_anything_is_written(person):
    before = person.config.read_text()
    text = shown(person.see("/rollout/share", rule="canary", share="60").text)
    taken = inside(60)

    assert f"60 %: these {len(taken)} callers, {100 * len(taken) / 12:.0f} % of the rule" in text
    for name in set(taken) - set(inside(5)):
        assert name in text.split("Join")[1].split("Leave")[0]
    assert "Set canary from 5 % to 60 %" in text
    assert person.config.read_text() == before


def test_a_share_that_was_seen_is_set_and_written_down_with_a_name(person):
    page = person.see("/rollout/share", rule="canary", share="60").text
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.split("confirm")[1]))
    answer = person.send("/rollout/share", **form)

    assert "Share of canary : 5 -&gt; 60 %. A running Holdover follows" in shown(answer.text)
    assert shown(answer.text).count("Back to 5 %") == 1
    assert "share = 60\n" in person.config.read_text()
    [line] = history(person.config).read()
    assert (line.changes, line.by) == (("share of canary: 5 -> 60 %",), "console")
    assert line.version == version(person.config)
    assert "console share of canary 5 % 60 %" in shown(answer.text)


def undo_in(page):
    """Return the address of the button that takes the last change back, and what it says."""
    found = re.search(
        r'role="status">.*<a class="button" href="([^"]*)">([^<]*)</a></p>', page.text
    )
    return None if found is None else (found[1].replace("&amp;", "&"), found[2])


def test_a_share_is_put_back_through_the_same_preview(person):
    before = person.config.read_text()
    moved = person.send("/rollout/share", rule="canary", share="60", version=version(person.config))
    undo = undo_in(moved)
    assert undo == ("/rollout/share?rule=canary&share=5", "Back to 5 %")
    preview = person.client.get(undo[0])
    back = person.send("/rollout/share", rule="canary", share="5", version=version(person.config))

    assert "Set canary from 60 % to 5 %" in shown(preview.text)
    assert person.config.read_text() == before
    assert undo_in(back) == ("/rollout/share?rule=canary&share=60", "Back to 60 %")
    assert undo_in(person.see("/rollout")) is None


def test_a_share_that_has_not_moved_is_not_put_back(person):
    same = person.send("/rollout/share", rule="canary", share="5", version=version(person.config))

    assert "Share of canary : 5 -&gt; 5 %." in shown(same.text)
    assert undo_in(same) is None


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ("", "is not a share"),
        ("nan", "is not a share"),
        ("-5", "is not a share"),
        ("1e2", "is not a share"),
        ("101", "Give a number from 0 to 100"),
        ("\u0665", "is not a share"),
        ("12,5", "Write a decimal point."),
        ("12.345", "has more than two decimals"),
    ],
)
def test_what_is_no_share_is_refused_in_words(person, share, words):
    answer = person.see("/rollout/share", rule="canary", share=share)
    sent = person.send("/rollout/share", rule="canary", share=share, version=version(person.config))

    assert (answer.status_code, sent.status_code) == (400, 400)
    assert words in shown(answer.text)


def test_a_rule_that_is_gone_is_said_to_be(person):
    answer = person.see("/rollout/share", rule="canari", share="5")
    rearmed = person.send("/rollout/rearm", rule="canari", version=version(person.config))
    set_ = person.send("/rollout/share", rule="canari", share="5", version=version(person.config))

    assert answer.status_code == rearmed.status_code == 404
    assert "did you mean canary ?" in shown(answer.text)
    assert set_.status_code == 409
    assert "there is no rule" in shown(set_.text)


def test_a_share_that_the_settings_do_not_allow_is_not_offered(tmp_path):
    other = CANARY.replace('"canary"', '"other"').replace("share = 5", "share = 90")
    with signed_in(settings_file(tmp_path, RULES + other, entries())) as person:
        page = person.see("/rollout/share", rule="canary", share="20")

    assert page.status_code == 200
    assert "their shares add up to 110 %" in shown(page.text)
    assert 'class="confirm"' not in page.text


def test_the_present_share_is_not_offered_either(person):
    assert (
        "This is its share already." in person.see("/rollout/share", rule="canary", share="5").text
    )


def test_without_any_traffic_nobody_is_named(tmp_path):
    with signed_in(settings_file(tmp_path, RULES)) as person:
        preview = person.see("/rollout/share", rule="canary", share="20").text
        page = person.see("/rollout").text

    assert "No request that fits this rule was recorded in the last 24 hours" in preview
    assert "Set canary from 5 % to 20 %" in preview
    assert "nobody has asked" in page


def test_what_a_preview_cannot_know_is_said(tmp_path):
    more = (
        """
rollout-override = "refuse"
"""
        + RULES
        + """
[[rollout]]
name = "users"
action = "translate"
share = 5
by = "user_id"
match = { header = { x-team = "search" } }
[[rollout]]
name = "prompts"
action = "translate"
share = 5
by = "prompt"
[[rollout]]
name = "dice"
action = "translate"
share = 5
by = "random"
"""
    )
    received = datetime.now(UTC).isoformat()
    nameless = [*entries(), record(id="req_nameless", received=received, caller_name=None)]
    with signed_in(settings_file(tmp_path, more, nameless)) as person:
        trip(person.config)
        said = {
            rule: shown(person.see("/rollout/share", rule=rule, share="50").text)
            for rule in ("canary", "users", "prompts", "dice")
        }
        page = shown(person.see("/rollout").text)

    assert "Callers without a name" not in said["canary"]
    assert "The override is on" in said["canary"]
    assert "Its guard has tripped" in said["canary"]
    assert "The rule looks at x-team , which no record has" in said["users"]
    assert "dealt by the users of callers" in said["users"]
    assert "dealt by prompts" in said["prompts"]
    assert "dealt at random" in said["dice"]
    assert "in part, 50 %" in said["dice"]
    assert "not known (13 callers asked)" in page


def test_callers_without_a_name_are_said_to_count_in_part(tmp_path):
    rule = CANARY.replace('match = { caller = "support-*" }\n', "")
    nameless = [record(received=datetime.now(UTC).isoformat(), caller_name=None)]
    with signed_in(settings_file(tmp_path, rule, nameless)) as person:
        text = shown(person.see("/rollout/share", rule="canary", share="50").text)

    assert "Callers without a name are dealt by their keys" in text
    assert "50 %: 50 % of the rule's traffic" in text.replace("&#39;", "'")


def test_of_much_traffic_the_newest_is_read_and_that_is_said(tmp_path):
    with signed_in(settings_file(tmp_path, RULES, entries(MOST_READ + 1))) as person:
        preview = shown(person.see("/rollout/share", rule="canary", share="50").text)
        page = shown(person.see("/rollout").text)

    assert "than the newest 5,000, from which this is counted" in preview
    assert "the newest 5,000 requests of the last 24 hours; there were more" in page


def test_two_people_at_once_do_not_undo_each_other(tmp_path):
    with two_people(settings_file(tmp_path, RULES, entries())) as (one, other):
        seen = version(one.config)
        other.see("/rollout/share", rule="canary", share="25")
        one.send("/rollout/share", rule="canary", share="10", version=seen)
        changed = one.config.read_text()
        late = other.send("/rollout/share", rule="canary", share="25", version=seen)
        text = shown(late.text)

        assert late.status_code == 409
        assert "When you looked 5 % for canary" in text
        assert "Now 10 % for canary" in text
        assert "You wanted 25 % for canary" in text
        assert "share of canary: 5 -&gt; 10 %" in text
        assert 'name="share" type="number" min="0" max="100" step="0.01" value="25"' in late.text
        assert one.config.read_text() == changed

        again = other.send("/rollout/share", rule="canary", share="25", version=version(one.config))
        assert again.status_code == 200
        assert [line.changes for line in history(one.config).read()] == [
            ("share of canary: 5 -> 10 %",),
            ("share of canary: 10 -> 25 %",),
        ]


def test_a_form_that_is_sent_twice_is_told_that_it_is_done(person):
    seen = version(person.config)
    person.send("/rollout/share", rule="canary", share="25", version=seen)
    again = person.send("/rollout/share", rule="canary", share="25", version=seen)

    assert again.status_code == 409
    assert "It is already as you wanted." in shown(again.text)


def test_a_file_that_was_replaced_between_preview_and_change_is_left_alone(person):
    person.see("/rollout/share", rule="canary", share="25")
    seen = version(person.config)
    replaced = person.config.read_text().replace('"canary"', '"finch"')
    person.config.write_text(replaced)
    late = person.send("/rollout/share", rule="canary", share="25", version=seen)

    assert late.status_code == 409
    assert "There is no such rule any more." in shown(late.text)
    assert "Now no such rule" in shown(late.text)
    assert person.config.read_text() == replaced


def test_a_version_that_nobody_remembers_is_refused_too(person):
    late = person.send("/rollout/share", rule="canary", share="25", version="0123")
    none = person.send("/rollout/share", rule="canary", share="25")

    assert late.status_code == 409
    assert "When you looked not known any more" in shown(late.text)
    assert none.status_code == 400
    assert "share = 5\n" in person.config.read_text()


def test_a_file_that_only_looks_different_is_said_to(person):
    seen = version(person.config)
    person.see("/rollout")
    person.config.write_text(person.config.read_text() + "# more\n")
    late = person.send("/rollout/share", rule="canary", share="25", version=seen)

    assert "No setting has changed, only how the file is written." in shown(late.text)


def test_a_file_with_crlf_and_one_with_its_rules_on_one_line_are_edited_too(tmp_path):
    with signed_in(settings_file(tmp_path, RULES, entries())) as person:
        person.config.write_bytes(person.config.read_bytes().replace(b"\n", b"\r\n"))
        person.send("/rollout/share", rule="canary", share="25", version=version(person.config))
        assert b"share = 25\r\n" in person.config.read_bytes()

        head = person.config.read_text().split("legacy_url")[0]
        person.config.write_text(
            head + 'rollout = [{ name = "canary", action = "translate", share = 5 }]\n'
        )
        person.send("/rollout/share", rule="canary", share="12.5", version=version(person.config))
        assert "share = 12.5" in person.config.read_text()


def test_the_kill_switch_is_thrown_once_its_name_is_typed(person):
    page = person.see("/rollout/override", action="translate")
    seen = version(person.config)
    wrong = person.send("/rollout/override", action="translate", version=seen, confirmation="yes")
    empty = person.send("/rollout/override", action="translate", version=seen)

    assert "would send to claude-haiku-4-5" in shown(page.text)
    assert (wrong.status_code, empty.status_code) == (400, 400)
    assert "yes was typed, not translate" in shown(wrong.text)
    assert "nothing was typed; type translate" in shown(empty.text)
    assert version(person.config) == seen

    done = person.send(
        "/rollout/override", action="translate", version=seen, confirmation=" Translate "
    )
    assert "The kill switch is on: translate . Every request is translated" in shown(done.text)
    assert person.config.read_text().startswith('rollout-override = "translate"\n')

    again = person.see("/rollout/override", action="translate")
    other = person.see("/rollout/override", action="refuse")
    assert "This is the override already." in again.text
    assert "The override is translate now." in shown(other.text)

    back = person.send("/rollout/override", action="off", version=version(person.config))
    assert "The override is off: the rules decide again." in shown(back.text)
    assert undo_in(done) is None  # there is a button already
    assert undo_in(back) == ("/rollout/override?action=translate", "Back to translate everything")
    assert version(person.config) == seen
    assert [(line.changes, line.by) for line in history(person.config).read()] == [
        (("kill switch: not set -> translate",), "console"),
        (("kill switch: translate -> not set",), "console"),
    ]


def test_an_override_that_is_not_there_is_taken_back_and_none_is_offered(person):
    back = person.send("/rollout/override", action="off", version=version(person.config))

    assert "The override is off: the rules decide again." in shown(back.text)
    assert undo_in(back) is None


def test_the_kill_switch_is_not_thrown_over_somebody_else(tmp_path):
    with two_people(settings_file(tmp_path, RULES)) as (one, other):
        seen = version(one.config)
        other.see("/rollout")

        def throw(somebody: Person, action: str) -> httpx.Response:
            return somebody.send(
                "/rollout/override", action=action, version=seen, confirmation=action
            )

        throw(one, "refuse")
        late, off, same = (throw(other, action) for action in ("forward", "off", "refuse"))

        assert [late.status_code, off.status_code, same.status_code] == [409] * 3
        assert "Now the override refuse" in shown(late.text)
        assert "Look at the override again" in late.text
        assert "Take the kill switch back" in off.text
        assert "It is already as you wanted." in same.text


def test_an_override_that_makes_no_sense_is_refused(tmp_path):
    with signed_in(settings_file(tmp_path, CANARY)) as person:
        wrong = person.see("/rollout/override", action="explode")
        forward = person.see("/rollout/override", action="forward")
        sent = person.send("/rollout/override", action="explode", version=version(person.config))

    assert (wrong.status_code, forward.status_code, sent.status_code) == (400, 409, 400)
    assert "have no legacy_url" in shown(forward.text)


def test_a_tripped_guard_is_re_armed_by_the_first_of_two_people(tmp_path):
    with two_people(settings_file(tmp_path, RULES, entries())) as (one, other):
        trip(one.config)
        page = shown(one.see("/rollout").text)
        first = one.send("/rollout/rearm", rule="canary", version=version(one.config))
        second = other.send("/rollout/rearm", rule="canary", version=version(one.config))

        assert "guard tripped: 0 % in force" in page
        assert "Tripped since 29 Nov 2026, 10:00 UTC: 12 % errors" in page
        assert "The guard of canary is armed again." in shown(first.text)
        assert "was armed already: somebody has re-armed it meanwhile" in shown(second.text)
        assert [(line.changes, line.by) for line in history(one.config).read()] == [
            (("guard of canary: tripped -> armed",), "console")
        ]


def test_a_guard_is_not_re_armed_for_another_share_than_was_seen(person):
    trip(person.config)
    seen = version(person.config)
    RolloutEdit(config=person.config, by="alice").set_share("canary", 99)
    late = person.send("/rollout/rearm", rule="canary", version=seen)

    assert late.status_code == 409
    assert "Re-arm canary at 99 %" in late.text
    assert SharedState(directory_for(person.config.parent, person.config)).read("tripped")


def test_a_note_that_cannot_be_removed_is_said(person):
    (directory_for(person.config.parent, person.config) / "tripped" / "canary").mkdir(parents=True)
    answer = person.send("/rollout/rearm", rule="canary", version=version(person.config))

    assert answer.status_code == 409
    assert "is still tripped: its note" in shown(answer.text)


def test_a_guard_of_a_server_elsewhere_is_not_offered_here(tmp_path):
    config = settings_file(tmp_path, RULES)
    tripped = {"canary": {"since": "2026-11-29T10:00:00+00:00", "reason": "<b>errors</b>"}}
    followed = {"version": version(config), "problem": None}
    with (
        server_saying(tripped=tripped, settings=followed) as url,
        signed_in(config, server_url=url) as person,
    ):
        page = person.see("/rollout").text

    assert "There is no note of this in the" in page
    assert "Re-arm canary" not in page
    assert "&lt;b&gt;errors&lt;/b&gt;" in page


def test_a_server_that_follows_the_file_is_said_to(tmp_path):
    config = settings_file(tmp_path, RULES)
    followed = {"version": version(config), "problem": None}
    with (
        server_saying(settings=followed, override=None) as url,
        signed_in(config, server_url=url) as person,
    ):
        before = shown(person.see("/rollout").text)
        person.config.write_text(person.config.read_text() + "# changed\n")
        after = shown(person.see("/rollout").text)

    assert f"The server follows this version of the settings, {version_of_text(before)}" in before
    assert "The server follows version" in after


def version_of_text(text: str) -> str:
    found = re.search(r"this version of the settings, (\w+)", text)
    assert found is not None
    return found[1]


def test_while_the_file_is_invalid_its_problem_is_shown_and_no_form(person):
    person.see("/rollout")
    seen = version(person.config)
    person.config.write_text(person.config.read_text().replace("share = 5", "share = 500"))
    pages = [
        person.see("/rollout").text,
        person.see("/rollout/share", rule="canary", share="25").text,
        person.see("/rollout/override", action="refuse").text,
    ]
    late = person.send("/rollout/share", rule="canary", share="25", version=seen)
    forced = person.send(
        "/rollout/override",
        action="refuse",
        version=version(person.config),
        confirmation="refuse",
    )

    for page in pages:
        assert "The settings file is not valid now" in page
        assert "rule &#34;canary&#34;: share" in page
        assert 'action="/rollout' not in page
    assert (late.status_code, forced.status_code) == (409, 409)
    assert "The settings file is not valid now" in late.text
    assert "share = 500" in person.config.read_text()


def test_a_console_that_only_shows_says_why_and_has_no_forms(tmp_path):
    config = settings_file(tmp_path, RULES, entries())
    with signed_in(config, is_readonly=True) as person:
        trip(config)
        pages = [
            person.see("/rollout"),
            person.see("/rollout/share", rule="canary", share="25"),
            person.see("/rollout/override", action="refuse"),
        ]
        sent = person.send("/rollout/share", rule="canary", share="25", version=version(config))

    for page in pages:
        assert page.status_code == 200
        assert "console_readonly" in page.text
        assert 'action="/rollout' not in page.text
    assert sent.status_code == 403
    assert "share = 5\n" in config.read_text()


def test_a_file_of_a_configmap_says_how_a_share_is_moved_there(tmp_path):
    mounted = tmp_path / "..2026_11_30"
    mounted.mkdir()
    config = settings_file(mounted, RULES)
    (tmp_path / "..data").symlink_to(mounted)
    link = tmp_path / "holdover.toml"
    link.symlink_to("..data/holdover.toml")
    with signed_in(link, is_readonly=True) as person:
        page = person.see("/rollout").text

    assert config.exists()
    assert "Kubernetes has mounted this file from a ConfigMap" in page
    assert "helm -n NAMESPACE upgrade holdover" in page


def test_the_kill_switch_is_there_while_the_store_is_not(person):
    for file in person.config.parent.glob("traffic.db*"):
        file.unlink()
    page = person.see("/rollout")
    preview = person.see("/rollout/share", rule="canary", share="25")

    assert page.status_code == 200
    assert "The records cannot be read, so there are no numbers" in page.text
    assert "Refuse everything" in page.text
    assert "So which callers the share includes is not known." in preview.text


def test_the_history_is_newest_first_and_paged(person):
    for number in range(60):
        history(person.config).add(f"v{number}", [f"share of canary: {number} -> {number + 1} %"])
    history(person.config).add("last", ["upstream_key: changed"], "<i>Eve</i>")
    page = person.see("/rollout").text
    first = person.see("/rollout/history").text
    second = person.see("/rollout/history", page="2").text
    beyond = [person.see("/rollout/history", page=page).status_code for page in ("3", "0", "x")]

    assert "All 61 changes" in page
    assert "&lt;i&gt;Eve&lt;/i&gt;" in page
    assert "61 changes, newest first; these are 1 to 50." in shown(first)
    assert "these are 51 to 61." in shown(second)
    assert "not known share of canary 0 % 1 %" in shown(second)
    assert 'rel="next"' in first
    assert 'rel="prev"' in second
    assert beyond == [404, 404, 404]


def test_without_changes_the_history_is_empty(person):
    assert "Nothing has changed yet." in person.see("/rollout/history").text


def test_a_history_that_cannot_be_read_is_said(person):
    (directory_for(person.config.parent, person.config) / "history.jsonl").mkdir(parents=True)

    assert "cannot be read: Is a directory." in person.see("/rollout").text
    assert "cannot be read: Is a directory." in person.see("/rollout/history").text


def test_the_calendar_says_what_goes_on_now(tmp_path):
    start = datetime.now(UTC) - timedelta(minutes=5)
    rule = f"""
[[rollout]]
name = "goodbye"
action = "refuse"
[[rollout.campaign.brown-outs]]
start = {start:%Y-%m-%dT%H:%M:%SZ}
minutes = 60
every = "day"
"""
    with signed_in(settings_file(tmp_path, rule)) as person:
        page = person.see("/rollout").text

    assert page.count('class="is-now"') == 1
    assert page.count("Brown-out: requests are refused") == 29


def test_forms_of_another_session_change_nothing(tmp_path):
    with two_people(settings_file(tmp_path, RULES)) as (one, other):
        answer = one.send(
            "/rollout/share",
            rule="canary",
            share="25",
            version=version(one.config),
            csrf=other.csrf,
        )

        assert answer.status_code == 403
        assert "share = 5\n" in one.config.read_text()
