"""
The clients of the matrix, and what a person's program sees when it uses one of them.

`Client.ask` runs a program of `programs/` in the client's own environment, as a process of its
own, and returns what it printed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import pytest

from tests.clients.environments import HERE, NodeEnvironment, PythonEnvironment
from tests.waiting import PATIENCE_SECONDS

KEY: Final = "sk-ant-api03-matrix"
INVALID_KEY: Final = "sk-ant-api03-invalid"
HELLO: Final = "\n\nHuman: Hello\n\nAssistant:"
REQUEST: Final[Mapping[str, Any]] = {
    "model": "claude-2.1",
    "prompt": HELLO,
    "max_tokens_to_sample": 300,
}
_PATIENCE_MILLISECONDS: Final = 3_500  # three of the endless retries of TypeScript 0.4

Way = Literal["whole", "streamed", "async whole", "async streamed", "raw whole", "raw streamed"]
Call = dict[str, Any]

_PLAIN: Final[tuple[Way, ...]] = ("whole", "streamed")
_ASYNC: Final[tuple[Way, ...]] = ("async whole", "async streamed")
_RAW: Final[tuple[Way, ...]] = ("raw whole", "raw streamed")


class Thrown(msgspec.Struct, frozen=True):
    """An exception as the program sees it."""

    classes: tuple[str, ...]
    """Its class, and what that is derived from."""
    status: int | None
    message: str
    body: dict[str, Any] | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one call."""

    text: str | None
    """The answer: of a stream, all of its text, put together as this generation does it."""
    pieces: tuple[str | None, ...]
    """Of a stream: the text of every event."""
    returned: dict[str, Any] | None
    """The whole answer, or the last event of a stream."""
    error: Thrown | None
    headers: dict[str, str] | None = None
    request_id: str | None = None

    @property
    def stop_reason(self) -> object:
        return self.returned and self.returned.get("stop_reason")

    @property
    def stop(self) -> object:
        return self.returned and self.returned.get("stop")

    @property
    def error_class(self) -> str | None:
        return None if self.error is None else self.error.classes[0]

    @property
    def looks_complete(self) -> bool:
        """Whether a program that checks for exceptions and the stop reason is satisfied."""
        return self.error is None and self.stop_reason in {"stop_sequence", "max_tokens"}


class _Printed(msgspec.Struct):
    seen: list[Seen]


@dataclass(frozen=True, slots=True)
class Client:
    """One release of one SDK."""

    name: str
    environment: PythonEnvironment | NodeEnvironment
    program: str
    ways: tuple[Way, ...]
    is_old: bool = False
    """Whether it speaks 2023-01-01: events repeat the text so far."""
    is_strict: bool = True
    """Whether its own types allow what the API always sent: a null stop reason in a stream."""

    @property
    def streams(self) -> tuple[Way, ...]:
        return tuple(way for way in self.ways if way.endswith("streamed"))

    def ask(self, url: str, **params: Any) -> dict[Way, Seen]:
        """One call in each way."""
        return dict(zip(self.ways, self.run(url, calls_in(self.ways, **params)), strict=True))

    def run(self, url: str, calls: Sequence[Call], **options: Any) -> list[Seen]:
        """One call after the other by one client object; `options` are for its constructor."""
        defaults = {"api_key": KEY, "max_retries": 0, "headers": {}, "strict": self.is_strict}
        done = subprocess.run(
            self.environment.command(HERE / "programs" / self.program),
            input=json.dumps(defaults | options | {"base_url": url, "calls": calls}).encode(),
            env=self._variables(),
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        # Old releases print warnings of their own; the last line is the program's.
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Printed).seen

    def _variables(self) -> dict[str, str]:
        # Nothing of the developer's own: no keys, no proxies, no credential files.
        home = str(self.environment.folder)
        return {"PATH": os.environ["PATH"], "HOME": home} | self.environment.variables()


