"""Evidence of legacy traffic: one record per exchange."""

from proxy.traffic.record import TrafficRecord
from proxy.traffic.sdk import detect_sdk

__all__ = ["TrafficRecord", "detect_sdk"]
