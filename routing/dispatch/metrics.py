"""What `/metrics` tells of calls. Labels are words of the table and of closed lists, never a caller's."""

from functools import lru_cache

from prometheus_client import Counter, Histogram

CALLS = Counter("cortex_calls", "Dispatched calls by how they ended.", ["task_type", "status"])
ATTEMPTS = Counter(
    "cortex_attempts", "Provider tries by how they ended.", ["provider", "model", "status", "error_kind"]
)
REFUSED = Counter("cortex_refused", "Calls over their client's limit, by what it limits.", ["client", "measure"])
SECONDS = Histogram(
    "cortex_attempt_seconds",
    "How long a provider took to answer.",
    ["provider"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)

UNLISTED = "unlisted"  # the label of a model that a client has named and no table lists

# To find a labelled counter takes longer than to count; there are as many as there are words in the table.
calls = lru_cache(4096)(CALLS.labels)
attempts = lru_cache(4096)(ATTEMPTS.labels)
seconds = lru_cache(1024)(SECONDS.labels)
