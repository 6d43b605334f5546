"""
Values that are secret because of their names: `password=`, `"api_key":`, `my password is`.

One expression describes how a value follows its name in shells, code, JSON, YAML, XML, URLs
and prose. The looks of the value then decide if it is a secret, a mere word of
the sentence, or a reference to a secret elsewhere.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from proxy.security.sensitive.kinds import (
    MAX_INSPECTED_LENGTH,
    Confirm,
    Kind,
    Span,
    accept_secret,
    inspected_part,
)
from proxy.security.sensitive.values import (
    is_code,
    is_generated,
    is_placeholder,
    is_strange,
    is_strong,
    is_template,
)

_LINK: Final = (
    # The end of a quoted name; a remark in brackets; "for", "of" and what the secret is for.
    r"(?:\\{0,3}[\"'`]\]?)?(?:\s?[(\[][^()\[\]\n]{1,24}[)\]])?"
    r"(?:\s(?:for|of|to|on|pour|für|de|del|van|para|di)"
    r"(?:\s(?![^\s:=]{0,12}(?i:pass|token|secret|key))[^\s:=,;.]{1,24}){1,4}?)?"
    # An equals sign or colon, perhaps after a type; a field `value`; a call; a verb; only spaces.
    r"(?P<link>[ \t]{0,4}(?::[ \t]{0,2}(?:str|[sS]tring|SecretStr|bytes)[ \t]{0,2})?"
    r"(?:=>|:=|=(?![=~>])|[:\uff1a](?![:=])|(?<!-)>)[ \t]{0,4}"
    r"|,?\s{0,24}\\?[\"']?value\\?[\"']?\s{0,2}[:=]\s{0,2}"
    r"|\((?=[\"'])"
    r"|\s?[は是为]\s?"
    r"|\s(?i:is|was|lautet|ist|est|es|é|è)(?:\s?:)?\s{1,3}"
    r"|[ \t]{1,3})"
)
_VALUE: Final = (
    r"(?:[brufBRUF@]{1,2}(?=[\"'`]))?(?:"
    rf"\\{{1,3}}[\"'](?P<escaped>[^\"'\\\n]{{1,{MAX_INSPECTED_LENGTH}}}+)"
    rf"|\"(?P<double>(?:[^\"\\\n]|\\.){{1,{MAX_INSPECTED_LENGTH}}}+)"
    rf"|'(?P<single>(?:[^'\\\n]|\\.){{1,{MAX_INSPECTED_LENGTH}}}+)"
    rf"|`(?P<back>[^`\n]{{1,{MAX_INSPECTED_LENGTH}}}+)"
    rf"|(?P<word>(?:[^\s\"'`<>,;&|\\:]{{1,{MAX_INSPECTED_LENGTH}}}+"
    r"|:(?!//)|&(?![A-Za-z_][\w.-]{0,32}=)|\\(?![\"'\\])){1,32}+))"
)
_REST: Final = re.compile(r"[^\s\"'`<>\\]++")
_COMMON_WORD: Final = re.compile(
    r"(?i:none|null|nil|true|false|yes|no|on|off|undefined|empty|missing|required|optional"
    r"|mandatory|string|str|text|char|varchar|bytes|bool(?:ean)?|int|object|any|type|values?|input|data|field"
    r"|form|label|hidden|masked|encrypted|hashed|plain(?:text)?|(?:in)?valid|(?:in)?correct|wrong"
    r"|expired|weak|strong|example|sample|test|default|secure|and|or|but|the|this|that|with|from"
    r"|for|not|must|should|can(?:not)?|unknown|unset|disabled|enabled|prompt|login|user(?:name)?"
    r"|root|here|below|above|only)"
)
_SENTENCE: Final = re.compile(
    r"\b(?i:enter|your|please|must|the|is|are|a|an|new|confirm|required|invalid|forgot|reset"
    r"|current|to|and|or|for|of)\b"
    # A question, a label, or the scheme of a place where the value is kept: `env:DB_PASSWORD`.
    r"|\b[^\W\d_]++[?:](?:\s|\Z)|\A[A-Za-z][A-Za-z+.-]*+:"
)
_VALUE_END: Final = re.compile(r"[ \t]*(?:\Z|[\n\r#])|[&;\"'}<\]`]")
_VARIABLE: Final = re.compile(r"[A-Za-z]++(?:_[A-Za-z]++)++")
_LIKE_ITS_NAME: Final = re.compile("(?i:pass|pwd|token|secret|key|phrase)")
_NAME_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_HARMLESS_QUALIFIER: Final = re.compile(
    "(?i:page|next|prev|previous|forward|backward|continuation|cursor|marker|resume|sync|request"
    "|idempotency|lock|stop|eos|bos|pad|unk|mask|sep|cls|special|max|min|num|new|public|key)"
)
"""Matches words before "token" or "key" that mean no credential, as in `next_page_token`."""


class _Value(NamedTuple):
    """A possible value of a name, and the text around it."""

    text: str
    span: Span
    link: str
    before: str
    after: str
    is_quoted: bool

    @classmethod
    def of(cls, found: re.Match[str]) -> _Value:
        group, whole = str(found.lastgroup), found.string
        text, start = found[group], found.start(group)
        if group == "word":
            text = text.rstrip(".:?]}" if "(" in text else ".:?)]}")
        end = start + len(text)
        before = whole[max(found.start() - 33, 0) : found.start()]
        after = whole[end : end + 8]
        return cls(text, (start, end), found["link"], before, after, group != "word")

    @property
    def is_reference(self) -> bool:
        """True for a template, a placeholder or code in place of a secret."""
        if is_template(self.text) or is_placeholder(self.text):
            return True
        return not self.is_quoted and is_code(self.text)

    @property
    def is_linked(self) -> bool:
        """True if a sign or a verb links the value to the name; otherwise it may be any word."""
        link = self.link.strip()
        if link == ">":  # the end of a tag, or of something else
            return self.after.startswith("<")
        return bool(link) or self.before.rpartition(" ")[2].startswith("-")

    @property
    def is_assigned(self) -> bool:
        """True for an assignment or argument in code or settings."""
        return self.link.strip() in {"=", ":=", "=>"} or self.link == "("

    @property
    def is_stated(self) -> bool:
        """True if a verb links name and value, as in "the password is"."""
        return self.link.strip()[:1].isalpha() and "value" not in self.link

    @property
    def is_last(self) -> bool:
        """True if neither a sentence nor code goes on after the value."""
        is_tight = self.link == "=" and self.after[:1].isspace()
        return is_tight or (self.link != " = " and _VALUE_END.match(self.after) is not None)


def _value_span(value: _Value, found: re.Match[str]) -> Span:
    # The expression matches only the beginning of a very long value.
    start, end = value.span
    if end - start >= MAX_INSPECTED_LENGTH and (rest := _REST.match(found.string, end)):
        end = rest.end()
    return start, end


def _confirm_password(found: re.Match[str], _: int) -> Span | None:
    """Confirm a password: people choose them, so it may be a word."""
    value = _Value.of(found)
    if len(value.text) < _MIN_LENGTH or value.is_reference:
        return None
    if value.is_linked:
        is_one = _is_password(value)
    else:
        is_one = not value.link.strip() and is_strange(value.text)
    return _value_span(value, found) if is_one else None


def _confirm_pass(found: re.Match[str], free: int) -> Span | None:
    """Confirm a password after the name "pass", which may be a verb without `=`, `:` or `>`."""
    return _confirm_password(found, free) if _ASSIGNMENT.search(found["link"]) else None


def _is_password(value: _Value) -> bool:
    text = value.text
    if _COMMON_WORD.fullmatch(text) or _VARIABLE.fullmatch(text):
        return False
    if text.replace("-", "").isalpha() and _LIKE_ITS_NAME.search(text):
        return False
    if value.is_quoted:
        return _SENTENCE.search(text) is None
    if text.isdigit() or text.isalpha():
        return value.is_last and not value.is_stated
    return is_strong(text)


def _confirm_generated(least: int, *, even_next: bool = False) -> Confirm:
    """Confirm a token or key: machines generate them, so it is never a word."""

    def confirm(found: re.Match[str], _: int) -> Span | None:
        value = _Value.of(found)
        is_one = is_generated(value.text, least if value.is_linked else _MIN_UNLINKED_LENGTH)
        is_one = is_one or (value.is_assigned and _NUMBERED.fullmatch(value.text) is not None)
        if not is_one or not (value.is_linked or even_next) or value.is_reference:
            return None
        words = _NAME_WORD.findall(value.before)
        opens_nothing = words and _HARMLESS_QUALIFIER.fullmatch(words[-1])
        return None if opens_nothing else _value_span(value, found)

    return confirm


def _confirm_session(found: re.Match[str], free: int) -> Span | None:
    """Confirm a session's key, but no UUID: those are mere names of things."""
    span = _confirm_generated(8 if found["link"] == "=" else 16)(found, free)
    return None if span is None or _UUID.fullmatch(found.string, *span) else span


