import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from proxy.endpoints.admin_token import AdminToken, WrongTokenLimiter
from proxy.errors import MissingKey

TOKEN = "a-token,with=signs/in+it=="
GIVEN = TOKEN.encode()


@pytest.mark.parametrize(
    ("headers", "opens", "is_in"),
    [
        ([(b"authorization", b"Bearer " + GIVEN)], True, True),
        ([(b"authorization", b"bearer   " + GIVEN + b" ")], True, True),
        ([(b"authorization", b"Bearer x"), (b"authorization", b"Bearer " + GIVEN)], False, True),
        ([(b"authorization", GIVEN)], False, True),
        ([(b"authorization", b"Token " + GIVEN)], False, True),
        ([(b"authorization", b"Bearer x, Bearer " + GIVEN)], False, True),
        ([(b"x-api-key", GIVEN)], False, True),
        ([(b"x-api-key", b"Bearer " + GIVEN)], False, True),
        ([(b"x-api-key", b"x"), (b"x-api-key", b" " + GIVEN)], False, True),
        ([(b"x-api-key", b"x, " + GIVEN)], False, True),
        ([(b"x-api-key", GIVEN + b", x")], False, True),
        ([(b"api-key", GIVEN)], False, True),
        ([(b"x_api_key", GIVEN)], False, True),
        ([(b"authorization", b"Bearer " + GIVEN[:-1])], False, False),
        ([(b"authorization", b"Bearer " + GIVEN.upper())], False, False),
        ([(b"authorization", b"Bearer")], False, False),
        ([(b"authorization", b"")], False, False),
        ([(b"x-other", GIVEN)], False, False),
        ([], False, False),
    ],
)
def test_the_token_opens_as_a_bearer_token_and_is_known_wherever_keys_are(headers, opens, is_in):
    token = AdminToken(SecretStr(TOKEN))

    assert (token.opens(headers), token.is_in(headers)) == (opens, is_in)


@pytest.mark.parametrize("joined", [b",", b", ", b" "])
@pytest.mark.parametrize("name", [b"proxy-authorization", b"x-api-key", b"authorization"])
def test_a_request_has_no_room_for_a_list_of_guesses(name, joined):
    token = AdminToken(SecretStr(TOKEN))
    guesses = [b"guess-%d" % number for number in range(180)]

    with pytest.raises(MissingKey, match="too many credentials"):
        token.is_in([(name, joined.join([*guesses, GIVEN]))])
    with pytest.raises(MissingKey, match="too many credentials"):
        token.is_in([(name, guess) for guess in [*guesses, GIVEN]])
    assert not AdminToken(None).is_in([(name, joined.join(guesses))])


def test_a_key_and_a_token_twice_are_few_enough():
    twice = [(b"x-api-key", b"key, another"), (b"authorization", b"Bearer one, Bearer two")]

    assert not AdminToken(SecretStr(TOKEN)).is_in(twice)


def test_a_token_that_there_is_not_is_nowhere():
    token = AdminToken(None)

    assert not token.exists
    assert not token.is_in([(b"x-api-key", b""), (b"authorization", b"Bearer ")])


class Clock:
    """Stands still until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_after_ten_wrong_tries_of_one_peer_it_has_to_wait_and_others_have_not():
    clock = Clock()
    tries = WrongTokenLimiter(clock)

    answers = [tries.add("one") for _ in range(11)]
    clock.now += 59.5
    late = [tries.add("one"), tries.add("other")]
    clock.now += 0.5

    assert answers == [*[None] * 10, 60]
    assert late == [1, None]
    assert tries.add("one") is None


def test_after_a_hundred_wrong_tries_everybody_has_to_wait():
    tries = WrongTokenLimiter(Clock())

    answers = [tries.add(str(peer)) for peer in range(101)]

    assert answers == [*[None] * 100, 60]


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 20)), max_size=400))
def test_no_more_is_remembered_than_what_is_let_through(tries: list[tuple[int, float]]):
    clock = Clock()
    wrong = WrongTokenLimiter(clock)
    let_through: list[tuple[float, int]] = []

    for peer, pause in tries:
        clock.now += pause
        if wrong.add(str(peer)) is None:
            let_through.append((clock.now, peer))

        last_minute = [who for when, who in let_through if when > clock.now - 60]
        assert len(last_minute) <= 200
        assert max(map(last_minute.count, last_minute), default=0) <= 20
        assert len(wrong._tries) <= 100
