"""Evidence of legacy traffic: one record per exchange."""

from proxy.traffic.record import MadeAdjustment, ShadowRecord, TrafficRecord
from proxy.traffic.sdk import detect_sdk

__all__ = ["MadeAdjustment", "ShadowRecord", "TrafficRecord", "detect_sdk"]
