"""A real browser, told what to do over its DevTools protocol: Chromium without a window."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from tests.waiting import PATIENCE_SECONDS, STEP_SECONDS, wait_for

CHROMIUM: Final = shutil.which("chromium")
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
_LISTEN: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.blockedURI));
"""


@dataclass(slots=True)
class Page:
    """One open tab."""

    ask: Callable[..., Any] = field(repr=False)
    events: list[dict[str, Any]]

    @property
    def fetched(self) -> list[str]:
        """All that was asked for, over the network or from a file, the page itself first."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    @property
    def complaints(self) -> list[str]:
        """What a console would show, and what the page's policy did not allow."""
        said = [
            json.dumps(event["params"])
            for event in self.events
            if event["method"]
            in {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        ]
        return said + list(self.run("window.violations"))

    def run(self, script: str) -> Any:
        """What an expression comes to in the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def lead(self, script: str, path: str) -> None:
        """Do what leads to another page, and wait until that is there."""
        self.run(script)
        arrived = f"location.pathname === {path!r} && document.readyState === 'complete'"

        def is_there() -> bool:
            try:
                return bool(self.run(arrived))
            except AssertionError:  # the page that was asked is just being left
                return False

        wait_for(is_there)

    @property
    def sticking_out(self) -> int:
        """By how many CSS pixels the page is wider than its window."""
        width: int = self.run(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def resize(self, width: int, height: int = 900) -> None:
        """Show it as wide as that, in CSS pixels, as a phone would."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def prefer(self, scheme: str, media: str = "") -> None:
        """Show it `light` or `dark`, as it would be printed if `media` is `print`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def press(self, key: str, text: str = "") -> None:
        """Press a key of the keyboard, and let it go."""
        for kind in ("keyDown", "keyUp"):
            named = {"key": key, "code": key, "text": text if kind == "keyDown" else ""}
            virtual = {"Tab": 9, "Enter": 13}.get(key, 0)
            self.ask("Input.dispatchKeyEvent", type=kind, windowsVirtualKeyCode=virtual, **named)

    def picture(self, height: int | None = None) -> bytes:
        """PNG, of the whole page, or of its top."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"]}
        return base64.b64decode(
            self.ask(
                "Page.captureScreenshot", captureBeyondViewport=True, clip={**clip, "scale": 1}
            )["data"]
        )

    def printed(self) -> bytes:
        """PDF, on A4."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
        return base64.b64decode(self.ask("Page.printToPDF", **paper)["data"])


@dataclass(slots=True)
class Browser:
    """A running Chromium."""

    connection: ClientConnection
    numbers: Iterator[int] = field(default_factory=itertools.count)
    events: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def showing(self, url: str) -> Iterator[Page]:
        """A tab of its own with this page, loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events.clear()
        page = Page(lambda method, **given: self.ask(method, session, **given), self.events)
        for domain in ("Page", "Network", "Log", "Runtime"):
            page.ask(f"{domain}.enable")
        page.ask("Page.addScriptToEvaluateOnNewDocument", source=_LISTEN)
        page.resize(1200)
        page.ask("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._hear()
        yield page
        self.ask("Target.closeTarget", targetId=target)

    def ask(self, method: str, session: str | None = None, **given: Any) -> Any:
        """Send a command and wait for its answer; what happens meanwhile is kept."""
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": given}
        self.connection.send(json.dumps(command | ({"sessionId": session} if session else {})))
        while (heard := self._hear()).get("id") != number:
            pass
        assert "error" not in heard, (method, heard)
        return heard["result"]

    def _hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self.connection.recv(timeout=PATIENCE_SECONDS))
        if "method" in heard:
            self.events.append(heard)
        return heard


@contextmanager
def chromium(directory: Path) -> Iterator[Browser]:
    """A browser that keeps what it keeps in an empty directory."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={directory}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = _url(directory / "DevToolsActivePort")
        # No pings: they throw dice in a thread, and hypothesis wants its own undisturbed.
        options: dict[str, Any] = {"max_size": None, "proxy": None, "compression": None}
        with connect(url, ping_interval=None, **options) as connection:
            yield Browser(connection)
            connection.send('{"id": -1, "method": "Browser.close"}')
    finally:
        try:
            process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)


def _url(file: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        written = file.read_text().split() if file.exists() else []
        if len(written) == 2:
            return f"ws://127.0.0.1:{written[0]}{written[1]}"
        assert time.monotonic() < deadline, "Chromium did not start"
        time.sleep(STEP_SECONDS)
