"""How much to think: in tokens where a provider counts them, in words where it takes words, in each model's own words.

The bounds are those that LiteLLM uses the other way round (low 1,024, medium 2,048, high 4,096), so that a request means the same there.
"""

# The words beyond "high" double on.
BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16_384}


def effort(budget: int) -> str:
    """ "low", "medium" or "high" for a budget in tokens; "" for none."""
    if budget <= 0:
        return ""
    if budget < 2048:
        return "low"
    return "medium" if budget < 4096 else "high"


def anthropic_effort(word: str, born: tuple[int, int] | None) -> str:
    """The word as a Claude of that generation knows it; "" for none. "xhigh" came with 4.7, "max" with 4.6."""
    if word in ("", "none"):
        return ""
    if word == "minimal":
        return "low"
    knows_xhigh = born is not None and (born >= (4, 7) or born == (0, 0))
    return "high" if word == "xhigh" and not knows_xhigh else word


def openai_effort(word: str, born: tuple[int, int] | None) -> str:
    """The word as an OpenAI model of that generation knows it, or the nearest; "" for none that it knows.

    `born` is (5, 2) for gpt-5.2 and None for what is no GPT: all know low, medium and high. "minimal" is gpt-5's alone; "none" came
    in its place with 5.1, "xhigh" with 5.2.
    """
    match word:
        case "none":
            if born is None:
                return ""
            return "none" if born >= (5, 1) else "minimal"
        case "minimal":
            return "minimal" if born == (5, 0) else "low"
        case "xhigh" | "max":
            return "xhigh" if born is not None and born >= (5, 2) else "high"
    return word
