"""Recorded traffic: one record per exchange and, where configured, its redacted bodies."""

from proxy.traffic.body_capture import BodyCapture
from proxy.traffic.content import PARTS, SHADOW_PARTS, Body, Content, compress, decompress
from proxy.traffic.journal.segments import journal_directory, waiting_bytes
from proxy.traffic.journal.writer import JournalObserver, JournalWriter
from proxy.traffic.record import GROUPS, MadeAdjustment, ShadowRecord, TrafficRecord
from proxy.traffic.sdk_detection import detect_sdk
from proxy.traffic.store.database.url import checked_url, default_url, file_of, place_of_store
from proxy.traffic.store.errors import OutdatedStoreError, ReadOnlyStoreError, StoreError
from proxy.traffic.store.lazy_open import import_store, open_store

__all__ = [
    "GROUPS",
    "PARTS",
    "SHADOW_PARTS",
    "Body",
    "BodyCapture",
    "Content",
    "JournalObserver",
    "JournalWriter",
    "MadeAdjustment",
    "OutdatedStoreError",
    "ReadOnlyStoreError",
    "ShadowRecord",
    "StoreError",
    "TrafficRecord",
    "checked_url",
    "compress",
    "decompress",
    "default_url",
    "detect_sdk",
    "file_of",
    "import_store",
    "journal_directory",
    "open_store",
    "place_of_store",
    "waiting_bytes",
]
