"""Comparison of two answers to one request, and the daily token budget for it."""
