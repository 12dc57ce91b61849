"""What headers say of an answer: who served, and how it came to that."""

from routing.dispatch.outcome import Begun, Result


def headers_of(told: Begun | Result) -> dict[str, str]:
    """Who served, for those who look at headers alone. A header holds ASCII: an arrow is written `->`."""
    attempts = told.attempts if isinstance(told.attempts, int) else len(told.attempts)
    return {
        "X-Cortex-Request-Id": str(told.request_id),
        "X-Cortex-Provider": told.provider,
        "X-Cortex-Model": told.model,
        "X-Cortex-Attempts": str(attempts),
        "X-Cortex-Fallback": "true" if told.used_fallback else "false",
        "X-Cortex-Reason": told.reason.replace("→", "->").encode("ascii", "replace").decode()[:500],
    }
