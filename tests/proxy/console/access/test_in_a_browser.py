"""The way in, in a real browser: alone, beside pages of other sites, and behind a real nginx."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from tests.browser import Browser, Page
from tests.proxy.console.harness import console, settings_file
from tests.scripted_server import Certificate
from tests.servers import free_port, serving
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.thorough, pytest.mark.without_coverage]

CONFIG: Final = Path(__file__).parents[4] / "deploy" / "nginx" / "console.conf"
TOKEN = "an-admin-token-of-some-length"
_FRAME = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  include {folder}/console.conf;
}}
"""


async def another_site(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve pages that lead to the console (`/link?URL`) and that send it a form (`/form?URL`)."""
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    target = request.url.query
    page = {
        "/link": f'<a id="go" href="{target}">Look</a>',
        "/form": f'<form method="post" action="{target}"><button id="go">Win</button></form>',
        "/frame": f'<iframe src="{target}"></iframe>',
    }.get(request.url.path, "")
    await HTMLResponse(f"<!doctype html><title>Elsewhere</title>{page}")(scope, receive, send)


def look_for(page: Page, words: str) -> str:
    """Wait until a page shows these words; return the text of all of it."""

    def text() -> str | None:
        try:
            shown = page.run("document.readyState === 'complete' && document.body.innerText")
        except AssertionError:  # it is on its way to another page
            return None
        return shown if isinstance(shown, str) and words in shown else None

    return wait_for(text)


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector('{selector}').click()")


def sign_in(page: Page) -> None:
    look_for(page, "Admin token")
    page.run(f"document.querySelector('#token').value = '{TOKEN}'")
    page.run("document.querySelector('#name').value = 'Ann'")
    click(page, "main button")
    look_for(page, "Ann")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return settings_file(tmp_path, f'admin_token = "{TOKEN}"')


def test_somebody_signs_in_looks_around_and_signs_out(browser: Browser, config: Path):
    with console(config) as (url, _), browser.showing(url) as page:
        page.run("0")
        sign_in(page)
        assert page.run("location.pathname") == "/"
        assert page.run("document.cookie") == ""
        assert page.complaints == []
        click(page, ".who-is-here button")
        look_for(page, "Admin token")
        page.ask("Page.navigate", url=url)
        look_for(page, "Admin token")


def test_a_link_from_another_site_leads_to_where_it_says(browser: Browser, config: Path):
    with console(config) as (url, _), serving(another_site) as other:
        elsewhere = other.replace("127.0.0.1", "localhost")  # another site, not only another port
        with browser.showing(url) as page:
            sign_in(page)
            page.ask("Page.navigate", url=f"{elsewhere}/link?{url}/nowhere")
            look_for(page, "Look")
            click(page, "#go")
            shown = look_for(page, "There is no page at this address.")

    assert "Ann" in shown


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_form_of_another_site_or_port_changes_nothing(browser: Browser, config: Path, name: str):
    with console(config) as (url, _), serving(another_site) as other:
        elsewhere = other.replace("127.0.0.1", name)
        with browser.showing(url) as page:
            sign_in(page)
            page.ask("Page.navigate", url=f"{elsewhere}/form?{url}/sign-out")
            look_for(page, "Win")
            click(page, "#go")
            look_for(page, "sent by a page at another address")
            page.ask("Page.navigate", url=url)
            look_for(page, "Ann")


def test_no_page_of_another_port_frames_the_console(browser: Browser, config: Path):
    with console(config) as (url, _), serving(another_site) as other, browser.showing(url) as page:
        sign_in(page)
        page.ask("Page.navigate", url=f"{other}/frame?{url}/")
        wait_for(lambda: any("frame-ancestors" in each for each in complaints(page)))


def complaints(page: Page) -> list[str]:
    try:
        return page.complaints
    except AssertionError:  # it is on its way to another page
        return []


# Behind nginx


@contextmanager
def nginx(
    directory: Path, certificate: Certificate, console_url: str, *, strips: bool
) -> Iterator[str]:
    """Run nginx with the documented configuration in front of a console; yield its address."""
    if (found := shutil.which("nginx")) is None:
        pytest.skip("there is no nginx on this machine: apt-get install nginx")
    port, folder = free_port(), directory / "nginx"
    folder.mkdir()
    text = CONFIG.read_text()
    changes = {
        r"listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        r"server_name ops\.example\.com;": "server_name ops.example.com 127.0.0.1;",
        r"ssl_certificate \S+;": f"ssl_certificate {certificate.path};",
        r"ssl_certificate_key \S+;": f"ssl_certificate_key {certificate.path};",
        r"proxy_pass \S+;": f"proxy_pass {console_url}{'/' * strips};",
    }
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement, text)
        assert count == 1, pattern
    (folder / "console.conf").write_text(text)
    (folder / "nginx.conf").write_text(_FRAME.format(folder=folder))
    process = subprocess.Popen([found, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    url = f"https://127.0.0.1:{port}"
    try:
        with httpx.Client(verify=certificate.trusting) as client:
            wait_for(lambda: answers(client, url))
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/console/").status_code > 0
    except httpx.ConnectError:
        return False


@pytest.fixture(params=[False, True], ids=["prefix-left-on", "prefix-taken-off"])
def behind_nginx(
    request: pytest.FixtureRequest, tmp_path: Path, config: Path, certificate: Certificate
) -> Iterator[str]:
    config.write_text(f'{config.read_text()}\nallowed_hosts = ["ops.example.com"]\n')
    with (
        console(config, prefix="/console") as (url, _),
        nginx(tmp_path, certificate, url, strips=request.param) as front,
    ):
        yield front


def test_behind_nginx_the_cookie_and_all_addresses_are_under_the_prefix(
    behind_nginx: str, certificate: Certificate
):
    host = f"ops.example.com:{behind_nginx.rpartition(':')[2]}"
    with httpx.Client(
        base_url=behind_nginx, verify=certificate.trusting, headers={"host": host}
    ) as client:
        assert client.get("/console").headers["location"] == f"https://{host}/console/"
        asked = client.get("/console/callers?since=1d")
        assert asked.headers["location"] == "/console/sign-in?next=%2Fcallers%3Fsince%3D1d"
        page = client.get(asked.headers["location"])
        [style] = re.findall(r'href="([^"]*\.css)"', page.text)
        assert client.get(style).headers["content-type"].startswith("text/css")
        assert page.headers["cache-control"] == "no-store"
        refused = client.post(
            "/console/sign-in", data={"token": TOKEN}, headers={"origin": "https://evil.example"}
        )
        assert refused.status_code == 403
        entered = client.post(
            asked.headers["location"],
            data={"token": TOKEN},
            headers={"origin": f"https://{host}", "sec-fetch-site": "same-origin"},
        )
    assert entered.headers["location"] == "/console/callers?since=1d"
    name, *attributes = entered.headers["set-cookie"].split("; ")
    assert name.startswith("__Secure-holdover_")
    assert set(attributes) >= {"Secure", "HttpOnly", "Path=/console", "SameSite=strict"}


def test_behind_nginx_somebody_signs_in_and_out(behind_nginx: str, browser: Browser):
    with browser.showing("about:blank") as page:
        page.ask("Security.setIgnoreCertificateErrors", ignore=True)
        page.ask("Page.navigate", url=f"{behind_nginx}/console")
        sign_in(page)
        assert page.run("location.pathname") == "/console/"
        assert page.complaints == []
        click(page, ".who-is-here button")
        look_for(page, "Admin token")
        assert page.run("location.pathname") == "/console/sign-in"
