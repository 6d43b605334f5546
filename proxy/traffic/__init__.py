"""Evidence of legacy traffic: one record per exchange."""

from proxy.traffic.record import MadeAdjustment, TrafficRecord
from proxy.traffic.sdk import detect_sdk

__all__ = ["MadeAdjustment", "TrafficRecord", "detect_sdk"]
