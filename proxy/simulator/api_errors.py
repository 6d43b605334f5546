"""
Errors as the API answers them: HTTP status, error type and message.

The texts were recorded (messages-wire sections 1 and 4). Where a comment says
*assumed*, no recording of the text is known, and only the status can be relied on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ERROR_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        405: "invalid_request_error",  # "may also be used for other 4XX codes"
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        422: "invalid_request_error",
        429: "rate_limit_error",
        500: "api_error",
        501: "api_error",
        502: "api_error",
        503: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)

ERROR_MESSAGES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Output blocked by content filtering policy",
        401: "API key is invalid.",
        402: "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits.",  # recorded with a 400
        403: "This account is not authorized to use the API. Please check with Anthropic support "
        "if you think this is in error.",
        404: "The requested resource could not be found.",
        413: "Request exceeds the maximum size",
        429: "This request would exceed your account's rate limit. Please try again later.",
        500: "Internal server error",
        504: "request timed out while processing",
        529: "Overloaded",
    }
)


class ApiError(Exception):
    """An error of the API, raised by any check or endpoint and answered by `Api`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type or ERROR_TYPES.get(status, "api_error")
        self.error_code = error_code

    @property
    def is_from_the_edge(self) -> bool:
        """Return True for a 413 of Cloudflare; a 413 of the API itself has an error code."""
        return self.status == 413 and self.error_code is None  # noqa: PLR2004

    def describe(self, request_id: str | None) -> dict[str, object]:
        """Return the body of an error response; `details` is present only with an error code."""
        error: dict[str, object] = {"type": self.error_type, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return {"type": "error", "error": error, "request_id": request_id}

    def describe_in_stream(self, request_id: str) -> dict[str, object]:
        """Return the data of an `error` event, in the recorded key order (messages-wire 3.6)."""
        details = None if self.error_code is None else {"error_code": self.error_code}
        error = {"details": details, "type": self.error_type, "message": self.message}
        return {"type": "error", "error": error, "request_id": request_id}

    def describe_at_the_edge(self) -> dict[str, object]:
        """Return the body of an error of Cloudflare, which has no `type` and no `request_id`."""
        error_type = "forbidden" if self.status == 403 else self.error_type  # noqa: PLR2004
        return {"error": {"type": error_type, "message": self.message}}


def invalid_request(message: str) -> ApiError:
    return ApiError(400, message)


def model_not_found(model: str) -> ApiError:
    """Return the one error for retired, unpublished and forbidden models alike."""
    return ApiError(404, f"model: {model}")