def _confirm_random(found: re.Match[str], _: int) -> Span | None:
    return accept_secret(found) if is_generated(inspected_part(found, "secret"), 16) else None


def _confirm_command_password(found: re.Match[str], _: int) -> Span | None:
    value = inspected_part(found, "secret")
    return None if is_placeholder(value) or is_code(value) else found.span("secret")


_NUMBERED: Final = re.compile(r"(?=.{8})[A-Za-z]++\d{2,4}")
_ASSIGNMENT: Final = re.compile("[=:>]")
_MIN_LENGTH: Final = 4
_MIN_UNLINKED_LENGTH: Final = 20
_UUID: Final = re.compile(r"(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_KEY_QUALIFIERS: Final = (
    "api|app|access|account|auth|authentication|private|encryption|signing|master|subscription"
    "|service|storage|license|secret|webhook|hmac|crypto|jwt|deploy|admin|client|application"
    "|consumer|integration|server|security"
)
_KEYS: Final = "|".join(
    rf"(?<={what}key)|(?<={what}[ _-]key)" for what in _KEY_QUALIFIERS.split("|")
)
_TAIL: Final = r"(?:[ _-]?(?:\d{1,4}|(?i:base|prod|dev|test|staging|live|string|raw)))?"
"""Matches an optional end of a name: a number, or a word such as `_base` or `_prod`."""

