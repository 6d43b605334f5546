"""A strict, deterministic stand-in for the Messages API."""

from proxy.simulator.app import create_simulator

__all__ = ["create_simulator"]
