import pytest
from rich.pretty import pretty_repr

from proxy.failures import MissingKey, UnknownKey
from proxy.headers import Credential
from proxy.keys import Caller, Keyring, KnownCaller, hash_token
from proxy.redaction import Digester

DIGESTER = Digester("k")
SERVER, ADS_KEY, OWN = b"sk-ant-server", b"sk-ant-ads", b"sk-ant-own"


def known(name, token, upstream_key=None):
    return KnownCaller(name=name, token_hash=hash_token(token), upstream_key=upstream_key)


ADS, SEARCH = known("ads", b"token-ads", ADS_KEY), known("search", b"token-search")


def ring(*callers, server=None):
    return Keyring(digester=DIGESTER, known=callers, upstream_key=server)


def sent(secret):
    return [(b"host", b"h"), (b"x-api-key", secret)]


def key(secret):
    return Credential(b"x-api-key", secret, secret)


def test_without_keys_of_ours_a_client_s_own_is_passed_through():
    caller = ring().identify(sent(OWN))

    assert caller == Caller(
        name=None,
        digest=DIGESTER.caller(OWN),
        key=DIGESTER.caller(OWN),
        identity=OWN,
        credential=key(OWN),
        instead=None,
    )


def test_a_bearer_token_is_passed_through_as_one():
    caller = ring().identify([(b"authorization", b"Bearer t")])

    assert caller.credential == Credential(b"authorization", b"Bearer t", b"t")
    assert caller.digest == DIGESTER.caller(b"t")


def test_a_request_without_a_key_is_refused():
    with pytest.raises(MissingKey, match="x-api-key header is required"):
        ring().identify([])


@pytest.mark.parametrize("headers", [[], [(b"x-api-key", b"")], sent(OWN)])
def test_the_server_s_key_alone_serves_everybody(headers):
    keyring = ring(server=SERVER)

    assert keyring.identify(headers).credential == key(SERVER)
    assert keyring.instead_of(headers) == key(SERVER)


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

    assert caller.credential == key(upstream or token)
    assert caller.instead == (key(upstream) if upstream else None)
    assert keyring.instead_of(sent(token)) == caller.instead


@pytest.mark.parametrize("headers", [sent(b"token-ads"), [(b"authorization", b"Bearer token-ads")]])
def test_a_caller_has_its_name_however_it_sends_its_token(headers):
    caller = ring(ADS).identify(headers)

    assert (caller.name, caller.identity) == ("ads", b"ads")
    assert caller.digest == DIGESTER.caller(b"token-ads")


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
            keyring.instead_of(sent(OWN))
    else:
        assert keyring.identify(sent(OWN)).name is None


def test_who_sends_no_token_is_nobody_on_a_list():
    keyring = ring(SEARCH, server=SERVER)

    with pytest.raises(MissingKey):
        keyring.identify([])


def test_what_is_not_ours_to_replace_needs_no_key():
    named = KnownCaller(name="n", token_hash=hash_token(b"t"), upstream_key=None)

    assert ring().instead_of([]) is None
    assert ring(named).instead_of([]) is None


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

        assert (caller.name, caller.credential) == (f"c{n}", key(b"key-%d" % n))


def test_a_token_is_known_by_its_sha_256():
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert hash_token(b"abc") == expected


def test_no_secret_is_in_a_representation():
    keyring = ring(ADS, SEARCH, server=SERVER)
    caller = keyring.identify(sent(b"token-ads"))
    stranger = ring().identify(sent(OWN))

    values = (keyring, keyring.known, caller, stranger, caller.credential, stranger.credential)
    shown = repr(values) + pretty_repr(values)
    assert [s for s in (SERVER, ADS_KEY, OWN, b"token-ads") if s.decode() in shown] == []
