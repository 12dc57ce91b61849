"""What `/metrics` tells of calls. Labels are words of the table and of closed lists, never a caller's."""

from prometheus_client import Counter, Histogram

CALLS = Counter("cortex_calls", "Dispatched calls by how they ended.", ["task_type", "status"])
ATTEMPTS = Counter(
    "cortex_attempts", "Provider tries by how they ended.", ["provider", "model", "status", "error_kind"]
)
SECONDS = Histogram(
    "cortex_attempt_seconds",
    "How long a provider took to answer.",
    ["provider"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