def calls_in(ways: Iterable[Way], *, read: int | None = None, **params: Any) -> list[Call]:
    """One call in each of these ways; of a stream, only so many events are read."""
    call = {"read": read, "patience": _PATIENCE_MILLISECONDS, "params": {**REQUEST, **params}}
    return [{"way": way, **call} for way in ways]


def _python(
    version: str, program: str, *ways: Way, is_old: bool = False, is_strict: bool = True
) -> Client:
    environment = PythonEnvironment(f"python-{version}", (f"anthropic=={version}",))
    return Client(f"python-{version}", environment, program, (*_PLAIN, *ways), is_old, is_strict)


def _node(version: str, program: str, *, is_old: bool = False) -> Client:
    environment = NodeEnvironment(f"node-{version}", f"@anthropic-ai/sdk@{version}")
    return Client(f"node-{version}", environment, program, _PLAIN, is_old)


PYTHON_0_2_2: Final = _python("0.2.2", "python_0_2.py", is_old=True)
PYTHON_0_2_10: Final = _python("0.2.10", "python_0_2.py", *_ASYNC, is_old=True)
NODE_0_4_4: Final = _node("0.4.4", "node_0_4.js", is_old=True)
OLD: Final = (PYTHON_0_2_2, PYTHON_0_2_10, NODE_0_4_4)

PYTHON_0_3_11: Final = _python("0.3.11", "python_0_3.py", *_ASYNC, is_strict=False)
PYTHON_0_7_8: Final = _python("0.7.8", "python_0_3.py", *_ASYNC, *_RAW, is_strict=False)
PYTHON_0_18_1: Final = _python("0.18.1", "python_0_3.py", *_ASYNC, *_RAW)
PYTHON_0_39_0: Final = _python("0.39.0", "python_0_3.py", *_ASYNC, *_RAW)
PYTHON_0_125_0: Final = _python("0.125.0", "python_0_3.py", *_ASYNC, *_RAW)
NODE_0_5_10: Final = _node("0.5.10", "node_0_5.js")
NODE_0_9_1: Final = _node("0.9.1", "node_0_5.js")
NODE_0_20_9: Final = _node("0.20.9", "node_0_5.js")
NODE_0_137_0: Final = _node("0.137.0", "node_0_5.js")
NEW: Final = (
    *(PYTHON_0_3_11, PYTHON_0_7_8, PYTHON_0_18_1, PYTHON_0_39_0, PYTHON_0_125_0),
    *(NODE_0_5_10, NODE_0_9_1, NODE_0_20_9, NODE_0_137_0),
)
SDKS: Final = (*OLD, *NEW)


# Whatever is newest on the day: these no longer have the call, and run the code that replaces it.
NEWEST_PYTHON: Final = Client(
    "python-newest", PythonEnvironment("python-newest", ("anthropic>=2",), None), "", ()
)
NEWEST_NODE: Final = Client(
    "node-newest", NodeEnvironment("node-newest", "@anthropic-ai/sdk@latest"), "", ()
)


def every(clients: Iterable[Client]) -> pytest.MarkDecorator:
    """A test for each of these clients, named after it."""
    return pytest.mark.parametrize("client", clients, ids=lambda client: client.name)


LANGCHAIN: Final = Client(
    "langchain-0.0.350",
    PythonEnvironment("langchain-0.0.350", ("langchain==0.0.350", "anthropic==0.7.8")),
    "langchain_llm.py",
    (*_PLAIN, *_ASYNC),
)


def _langchain_js(package: str) -> Client:
    name = package.replace("@langchain/", "langchain-").replace("@", "-js-")
    return Client(name, NodeEnvironment(name, package), "", ())


# Both ask the legacy API: by the SDK 0.4 and its own messages, and by 0.9 with today's names.
LANGCHAIN_JS_0_0_92: Final = _langchain_js("langchain@0.0.92")
LANGCHAIN_JS_0_1_37: Final = _langchain_js("langchain@0.1.37")
NEWEST_LANGCHAIN_JS: Final = _langchain_js("@langchain/anthropic@latest")
