"""How each model behaves when it is simulated: invented, plausible numbers for people without keys and for sample history.

They describe no real model's quality. What they are made to contain: a cheap model that is weak at some kinds of work (haiku at meeting
summaries and code search), one that does as well as a dearer one (haiku at translating), and many pairs that hardly differ.
"""

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Work:
    """The size of one call of a task type: lognormal, medians in tokens."""

    input_median: float
    output_median: float
    sigma: float = 0.6  # of ln tokens, both ways


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    input_tokens: int
    output_tokens: int
    ttft_ms: int
    total_ms: int
    failed: bool  # a provider fault, whatever the output would have been
    success: bool  # the output achieved the task; False when failed


@dataclass(frozen=True, slots=True)
class Profile:
    model: str  # slug
    success: float  # share of outputs that achieve a task not named below
    success_by_task: Mapping[str, float] = field(default_factory=dict)
    ttft_median_ms: float = 700.0
    ms_per_token: float = 14.0
    latency_sigma: float = 0.35  # of ln ms: p95 ≈ 1.8 × the median
    tokenizer: float = 1.0  # tokens it counts for four bytes of text
    verbosity: float = 1.0  # of the work's output
    fault_rate: float = 0.004  # overloads, timeouts, broken answers

    def success_rate(self, task_type: str) -> float:
        return self.success_by_task.get(task_type, self.success)

    def draw(self, task_type: str, rng: random.Random) -> SimulatedCall:
        """One call of `task_type`. The same rng state gives the same call."""
        work = WORK.get(task_type, DEFAULT_WORK)
        read = work.input_median * self.tokenizer * math.exp(rng.gauss(0, work.sigma))
        written = work.output_median * self.verbosity * math.exp(rng.gauss(0, work.sigma))
        ttft_ms, total_ms = self.latency_ms(written, rng)
        failed = rng.random() < self.fault_rate
        good = rng.random() < self.success_rate(task_type)
        return SimulatedCall(
            input_tokens=max(1, round(read)),
            output_tokens=0 if failed else max(1, round(written)),
            ttft_ms=ttft_ms,
            total_ms=total_ms,
            failed=failed,
            success=good and not failed,
        )

    def latency_ms(self, output_tokens: float, rng: random.Random) -> tuple[int, int]:
        """(first token, whole answer) in ms."""
        first = self.ttft_median_ms * math.exp(rng.gauss(0, self.latency_sigma))
        rest = self.ms_per_token * output_tokens * math.exp(rng.gauss(0, self.latency_sigma / 2))
        return max(1, round(first)), max(1, round(first + rest))


DEFAULT_WORK = Work(900, 350)
WORK: Mapping[str, Work] = {
    "quick_capture": Work(220, 60),
    "meeting_summary": Work(6_500, 520),
    "complex_reasoning": Work(1_800, 1_400),
    "code_generation": Work(2_600, 1_100),
    "code_review": Work(4_200, 600),
    "content_drafting": Work(700, 900),
    "research_analysis": Work(5_000, 1_500),
    "classification": Work(320, 12, sigma=0.4),
    "bulk_ops": Work(850, 160),
    "security_audit": Work(7_500, 1_200),
    "vibe_coding": Work(3_200, 900),
    "debugging": Work(3_800, 800),
    "heartbeat": Work(150, 30, sigma=0.3),
    "background_summary": Work(4_000, 350),
    "translate": Work(800, 800),
    "code_search": Work(2_000, 200),
}

PROFILES: Mapping[str, Profile] = {
    profile.model: profile
    for profile in (
        Profile(
            "opus",
            0.945,
            {"content_drafting": 0.95, "classification": 0.965, "meeting_summary": 0.93},
            ttft_median_ms=1_250,
            ms_per_token=19,
            verbosity=1.1,
        ),
        Profile(
            "sonnet",
            0.925,
            {"meeting_summary": 0.925, "code_generation": 0.91, "classification": 0.96, "quick_capture": 0.965},
            ttft_median_ms=820,
            ms_per_token=13,
        ),
        Profile(
            "haiku",
            0.86,
            {
                "meeting_summary": 0.70,
                "code_generation": 0.80,
                "classification": 0.955,
                "quick_capture": 0.96,
                "bulk_ops": 0.93,
                "code_search": 0.80,
                "translate": 0.92,
            },
            ttft_median_ms=430,
            ms_per_token=6.5,
            verbosity=0.9,
        ),
        Profile(
            "codex",
            0.90,
            {
                "code_generation": 0.915,
                "vibe_coding": 0.93,
                "code_review": 0.92,
                "debugging": 0.92,
                "meeting_summary": 0.88,
            },
            ttft_median_ms=1_050,
            ms_per_token=12,
            tokenizer=0.95,
        ),
        Profile("gpt", 0.905, {"code_generation": 0.90}, ttft_median_ms=780, ms_per_token=11, tokenizer=0.95),
        Profile(
            "gpt-4o", 0.87, {"complex_reasoning": 0.82, "research_analysis": 0.84}, ttft_median_ms=520, ms_per_token=10
        ),
        Profile("gemini", 0.905, {"meeting_summary": 0.91}, ttft_median_ms=900, ms_per_token=9, tokenizer=1.05),
        Profile(
            "gemini-flash",
            0.87,
            {"bulk_ops": 0.93, "classification": 0.95, "code_search": 0.93, "heartbeat": 0.98, "translate": 0.92},
            ttft_median_ms=340,
            ms_per_token=4.5,
            tokenizer=1.05,
        ),
        Profile("local", 0.76, ttft_median_ms=260, ms_per_token=28, tokenizer=1.1, fault_rate=0.01),
    )
}

# Parts of upstream ids, the telling ones first: "gemini-3-flash-preview" is a flash, "gpt-5.2-codex" a codex.
NAMES = (
    ("flash", "gemini-flash"),
    ("codex", "codex"),
    ("gpt-4o", "gpt-4o"),
    ("llama", "local"),
    ("qwen", "local"),
    *((name, name) for name in ("opus", "sonnet", "haiku", "gemini", "gpt", "local")),
)


def profile(model: str) -> Profile:
    """The profile of a slug or upstream id: its own, that of the known name in it, else an ordinary one fixed by the name."""
    if model in PROFILES:
        return PROFILES[model]
    for part, known in NAMES:
        if part in model:
            return PROFILES[known]
    # The same name must behave alike in every process, so hash() will not do.
    spread = hashlib.sha256(model.encode()).digest()
    return Profile(model, 0.82 + spread[0] / 2550, ttft_median_ms=400 + 3 * spread[1], ms_per_token=6 + spread[2] / 20)
