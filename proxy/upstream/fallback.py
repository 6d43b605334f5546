"""The answers of a first route after which a rule's fallback is asked."""

from __future__ import annotations

from http import HTTPStatus


def status_may_fall_back(status: int) -> bool:
    """
    Return True if a fallback may answer where the first route answered with this status.

    These are 5xx, 404 (no such model there) and a 400 that taught nothing about
    the model.
    """
    return status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND} or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
