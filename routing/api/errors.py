"""The one exception of the API: everything that the error body of the contract says.

`cortex.api` turns it into {"error": {"code", "message", "request_id", "retryable", "details"?}}; raised anywhere in an operation
or in its authentication.
"""

from typing import Any

from ninja.errors import HttpError


class ApiError(HttpError):
    """An answer that is no success. `code` "" is the usual one of its status; `details` is JSON; `retry_after_s` becomes the header."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        details: Any = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, message)
        self.code = code
        self.details = details
        self.retry_after_s = retry_after_s
        self.retryable = None if retry_after_s is None else True
