import itertools
from dataclasses import replace

import pytest
from rich.pretty import pretty_repr

from proxy.errors import MissingKey, UnknownKey
from proxy.security.credentials import Credential
from proxy.security.keyring import (
    Caller,
    Destination,
    HeldKey,
    Keyring,
    KnownCaller,
    Site,
    hash_token,
    origin_of,
    refuses_key,
)
from proxy.security.redaction import Digester

DIGESTER = Digester("k")
SERVER, ADS_KEY, OWN = b"sk-ant-server", b"sk-ant-ads", b"sk-ant-own"
MESSAGES, LEGACY = "https://messages.example", "https://legacy.example"
NOTHING = Credential(b"", b"", b"")


def held(secret, setting="upstream_key"):
    return HeldKey(secret=secret, digest=DIGESTER.caller(secret), setting=setting)


def known(name, token, key=None, legacy_key=None):
    return KnownCaller(
        name=name,
        token_hash=hash_token(token),
        messages_key=key and held(key, f"callers.{name}.upstream_key"),
        legacy_key=legacy_key and held(legacy_key, f"callers.{name}.legacy_key"),
    )


ADS, SEARCH = known("ads", b"token-ads", ADS_KEY), known("search", b"token-search")


def ring(*callers, server=None, server_legacy=None, has_legacy=False):
    legacy = Site(
        name="legacy", url=LEGACY, key=server_legacy and held(server_legacy, "legacy_key")
    )
    return Keyring(
        digester=DIGESTER,
        messages=Site(name="upstream", url=MESSAGES, key=server and held(server)),
        legacy=legacy if has_legacy else None,
        known=callers,
    )


def sent(secret):
    return [(b"host", b"h"), (b"x-api-key", secret)]


def key(secret):
    return Credential(b"x-api-key", secret, secret)


def test_without_keys_of_ours_a_client_s_own_is_passed_through():
    caller = ring(has_legacy=True).identify(sent(OWN))

    def own(url):
        return Destination(url=url, credential=key(OWN), digest=DIGESTER.caller(OWN))

    assert caller == Caller(
        name=None,
        digest=DIGESTER.caller(OWN),
        identity=OWN,
        messages=own(MESSAGES),
        legacy=own(LEGACY),
        digester=DIGESTER,
    )
    assert caller.held_secrets == []


def test_a_bearer_token_is_passed_through_as_one():
    caller = ring().identify([(b"authorization", b"Bearer t")])

    assert caller.messages.credential == Credential(b"authorization", b"Bearer t", b"t")
    assert caller.digest == DIGESTER.caller(b"t")


def test_a_request_without_a_key_is_refused():
    with pytest.raises(MissingKey, match="x-api-key header is required"):
        ring().identify([])


@pytest.mark.parametrize("headers", [[], [(b"x-api-key", b"")], sent(OWN)])
def test_the_server_s_key_alone_serves_everybody(headers):
    keyring = ring(server=SERVER)

    assert keyring.identify(headers).messages == Destination(
        url=MESSAGES,
        credential=key(SERVER),
        instead=key(SERVER).fields,
        digest=DIGESTER.caller(SERVER),
        setting="upstream_key",
    )
    assert keyring.for_other_paths(headers) == keyring.identify(headers).messages


def test_with_the_server_s_key_callers_are_told_apart_by_their_own():
    keyring = ring(server=SERVER)

    caller = keyring.identify(sent(OWN))
    nobody = keyring.identify([])

    assert (caller.identity, caller.digest) == (OWN, DIGESTER.caller(OWN))
    assert (nobody.identity, nobody.digest) == (b"", DIGESTER.caller(b""))


@pytest.mark.parametrize(
    ("callers", "server", "token", "upstream"),
    [
        ([ADS, SEARCH], None, b"token-ads", ADS_KEY),
        ([ADS, SEARCH], SERVER, b"token-ads", ADS_KEY),
        ([ADS, SEARCH], SERVER, b"token-search", SERVER),
        ([ADS, SEARCH], None, b"token-search", None),
        ([SEARCH], None, b"token-search", None),
        ([SEARCH], None, OWN, None),
    ],
)
def test_a_caller_is_asked_for_with_its_key_or_the_server_s_or_its_own(
    callers, server, token, upstream
):
    keyring = ring(*callers, server=server)

    caller = keyring.identify(sent(token))

    assert caller.messages.credential == key(upstream or token)
    assert caller.held_secrets == ([upstream] if upstream else [])
    others = [key(upstream).fields] if upstream else [key(token).fields, None]  # None: as it comes
    assert keyring.for_other_paths(sent(token)).instead in others


