"""
Everything this package raises on purpose.

* `TranslationError`
    * `InvalidCompletionRequest` -- the client's fault
    * `UpstreamProtocolError` -- the upstream's fault
    * `ModelRefused` -- nobody's; only where an operator wants refusals to be errors

Anything else that escapes is a bug in this package. Texts of these errors may
reach a client; they quote field names, never prompts.
"""

from __future__ import annotations


class TranslationError(Exception):
    """Base class; never raised itself."""

    error_type = "api_error"
    status_hint = 500


class InvalidCompletionRequest(TranslationError):
    """The client sent something the Text Completions API would refuse, too."""

    error_type = "invalid_request_error"
    status_hint = 400


class UpstreamProtocolError(TranslationError):
    """The upstream sent something the Messages API does not promise."""

    status_hint = 502


class ModelRefused(TranslationError):
    """The model would not answer, and the operator wants that to be an error."""

    error_type = "invalid_request_error"
    status_hint = 400
