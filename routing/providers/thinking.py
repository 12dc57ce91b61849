"""What a `thinking_budget` in tokens is called where a provider takes words.

The bounds are those that LiteLLM uses the other way round (low 1,024, medium 2,048, high 4,096), so that a request means the same there.
"""


def effort(budget: int) -> str:
    """ "low", "medium" or "high" for a budget in tokens; "" for none."""
    if budget <= 0:
        return ""
    if budget < 2048:
        return "low"
    return "medium" if budget < 4096 else "high"
