"""Evidence of legacy traffic: one record per exchange, and what was said if that is wanted."""

from proxy.traffic.content import PARTS, Body, Content, compress, decompress
from proxy.traffic.journal import journal_directory
from proxy.traffic.keeper import Keeper, KeepingObserver
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
    "ShadowRecord",
    "Tape",
    "TrafficRecord",
    "compress",
    "decompress",
    "detect_sdk",
    "journal_directory",
]
