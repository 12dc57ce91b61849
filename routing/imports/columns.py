"""The columns of an import, as the public contract names them, and those that only our own exports carry."""

from dataclasses import dataclass

COLUMNS = (
    "ts",
    "task_type",
    "provider",
    "model",
    "role",
    "propensity",
    "input_tokens",
    "output_tokens",
    "ttft_ms",
    "total_ms",
    "success",
    "cost_usd",
    "request_id",
    "attempt",
)
# status, error_kind: how the attempt ended, in the words of `terms.words`; absent, an attempt that another followed failed.
# simulated: 1 for the simulated provider, whose rows never mix with real ones.
# What a cost is made of beside input and output; service_tier in the provider's own word, estimated: 1 where nobody had counted the tokens.
COST = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "searches",
    "service_tier",
    "estimated",
)
OPTIONAL = ("session", "size", "client", "status", "error_kind", "simulated", *COST)
ALL = COLUMNS + OPTIONAL
Cells = tuple[str, ...]  # in the order of ALL, stripped, "" for blank


class Refused(Exception):
    """A file that cannot be imported as a whole: not one of the forms, broken, too large. The message is for the person who brought it."""


class BadValue(ValueError):
    """What is wrong with one line."""


@dataclass(frozen=True, slots=True)
class BadLine:
    line: int  # counted from 1; of a record over several lines the first
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