# The table in `keys`, once more and in other words. Of each secret it is known where it may be.
TOKEN, STRANGE = b"token-of-ads", b"not-on-the-list"
KEYS = {
    "server": b"sk-messages-server",
    "server_legacy": b"sk-legacy-server",
    "own": b"sk-messages-ads",
    "own_legacy": b"sk-legacy-ads",
}


def expected(url, given, holds, *, is_listed):
    """What is to arrive at an upstream."""
    mine, the_server_s = ("own", "server") if url == MESSAGES else ("own_legacy", "server_legacy")
    if is_listed and given == TOKEN and mine in holds:
        return KEYS[mine]
    if the_server_s in holds:
        return KEYS[the_server_s]
    if is_listed and given == TOKEN and holds:
        return b""
    return given


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("given", [TOKEN, STRANGE, b""])
@pytest.mark.parametrize(
    "holds",
    [set(some) for size in range(5) for some in itertools.combinations(KEYS, size)],
    ids=lambda some: " ".join(sorted(some)) or "none",
)
def test_a_key_is_sent_to_the_upstream_that_it_is_held_for_and_no_token_to_any(
    holds, given, is_listed
):
    if not is_listed:
        holds = holds - {"own", "own_legacy"}
    of_server = {name: KEYS[name] for name in ("server", "server_legacy") if name in holds}
    own = [KEYS[name] if name in holds else None for name in ("own", "own_legacy")]
    keyring = ring(
        *([known("ads", TOKEN, *own)] if is_listed else []), **of_server, has_legacy=True
    )
    is_known = is_listed and given == TOKEN
    is_let_in = is_known or not (is_listed and holds)
    if not is_let_in or (not given and (is_listed or not holds)):
        with pytest.raises(MissingKey):  # of which an unknown key is one kind
            keyring.identify(sent(given))
        return

    caller = keyring.identify(sent(given))

    for to in (caller.messages, caller.destination("forward")):
        assert to.credential.secret == expected(to.url, given, holds, is_listed=is_listed)
        assert (to.setting is None) is (to.credential.secret == given)
        assert to.instead in ([to.credential.fields] if holds else [None])
        digest = DIGESTER.caller(to.credential.secret)
        assert to.digest == (digest if to.credential.secret else None)


def test_whoever_is_not_there_is_asked_for_with_keys_of_ours_alone():
    keyring = ring(ADS, SEARCH, has_legacy=True)
    asked = {"digest": DIGESTER.caller(b"d"), "identity": b"i"}

    ads, search = (keyring.absent(name=name, **asked) for name in ("ads", "search"))

    assert (ads.messages.credential, ads.destination("forward").credential) == (
        key(ADS_KEY),
        NOTHING,
    )
    assert ads.destination("forward").setting == "legacy_key"
    assert search.messages.credential == NOTHING
    assert (search.name, search.digest, search.identity) == ("search", asked["digest"], b"i")


def test_what_is_held_is_known_by_the_setting_that_it_is_given_in():
    keyring = ring(known("a", b"t", ADS_KEY, OWN), SEARCH, server=SERVER, has_legacy=True)

    assert [(one.setting, one.secret) for one in keyring.held] == [
        ("upstream_key", SERVER),
        ("callers.a.upstream_key", ADS_KEY),
        ("callers.a.legacy_key", OWN),
    ]
    assert keyring.urls == {MESSAGES, LEGACY}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("https://h", "https://h/v1", True),
        ("https://h", "https://h:443", True),
        ("http://h", "http://h:80/", True),
        ("https://h", "http://h", False),
        ("https://h", "https://h:8443", False),
        ("https://h", "https://h.example", False),
        ("https://h", "https://h.", False),
        ("http://127.0.0.1:1", "http://[::1]:1", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one, other, is_same):
    assert (origin_of(one) == origin_of(other)) is is_same


def test_an_answer_is_about_the_key_or_about_the_request():
    statuses = [200, 302, 400, 401, 402, 403, 404, 407, 429, 500, 529]

    assert [status for status in statuses if refuses_key(status)] == [401, 402, 403]


@pytest.mark.parametrize("headers", [sent(b"token-ads"), [(b"authorization", b"Bearer token-ads")]])
def test_a_caller_has_its_name_however_it_sends_its_token(headers):
    caller = ring(ADS).identify(headers)

    assert (caller.name, caller.identity) == ("ads", b"ads")
    assert caller.digest == DIGESTER.caller(b"token-ads")


