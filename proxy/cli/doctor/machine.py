"""Try what a server needs of this machine; nothing is left behind, and nothing is made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from typing import Final

import msgspec

from proxy.cli.doctor.finding import Finding, Level
from proxy.config.settings import Settings, store_url_of
from proxy.endpoints.page_types import Alive
from proxy.errors import InvalidSettings
from proxy.report.formatting import lost_exchanges, one_or_many
from proxy.server.descriptors import FEW_CONNECTIONS, most_connections, raise_descriptor_limit
from proxy.server.listening import listen_on
from proxy.server.resources import descriptor_limit
from proxy.server.state_dir import FULL, state_directories, try_directory, unusable
from proxy.traffic import (
    OutdatedStoreError,
    ReadOnlyStoreError,
    StoreError,
    file_of,
    open_store,
    place_of_store,
)
from proxy.traffic.store.rollups.build import missing_from

_PROBE_SECONDS: Final = 2
_MAX_ANSWER_BYTES: Final = 1024


def try_machine(settings: Settings) -> Iterator[Finding]:
    """Yield what there is to say about this machine."""
    yield state_dir(settings)
    yield store(settings)
    yield port(settings)
    yield descriptors()


def state_dir(settings: Settings) -> Finding:
    """Try to write into the state directory, or find out whether it can be made."""
    for path in state_directories(settings):
        try:
            is_there = try_directory(path)
        except OSError as exc:
            if exc.errno in FULL:
                text = f"the disk of {path} is full: records and guards are not kept"
                return Finding(Level.WARNING, "state_dir", text, "make room on it")
            return Finding(Level.FAILED, "state_dir", unusable(path, exc))
        if not is_there:
            return Finding(Level.OK, "state_dir", f"{path} is made at the start")
    path = settings.state_dir
    owner, free = path.stat().st_uid, shutil.disk_usage(path).free
    if os.geteuid() == 0 and owner != 0:
        text = f"{path} belongs to the user {owner}, and was tried as root, who may do anything"
        return Finding(Level.WARNING, "state_dir", text, "run this as the user of the server")
    text = f"{path} can be written to; {free / 1024**3:.1f} GiB are free"
    if settings.traffic and free < settings.journal_max_bytes:
        remedy = "make room: records that wait for the store may take `journal_max_bytes`"
        return Finding(Level.WARNING, "state_dir", text, remedy)
    return Finding(Level.OK, "state_dir", text)


def store(settings: Settings) -> Finding:
    """Open the store as it is, without making or upgrading it."""
    if not settings.traffic:
        return Finding(Level.OK, "store", "no records are kept (`traffic`)")
    url = store_url_of(settings, settings.state_dir)
    file = file_of(url)
    if file is not None and not file.exists():
        return Finding(Level.OK, "store", f"{file} is made at the start")
    try:
        open_store(url, read_only=True).close()
        # Which changes nothing in one that is current, but for deleted sums.
        with closing(open_store(url)) as opened, opened.reading() as connection:
            missing = missing_from(connection)
    except OutdatedStoreError as exc:
        return Finding(Level.WARNING, "store", str(exc))
    except ReadOnlyStoreError as exc:
        remedy = "let the server's user write there, or set traffic_url to another store"
        return Finding(Level.FAILED, "store", str(exc), remedy)
    except StoreError as exc:
        remedy = "until it can be used, records wait in the journal under `state_dir`"
        return Finding(Level.FAILED, "store", str(exc), remedy)
    if missing.lost:
        return Finding(Level.WARNING, "store", lost_exchanges(missing.lost))
    if missing.to_build:
        text = f"the sums of {one_or_many(missing.to_build, 'exchange')} are not built"
        remedy = "a running server builds them, and so does `holdover traffic rebuild`"
        return Finding(Level.WARNING, "store", text, remedy)
    return Finding(Level.OK, "store", f"{place_of_store(url)} is reached, and is current")


def port(settings: Settings) -> Finding:
    """Try to listen, or find out whether it is a Holdover that does."""
    where = f"{settings.host or 'any address'}, port {settings.port}"
    try:
        for listener in listen_on(settings.host, settings.port, reuse_port=settings.reuse_port):
            listener.close()
    except InvalidSettings as exc:
        if _is_holdover(settings.host, settings.port):
            return Finding(Level.OK, "port", f"a running Holdover listens on {where}")
        remedy = "stop who listens there (`ss -ltnp` shows it), or set another port or host"
        return Finding(Level.FAILED, "port", str(exc), remedy)
    return Finding(Level.OK, "port", f"{where} is free")


def _is_holdover(host: str, at: int) -> bool:
    address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    with (
        suppress(OSError, HTTPException, msgspec.MsgspecError),
        closing(HTTPConnection(address, at, timeout=_PROBE_SECONDS)) as asking,
    ):
        asking.request("GET", "/healthz")
        msgspec.json.decode(asking.getresponse().read(_MAX_ANSWER_BYTES), type=Alive)
        return True
    return False


def descriptors() -> Finding:
    """Find out how many clients a worker has room for."""
    raise_descriptor_limit()
    limit = descriptor_limit()
    connections = most_connections(limit)
    text = f"{limit} file descriptors: {connections} connections of clients in a worker"
    if connections < FEW_CONNECTIONS:
        remedy = "raise the hard limit (`ulimit -Hn`, `LimitNOFILE`)"
        return Finding(Level.WARNING, "descriptors", text, remedy)
    return Finding(Level.OK, "descriptors", text)
