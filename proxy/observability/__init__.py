"""Metrics and log lines, by which an operator watches a running server."""
