"""The fields of each wire that a translated request leaves out because the answer means the same without them.

A relayed request keeps them all. A field that stands neither here nor in the wire's reading is a need of its own: a provider
of another wire is then skipped with that reason, so that nothing a client asks for is dropped in silence.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

# Who asked, how it is billed, kept, cached, counted or hurried along.
_CHAT = frozenset(
    (
        *("user", "safety_identifier", "metadata", "store", "service_tier", "client_metadata"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation"),
        "prediction",  # a guess at the answer, for speed only
        "seed",  # best effort where it is known at all
        "verbosity",  # a wish about length
        "top_logprobs",  # says nothing without `logprobs`, which is a need
    )
)
_RESPONSES = frozenset(
    (
        *("user", "safety_identifier", "metadata", "service_tier", "client_metadata", "stream_options"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation", "access_programs"),
        "include",  # of what it may ask for, log-probabilities are a need; all else is told where there is any
        "truncation",  # "auto" cuts what is too long; without it the next larger window serves
        "max_tool_calls",  # of the provider's own tools, which are a need
        "image",  # how images are compressed
    )
)
_MESSAGES = frozenset(
    (
        *("metadata", "service_tier", "inference_geo", "speed", "user_profile_id", "workspace_id", "diagnostics"),
        "cache_control",  # on the whole request: what to cache is the other provider's own choice
        "betas",
    )
)
_EMBEDDINGS = frozenset({"user"})

_READ: Mapping[str, frozenset[str]] = {
    "chat": frozenset(
        (
            *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"),
            *("top_p", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"),
            *("n", "logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "modalities", "audio"),
            *("functions", "function_call", "web_search_options"),
        )
    )
    | _CHAT,
    "responses": frozenset(
        (
            *("model", "input", "instructions", "stream", "max_output_tokens", "temperature", "top_p", "tools"),
            *("tool_choice", "parallel_tool_calls", "reasoning", "text", "store", "previous_response_id"),
            *("conversation", "background", "background_options", "prompt", "top_logprobs", "context_management"),
        )
    )
    | _RESPONSES,
    "messages": frozenset(
        (
            *("model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "stop_sequences"),
            *("tools", "tool_choice", "thinking", "output_config", "context_management"),
        )
    )
    | _MESSAGES,
    "embeddings": frozenset({"model", "input", "encoding_format", "dimensions"}) | _EMBEDDINGS,
}
# What a field may hold without anything following from it for routing.
HARMLESS: Mapping[str, frozenset[str]] = {"chat": _CHAT, "responses": _RESPONSES, "messages": _MESSAGES}
NAME_CHARS = 40  # of a field that is told as a need
MOST_TOLD = (
    32  # needs that are told one by one: a body may hold millions, and each is told for each model that lacks it
)


def unknown(wire: str, body: Mapping[str, Any]) -> set[str]:
    """The needs that the fields of no known meaning are."""
    known = _READ[wire]
    told = (f"field {name[:NAME_CHARS]!r}" for name, value in body.items() if name not in known and value is not None)
    found = set(islice(told, MOST_TOLD))
    return found if next(told, None) is None else {*found, "other fields that nobody knows"}
