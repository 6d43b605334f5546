"""Answers completion requests: everything between the endpoint and the upstream."""