NAMED: Final = (
    Kind(
        "password",
        "password",
        r"(?i:w(?:or[dt]|d)s?|[ _-]?phrase|[ _-]?code)"
        r"(?:[ _-]?(?i:confirm(?:ation)?|repeat|again|old|new|current|plain))?"
        rf"{_TAIL}{_LINK}{_VALUE}",
        words=("pass",),
        confirm=_confirm_password,
        examples=(
            "username=bob&password=«hunter2»&submit=1",
            "my password is «Tr0ub4dor&3»",
            'passphrase: "«correct horse battery staple»"',
            "DB_PASSWORD=«wintermute» run",
            '{"password": "«qwertz-9981»"}',
            'password = "«p?ss:w0rd9»"',
            "password: '«hunter2?»'",
            '{\\"password\\":\\"«m@ster-K3y»\\"}',
            "<password>«aBcD1234»</password>",
            "mysql --password «kX9_pl2m» shop",
            "- name: DB_PASSWORD\n  value: «hunter2»",
        ),
        innocents=(
            "password = getpass()",
            "password = os.environ['PASSWORD']",
            "def login(user: str, password: str) -> bool",
            "the password is required and case-sensitive",
            "password: string, required",
            "password: 8-16 characters",
            "forgot your password: click on the link",
            "password=<your-password>",
            "http://<username>:<password>@proxy-1",
            "password: bool | None = False",
            '"password": "EXAMPLE-PASSWORD"',
            "$PASSWORD = $CPAN::Config->{password}",
            "password: ********",
            "PASSWORD=${DB_PASSWORD}",
            '"password": "Enter your password"',
            '"password": "Passwort?"',
            'password: "env:DB_PASSWORD"',
            "--password-stdin",
        ),
    ),
    Kind(
        "password in short",
        "password",
        rf"(?:(?<![A-Za-z](?i:pass))|(?<=[a-z]Pass))(?![A-Za-z]){_TAIL}{_LINK}{_VALUE}",
        words=("pass",),
        confirm=_confirm_pass,
        examples=("DB_PASS=«winter_mute7»", "dbPass: '«hunter2»'"),
        innocents=("compass=north1234", "tests pass: 128", 'should_pass("hunter2")', "pass nact-2"),
    ),
    Kind(
        "password in other words",
        "password",
        rf"(?i:(?<=contrase)[nñ]a)?{_TAIL}{_LINK}{_VALUE}",
        words=(
            "pwd",
            "kennwort",
            "mot de passe",
            "contrase",
            "senha",
            "wachtwoord",
            "identified by",
            "пароль",
            "密码",
            "密碼",
            "パスワード",
            "비밀번호",
        ),
        confirm=_confirm_password,
        examples=(
            "Kennwort: «S0mmer2024!»",
            "la contraseña es «gato_negro7»",
            "pwd=«hunter22»",
            "IDENTIFIED BY '«s3cur3-pw»'",
        ),
        innocents=("PWD=/home/jo/src", "pwd && ls"),
    ),
    Kind(
        "secret",
        "key",
        rf"(?i:(?:[ _-]?access)?(?:[ _-]?(?:key|token|value))?(?:[_-]base)?){_TAIL}{_LINK}{_VALUE}",
        words=("secret",),
        confirm=_confirm_generated(8, even_next=True),
        examples=(
            "client_secret=«0f1e2d3c4b5a6978»",
            "client_secret=«mysecretvalue123»",
            "aws_secret_access_key «aB3dE5fG7hJ9+/kL1mN2pQ4rS6»",
            'SECRET_KEY = "«dj4ng0-1ns3cur3-a1b2c3»"',
        ),
        innocents=(
            "secret: ${{ secrets.TOKEN }}",
            "secret_name: tls-certificate-2024",
            "the secret: bake it for 1hour",
        ),
    ),
    Kind(
        "token",
        "key",
        rf"(?i:[ _-]?(?:value|secret))?{_TAIL}{_LINK}{_VALUE}",
        words=("token",),
        confirm=_confirm_generated(8, even_next=True),
        examples=(
            "X-Auth-Token: «0f1e2d3c4b5a6978»",
            "access_token=«aB3dE5fG7hJ9»&page=2",
            "the token «aB3dE5fG7hJ9kL1mN2pQ4rS6» works",
        ),
        innocents=(
            "token: str",
            "token = tokenizer.decode(ids[0])",
            "max_tokens: 1024",
            "next_page_token=CAUQAA12bc34",
            '{"token": "Hello"}',
        ),
    ),
    Kind(
        "key",
        "key",
        rf"(?i:{_KEYS}|(?<=[?&]key))s?{_TAIL}{_LINK}{_VALUE}",
        words=("key",),
        confirm=_confirm_generated(8, even_next=True),
        examples=(
            "X-API-Key: «0f1e2d3c4b5a6978»",
            "AccountKey=«aB3dE5fG7hJ9+/kL1mN2pQ4rS6==»",
            "our API key is «aB3dE5fG7hJ9»",
        ),
        innocents=(
            "api_key = os.getenv('API_KEY')",
            'api_key = "YOUR_API_KEY"',
            "cache-key: node-3f786850e387550f",
            "keyboard: qwertz-de-2",
        ),
    ),
    Kind(
        "signature",
        "key",
        rf"(?i:nature)?(?P<link>=){_VALUE}",
        words=("sig",),
        confirm=_confirm_generated(16),
        examples=("?sv=2022&sig=«aB3dE5fG7hJ9kL1mN2pQ4rS6%3D»",),
        innocents=("signature=none",),
    ),
    Kind(
        "credential",
        "key",
        rf"{_LINK}{_VALUE}",
        words=("creds", "credentials", "appid", "_auth"),
        confirm=_confirm_generated(8),
        examples=("appid=«0f1e2d3c4b5a69788796a5b4c3d2e1f0»", "_auth=«YWRtaW46aHVudGVyMjI=»"),
    ),
    Kind(
        "personal access token",
        "key",
        r"[\"']?\s{0,2}[=:]\s{0,2}[\"']?(?P<secret>[A-Za-z0-9]{20,}+)",
        words=("_pat",),
        confirm=_confirm_random,
        examples=("AZURE_DEVOPS_EXT_PAT=«ab3de5fg7hj2kl4mn6pq7rs»",),
        innocents=('HEX_PAT = "[0-9A-Fa-f]{1,4}"',),
    ),
    Kind(
        "key given to a client",
        "key",
        r"[\"'](?P<secret>[A-Za-z0-9_-]{32,}+)[\"']",
        words=("client(",),
        confirm=_confirm_random,
        examples=('cohere.Client("«aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYaB3d»")',),
        innocents=('Client("the-name-of-a-client-of-some-length")',),
    ),
    Kind(
        "session",
        "key",
        rf"(?i:(?:ion)?[ _-]?(?:id|key|cookie)?){_LINK}{_VALUE}",
        words=("sess",),
        confirm=_confirm_session,
        examples=("PHPSESSID=«0f1e2d3c4b5a69788796a5b4c3»",),
        innocents=("session: 3 of 12", "session_id=550e8400-e29b-41d4-a716-446655440000"),
    ),
    Kind(
        "session in short",
        "key",
        rf"(?<![^\W_]sid)(?P<link>=){_VALUE}",
        words=("sid",),
        confirm=_confirm_generated(16),
        examples=("connect.sid=«s%3Aab3de5fg7hj9kl1mn2pq4rs6»",),
        innocents=("sid=none",),
    ),
    Kind(
        "name and password for a command",
        "password",
        r"[ \t]{1,4}[\"']?[^\s:\"']{1,64}:(?P<secret>(?![0-9/]+(?![^\s/]))[^\s\"'/]{4,}+)(?!/)",
        words=(" -u", " --user"),
        confirm=_confirm_command_password,
        examples=(
            "curl -u admin:«P@ss-2024» https://nexus.example.com",
            "curl --user 'api:«hunter22»' x",
        ),
        innocents=(
            "docker run -u 1000:1000 image",
            "git push -u origin",
            "curl -u admin:$PASSWORD x",
        ),
    ),
    Kind(
        "password for a command",
        "password",
        r"(?:(?<=sshpass)[ \t]{1,4}-p[ \t]{0,4}"
        r"|(?<=mysql)(?:dump|admin|import)?[ \t][^\n]{0,80}?[ \t]-p)"
        r"[\"']?(?P<secret>[^\s\"']{4,}+)",
        words=("sshpass", "mysql"),
        confirm=_confirm_command_password,
        examples=("sshpass -p «tiger_1987» ssh root@build", "mysql -u root -p«tiger_1987» shop"),
        innocents=("sshpass -p $PASSWORD ssh", "mysql -u root -p shop"),
    ),
)
