"""
The exceptions that this package raises on purpose.

* `TranslationError`
    * `InvalidCompletionRequest` -- the client's fault
    * `UpstreamProtocolError` -- the upstream's fault
    * `ModelRefused` -- no fault; raised only if the operator wants refusals to be errors

Any other exception that escapes is a bug in this package. Messages of these
errors may reach a client; they quote field names, never prompts.
"""

from __future__ import annotations


class TranslationError(Exception):
    """Base class of this package's errors, with the error type and status a client gets."""

    error_type = "api_error"
    status_hint = 500


class InvalidCompletionRequest(TranslationError):
    """The client sent something that the Text Completions API would refuse as well."""

    error_type = "invalid_request_error"
    status_hint = 400


class UpstreamProtocolError(TranslationError):
    """The upstream sent something the Messages API does not promise."""

    status_hint = 502


class ModelRefused(TranslationError):
    """The model refused to answer, and the operator's policy treats that as an error."""

    error_type = "invalid_request_error"
    status_hint = 400
