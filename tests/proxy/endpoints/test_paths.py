import ntpath
import posixpath
import re
import sys
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.endpoints.paths import is_completion_path, is_own_page, read_path, without_prefix
from proxy.errors import NotForwardable

BASE = "/base/of/all"


def plainly(text: str) -> str:
    return text


def in_unicode(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def in_best_fit(text: str) -> str:
    return in_unicode(text.translate(str.maketrans("\u2044\u2215\u2216", "//\\")))


def with_wide_escapes(text: str) -> str:
    return re.sub("(?i)%u00(..)", r"%\1", text)


def with_overlong_utf_8(text: str) -> str:
    return re.sub("(?i)%c0%af", "/", re.sub("(?i)%c0%ae", ".", text))


def trimmed(text: str) -> str:
    return re.sub(r"\s*(/|\\|\Z)\s*", r"\1", text)


WAYS = (plainly, in_unicode, in_best_fit, with_wide_escapes, with_overlong_utf_8, trimmed)


def resolve(path: str, decodings: int, fold: Callable[[str], str], separators: str) -> str:
    """Where a server that reads a path this way goes with it."""
    path = fold(path)
    for _ in range(decodings):
        path = fold(unquote(path, errors="surrogateescape"))
    path = re.split(r"[?#]", path)[0]
    if separators == "\\/":
        return ntpath.normpath(path).replace("\\", "/")
    return posixpath.normpath(path)


def without_parameters(path: str) -> str:
    return re.sub(r";[^/\\]*", "", path)


PIECES = st.sampled_from(
    [
        *("/", "\\", "%2f", "%5C", "%252F", "%255c", "/", "/", "/"),
        *(".", "..", "%2e", "%2E%2e", "%252e", "%25252e", ".%2e", "%u002e", "\uff0e", "%EF%BC%8E"),
        *(";", "%3b", "?", "%3F", "#", "%23", " ", "%20", "%", "25", "2", "e", "%00", "%0a"),
        *(
            "%c0%ae",
            "%c0%af",
            "%e2%80%a5",
            "\u2025",
            "%ff",
            "\uff05",
            "\u2215",
            "\u2044",
            "\u2216",
            "%E2%88%95",
        ),
        *("a", "v1", "files", "holdover", "...", "report...pdf", ".well-known"),
    ]
)
TARGETS = st.lists(PIECES, max_size=14).map(lambda pieces: "/" + "".join(pieces))


@given(TARGETS)
@example("/..%2f..%2fadmin")
@example("/v1/%252e%252e/%252e%252e/%252e%252e/x")
@example("/v1/..;/..;/..;/x")
@example("/v1\\..\\..\\..\\x")
@example("/v1/\uff0e\uff0e/\u2025/\uff05252e./x")
@example("/v1/.%20/..%20/../x")
def test_no_server_that_reads_a_path_leaves_the_base_with_it(target: str):
    try:
        path = read_path(target.encode())
    except NotForwardable:
        return

    assert path.raw == target.encode()
    for spelled in (target, without_parameters(target), without_parameters(unquote(target))):
        for decodings in range(5):
            for fold in WAYS:
                for separators in ("/", "\\/"):
                    place = resolve(BASE + spelled, decodings, fold, separators)
                    assert place == BASE or place.startswith(f"{BASE}/"), (decodings, separators)


@given(st.lists(st.sampled_from("/%25fFcC.eEaAvV1;\\"), max_size=40).map("".join))
def test_reading_decodes_until_nothing_is_left_to_decode(tail: str):
    try:
        path = read_path(f"/{tail}".encode())
    except NotForwardable:
        return

    assert unquote(path.plain) == path.plain


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30))
def test_a_name_that_was_encoded_once_is_that_name(name: str):
    """Unless it is a name that no server can be given."""
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())
    try:
        path = read_path(b"/v1/files/" + encoded.encode())
    except NotForwardable:
        assert re.search(r"(\A|[/\\])\s*\.{1,2}\s*([/\\;?#]|\Z)|%", in_best_fit(name))
        return

    if "%" not in in_best_fit(name):
        assert in_best_fit(path.plain) == in_best_fit(f"/v1/files/{name}")


