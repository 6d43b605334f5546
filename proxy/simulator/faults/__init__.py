"""Faults that a request can ask for, and that play in its answer."""
