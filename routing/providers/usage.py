"""What each wire tells of an answer's cost, in our own terms: one reading a wire, for the SDK lane and the relay, whole answers and streams.

A wire that tells nothing (some local servers) gives None, which is not 0. What a provider says that it billed (OpenRouter's `cost`) is not
read: it is rounded, in a currency of its own and, with a key of one's own there, only the fee.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from routing.providers.errors import plain
from routing.providers.exchange import count
from routing.terms.request import Usage
from routing.terms.words import STANDARD_TIERS

TIER_CHARS = 24  # as a row keeps of it
_PLAIN = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})  # all that many servers tell


def tier_of(told: Any) -> str:
    """The service tier that served, in the provider's own word; "" for the standard one."""
    word = plain(told, TIER_CHARS).lower() if isinstance(told, str) else ""
    return "" if word in STANDARD_TIERS else word


def message_usage(usage: Any) -> Usage | None:
    """Anthropic's. Cached parts are told beside `input_tokens`; the whole counts as read.

    What a compaction in the middle of the request read and wrote is billed and stands in `iterations` alone. Fast mode is told as a speed,
    and is priced as a tier.
    """
    if not isinstance(usage, dict):
        return None
    compacted = _compactions(usage.get("iterations"))
    counted = (usage, *compacted)
    read = _sum(counted, "cache_read_input_tokens")
    lasting = [each.get("cache_creation") for each in counted]
    hour, minutes = _sum(lasting, "ephemeral_1h_input_tokens"), _sum(lasting, "ephemeral_5m_input_tokens")
    write = max(_sum(counted, "cache_creation_input_tokens"), hour + minutes)
    return Usage(
        input_tokens=_sum(counted, "input_tokens") + read + write,
        output_tokens=_sum(counted, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=hour,
        reasoning_tokens=count(usage.get("output_tokens_details"), "thinking_tokens"),
        searches=count(usage.get("server_tool_use"), "web_search_requests"),
        service_tier=tier_of(usage.get("service_tier")) or tier_of(usage.get("speed")),
    )


def chat_usage(usage: Any, service_tier: Any = None) -> Usage | None:
    """Chat completions'. Cached parts stand inside `prompt_tokens`, reasoning inside `completion_tokens`; the tier beside the usage.

    Gemini and xAI leave their thoughts out of `completion_tokens` and put them into `total_tokens` only; they are written and billed all
    the same.
    """
    if not isinstance(usage, dict):
        return None
    prompt, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    written = max(completion, count(usage, "total_tokens") - prompt)
    if usage.keys() <= _PLAIN:
        return Usage(prompt, written, reasoning_tokens=written - completion, service_tier=tier_of(service_tier))
    details = usage.get("prompt_tokens_details")
    # OpenAI's name, DeepSeek's, Moonshot's
    cached = count(details, "cached_tokens") or count(usage, "prompt_cache_hit_tokens") or count(usage, "cached_tokens")
    return Usage(
        input_tokens=prompt,
        output_tokens=written,
        cache_read_tokens=cached,
        cache_write_tokens=count(details, "cache_write_tokens"),
        reasoning_tokens=count(usage.get("completion_tokens_details"), "reasoning_tokens") or written - completion,
        # OpenRouter's name, Perplexity's
        searches=count(usage.get("server_tool_use"), "web_search_requests") or count(usage, "num_search_queries"),
        service_tier=tier_of(service_tier),
    )


def response_usage(response: Mapping[str, Any]) -> Usage | None:
    """Of a response that is over. Cached parts stand inside `input_tokens`, reasoning inside `output_tokens`; searches are items."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("input_tokens_details")
    lasting = details.get("cache_write_tokens_details") if isinstance(details, dict) else None
    return Usage(
        input_tokens=count(usage, "input_tokens"),
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=count(details, "cached_tokens"),
        cache_write_tokens=count(details, "cache_write_tokens"),
        cache_write_1h_tokens=count(lasting, "ttl_12h_tokens"),
        reasoning_tokens=count(usage.get("output_tokens_details"), "reasoning_tokens"),
        searches=sum(map(_is_search, response.get("output") or ())),
        service_tier=tier_of(response.get("service_tier")),
    )


def _is_search(item: Any) -> bool:
    """OpenAI charges for a search; opening a page that it found, or looking for a word there, is free."""
    if not isinstance(item, dict) or item.get("type") != "web_search_call" or item.get("status") == "failed":
        return False
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type", "search") == "search"


def _compactions(iterations: Any) -> list[Mapping[str, Any]]:
    each = iterations if isinstance(iterations, list) else ()
    return [one for one in each if isinstance(one, dict) and one.get("type") == "compaction"]


def _sum(parts: Iterable[Any], name: str) -> int:
    return sum(count(part, name) for part in parts)
