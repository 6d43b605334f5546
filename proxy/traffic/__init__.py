"""Evidence of legacy traffic: one record per exchange, and what was said if that is wanted."""

from proxy.traffic.address import checked_url, default_url
from proxy.traffic.content import PARTS, Body, Content, compress, decompress
from proxy.traffic.journal import journal_directory
from proxy.traffic.keeper import Keeper, KeepingObserver, waiting_bytes
from proxy.traffic.opening import open_store
from proxy.traffic.problems import ReadOnlyStore, StoreProblem
from proxy.traffic.record import MadeAdjustment, ShadowRecord, TrafficRecord
from proxy.traffic.sdk import detect_sdk
from proxy.traffic.tape import Tape

__all__ = [
    "PARTS",
    "Body",
    "Content",
    "Keeper",
    "KeepingObserver",
    "MadeAdjustment",
    "ReadOnlyStore",
    "ShadowRecord",
    "StoreProblem",
    "Tape",
    "TrafficRecord",
    "checked_url",
    "compress",
    "decompress",
    "default_url",
    "detect_sdk",
    "journal_directory",
    "open_store",
    "waiting_bytes",
]
