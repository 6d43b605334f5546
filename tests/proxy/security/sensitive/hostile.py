"""Texts that are hostile to each row of the table: beginnings, and what is all but an example."""

from collections.abc import Iterator

from proxy.security.sensitive import Kind

COMMON = (
    *("a", "1", "12 ", "1234 ", "4111 ", "4111-1111-", "1 ", "+1 ", "(1", "1.", "1.1.1.1 ", "00 "),
    *("@", "a@", "a@b.", "a@b.c@", "%40", "%2540", "%25", "&#64;a", "\\u0040", '"@', "\\", "\\n"),
    *(":", "::", "a:", "1:", "://", "://a:", "/", "=", "-", "_", ".", ".a", " ", "\n", "\t", '"'),
    *("eyJ", "eyJ.", "eyJaaaaaaaa.", "AA00", "DE12 ", "A1", "aB3", "0f", "x", "\u00e9", "\u0130"),
    *("the key is the token of the secret ", "password for a b c d e ", "pass word ", "key ("),
    *('{"api_key": "', 'password="', "token='", 'secret=\\"', "key[", "password=a&", "token: a "),
    *("password=password", "-----BEGIN ", "-----BEGIN RSA PRIVATE KEY-----\n", "bearer ", "sk-"),
)


LINKS = ("a", "=", ": ", " ", '": "', " is ", "=" + "A1" * 9)


def hostile_to(kind: Kind) -> Iterator[str]:
    """What is repeated to make a text that it has to look at again and again."""
    yield from (start + more for start in kind.starts[:2] for more in ("", "A1" * 20 + " "))
    yield from (*kind.words, *kind.needs)
    yield from (word + link for word in (*kind.words, *kind.needs)[:1] for link in LINKS)
    for example in kind.examples[:4]:
        written = example.replace("«", "").replace("»", "")
        yield from (written[:-1] + "!", "!" + written[1:])
        yield from (written[: 1 + len(written) * share // 8] for share in (2, 4, 6))


def filled(part: str, size: int) -> str:
    return (part * (size // len(part) + 1))[:size]