@pytest.mark.without_coverage
def test_every_lookalike_of_a_sign_that_matters_is_known():
    signs = set("./\\%;?#")
    alike = [
        sign
        for sign in map(chr, range(0x80, sys.maxunicode + 1))
        if unicodedata.category(sign) != "Cs" and set(unicodedata.normalize("NFKC", sign)) <= signs
    ]

    assert len(alike) > 15
    for sign in alike:
        assert read_path(f"/a{sign}b".encode()).plain == f"/a{unicodedata.normalize('NFKC', sign)}b"


@pytest.mark.parametrize("depth", range(12))
def test_decoding_ends(depth: int):
    encoded = b"%" + b"25" * depth + b"41"

    if depth < 4:
        assert read_path(b"/" + encoded).plain == "/A"
    else:
        with pytest.raises(NotForwardable, match="percent-encode it once"):
            read_path(b"/" + encoded)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"*", "path: it must start with /, as this proxy serves one upstream only"),
        (b"", "path: it must start with /, as this proxy serves one upstream only"),
        (b"other:443", "path: it must start with /, as this proxy serves one upstream only"),
        (b"/a/../b", "path: leave out `.` and `..`"),
        (b"/a%0d%0ab", "path: leave out control characters"),
        (b"/a%c2%85b", "path: leave out control characters"),
        (b"/caf%e9", "path: percent-encode it as UTF-8"),
        (b"/caf\xe9", "path: percent-encode it as UTF-8"),
    ],
)
def test_what_is_refused_says_why(raw: bytes, problem: str):
    with pytest.raises(NotForwardable) as told:
        read_path(raw)

    assert str(told.value) == problem


@pytest.mark.parametrize(
    ("raw", "rest"),
    [
        (b"/my/app/v1/complete", b"/v1/complete"),
        (b"/my/app//v1", b"//v1"),
        (b"/my/app", b"/"),
        (b"/my/app/", b"/"),
        (b"/m%79/app/v1", b"/v1"),
        (b"/v1/my/app", b"/v1/my/app"),
        (b"/my/apple/v1", b"/my/apple/v1"),
        (b"/my%2Fapp/v1", b"/my%2Fapp/v1"),
        (b"/MY/app/v1", b"/MY/app/v1"),
        (b"*", b"*"),
        (b"", b""),
    ],
)
def test_a_prefix_is_taken_off_where_it_is_one(raw: bytes, rest: bytes):
    assert without_prefix(raw, "/my/app") == rest


@pytest.mark.parametrize("raw", [b"/v1/x", b"/", b"//", b"*", b"/%2F", b""])
def test_without_a_prefix_nothing_is_taken_off(raw: bytes):
    assert without_prefix(raw, "") == raw


@pytest.mark.parametrize(
    ("raw", "is_one"),
    [
        *(
            (raw, True)
            for raw in (b"/v1/complete", b"//v1//complete", b"/v1/v1/complete/", b"/complete")
        ),
        *((raw, True) for raw in (b"/v1%2Fcomplete", b"/v1/c%256fmplete", b"/V1\\Complete;a=b")),
        *((raw, False) for raw in (b"/x/complete", b"/v1/v1/v1/complete", b"/v1/complete/x")),
        *((raw, False) for raw in (b"/v1/completes", b"/v2/complete", b"/v1/incomplete")),
    ],
)
def test_a_completion_path_is_known_however_it_is_spelled(raw: bytes, is_one: bool):
    assert is_completion_path(read_path(raw)) == is_one


@pytest.mark.parametrize(
    ("raw", "is_one"),
    [
        *((raw, True) for raw in (b"/holdover", b"/HOLDOVER/", b"//holdover/x", b"/v1/holdover")),
        *((raw, True) for raw in (b"/%68oldover", b"/%2568oldover/", b"/holdover;x/lessons")),
        *(
            (raw, True)
            for raw in (b"/my/App/v1/holdover", b"/MY/app/readyz", b"/\\metrics%20", b"/Healthz")
        ),
        *(
            (raw, False)
            for raw in (b"/", b"/v1", b"/v1/models/holdover", b"/holdovers", b"/my/holdover")
        ),
    ],
)
def test_what_reads_like_a_page_of_ours_is_known(raw: bytes, is_one: bool):
    assert is_own_page(read_path(raw), "/my/app") == is_one
