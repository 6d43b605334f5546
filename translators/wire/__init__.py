"""Encoding and decoding of both APIs' requests, answers, events and errors."""
