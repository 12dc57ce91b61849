"""What a double does with each request it gets: plain data, so that a script travels to a double in another process."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Act:
    """One answer or fault. Make it with the functions below."""

    status: int = 200
    error: tuple[str, str, str] = ("", "", "")  # of a status ≥ 400: type, code, message, as that vendor says them
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""  # what goes wrong on the way: a name of `server.FAULTS`
    after: int = 0  # bytes (whole answers) or events (streams) that are sent before the fault
    text: str = "It works."
    thinking: str = ""
    tool_calls: tuple[tuple[str, dict[str, Any]], ...] = ()  # name, arguments
    finish: str = "stop"  # in OpenAI's words: stop, length, tool_calls, content_filter
    read: int = 100  # input tokens, the cached ones included
    cached: int = 0
    cache_write: int = 0
    written: int = 20  # output tokens, the reasoning ones included
    reasoning: int = 0
    searches: int = 0  # web searches, as the wire of Anthropic or of OpenAI's responses tells them
    service_tier: str = ""  # as the vendor names it
    vectors: tuple[tuple[int, Any], ...] = ()  # index, embedding: of an answer to a request for embeddings
    delay_s: float = 0.0  # before the first byte
    pace_s: float = 0.0  # before each event of a stream but the first

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def act_from(data: dict[str, Any]) -> Act:
    calls = tuple((name, arguments) for name, arguments in data.get("tool_calls", ()))
    vectors = tuple((index, vector) for index, vector in data.get("vectors", ()))
    return Act(**{**data, "error": tuple(data.get("error", ("", "", ""))), "tool_calls": calls, "vectors": vectors})


def answer(text: str = "It works.", **how: Any) -> Act:
    return Act(text=text, **how)


def embeddings(*vectors: tuple[int, Any]) -> Act:
    """Vectors with their indices, in the order they are to come."""
    return Act(vectors=vectors)


def error(status: int, kind: str = "", code: str = "", message: str = "", **headers: str) -> Act:
    """Any error answer. Header names are given with underscores: `retry_after="7"`."""
    return Act(status, (kind, code, message), {name.replace("_", "-"): value for name, value in headers.items()})


def rate_limited(retry_after: str | None = None) -> Act:
    """429; `retry_after` in seconds or as an HTTP date, as it stands in the header."""
    return error(
        429, "rate_limit_error", "rate_limit_exceeded", **({"retry_after": retry_after} if retry_after else {})
    )


def out_of_quota() -> Act:
    """OpenAI's way to say that the month's money is gone: a 429 that no waiting helps."""
    return error(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota.")


def no_credit() -> Act:
    """Anthropic's way to say it: a 400."""
    return error(400, "invalid_request_error", "", "Your credit balance is too low to access the Anthropic API.")


def context_too_long() -> Act:
    message = (
        "prompt is too long: 210000 tokens > 200000 maximum. This model's maximum context length is 200000 tokens."
    )
    return error(400, "invalid_request_error", "context_length_exceeded", message)


def refused_by_policy() -> Act:
    message = "Your request was rejected as a result of our safety system: content policy."
    return error(400, "invalid_request_error", "content_policy_violation", message)


def stalls(after: int = 0, *, before_headers: bool = False) -> Act:
    """Says nothing more, for ever: before the headers, or after `after` bytes of the answer (events of a stream)."""
    return Act(fault="stall" if not before_headers else "stall_before_headers", after=after)


def disconnects(after: int = 0, *, before_headers: bool = False) -> Act:
    return Act(fault="disconnect" if not before_headers else "disconnect_before_headers", after=after)


def malformed() -> Act:
    """200, whose body (a stream's second event) is no JSON."""
    return Act(fault="malformed", after=1)


def cut_short() -> Act:
    """200, complete for HTTP, whose JSON stops half-way; a stream that ends early with no finish reason."""
    return Act(fault="cut", after=2)


def no_finish() -> Act:
    """200 and sound JSON, in which no finish or stop reason stands; a stream that ends without one."""
    return Act(fault="no_finish")


def empty() -> Act:
    """200 and sound JSON without a choice or content."""
    return Act(fault="empty")


def error_in_200(kind: str, code: str = "") -> Act:
    """200, whose body is an error: how servers that stand before others report theirs."""
    return Act(error=(kind, code, ""), fault="error")


def redirects(to: str) -> Act:
    return Act(302, headers={"location": to})