def test_a_name_can_be_asked_for_without_refusing_anybody():
    keyring = replace(ring(ADS), names={DIGESTER.caller(OWN): "old-app"})

    senders = [sent(b"token-ads"), sent(OWN), sent(b"sk-ant-stranger"), []]
    assert [keyring.name_of(headers) for headers in senders] == ["ads", "old-app", None, None]


@pytest.mark.parametrize(
    ("callers", "server", "refuses"),
    [
        ([], None, False),
        ([], SERVER, False),
        ([SEARCH], None, False),
        ([SEARCH], SERVER, True),
        ([ADS], None, True),
        ([SEARCH, ADS], None, True),
    ],
)
def test_strangers_are_refused_as_soon_as_there_is_a_key_of_ours_and_a_list(
    callers, server, refuses
):
    keyring = ring(*callers, server=server)

    assert keyring.refuses_strangers is refuses
    if refuses:
        with pytest.raises(UnknownKey, match="invalid x-api-key"):
            keyring.identify(sent(OWN))
        with pytest.raises(UnknownKey):
            keyring.for_other_paths(sent(OWN))
    else:
        assert keyring.identify(sent(OWN)).name is None


def test_who_sends_no_token_is_nobody_on_a_list():
    keyring = ring(SEARCH, server=SERVER)

    with pytest.raises(MissingKey):
        keyring.identify([])


def test_what_is_not_ours_to_replace_needs_no_key():
    as_it_comes = Destination(url=MESSAGES, credential=NOTHING, digest=None)

    assert ring().for_other_paths([]) == as_it_comes
    assert ring(SEARCH).for_other_paths([]) == as_it_comes


@pytest.mark.parametrize(
    "token", [b"token-ad", b"token-ads!", b"TOKEN-ADS", ADS.token_hash.encode(), ADS_KEY]
)
def test_what_only_looks_like_a_token_opens_nothing(token):
    with pytest.raises(UnknownKey):
        ring(ADS).identify(sent(token))


def test_of_two_entries_the_right_one_is_found_wherever_it_stands():
    entries = [known(f"c{n}", b"token-%d" % n, b"key-%d" % n) for n in range(20)]

    for n in range(20):
        caller = ring(*entries).identify(sent(b"token-%d" % n))

        assert (caller.name, caller.messages.credential) == (f"c{n}", key(b"key-%d" % n))


@pytest.mark.parametrize("server", [None, SERVER])
def test_a_caller_with_a_digest_has_a_name_and_is_a_stranger_otherwise(server):
    keyring = replace(ring(server=server), names={DIGESTER.caller(OWN): "old-app"})
    plain = ring(server=server).identify(sent(OWN))

    named = keyring.identify(sent(OWN))

    assert (named.name, named.identity) == ("old-app", b"old-app")
    assert (named.digest, named.messages) == (plain.digest, plain.messages)
    assert keyring.identify(sent(b"sk-ant-other")).name is None
    assert keyring.refuses_strangers is False


def test_a_token_goes_before_a_digest():
    keyring = replace(ring(SEARCH), names={DIGESTER.caller(b"token-search"): "old-app"})

    assert keyring.identify(sent(b"token-search")).name == "search"


def test_a_digest_without_its_request_has_a_name_too():
    digest = DIGESTER.caller(OWN)
    keyring = replace(ring(), names={digest: "old-app"})

    def absent(name):
        caller = keyring.absent(name=name, digest=digest, identity=b"as given")
        return caller.name, caller.identity

    assert absent(None) == ("old-app", b"old-app")
    assert absent("as-recorded") == ("as-recorded", b"as given")


def test_a_token_is_known_by_its_sha_256():
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert hash_token(b"abc") == expected


def test_no_secret_is_in_a_representation():
    keyring = ring(ADS, SEARCH, server=SERVER)
    caller = keyring.identify(sent(b"token-ads"))
    stranger = ring().identify(sent(OWN))

    values = (keyring, keyring.known, caller, stranger, caller.messages, stranger.messages)
    shown = repr(values) + pretty_repr(values)
    assert [s for s in (SERVER, ADS_KEY, OWN, b"token-ads") if s.decode() in shown] == []


def test_a_caller_is_found_by_name_or_by_digest():
    digest = DIGESTER.caller(OWN)
    keyring = replace(ring(ADS), names={digest: "old-app"})

    found = {name: keyring.named(name) for name in ("ads", "old-app", digest, "00", None)}

    assert [caller.name for caller in found.values()] == ["ads", "old-app", "old-app", None, None]
    assert found["old-app"].digest == digest
    assert found["00"].digest == "00"
