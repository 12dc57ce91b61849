"""Cortex on a socket with both official SDKs, over two doubles: for what a program sees whose vendor is not who serves it."""

from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from routing import circuits, snapshot
from routing.audit import SYSTEM
from routing.terms.words import ProviderKind
from tests.doubles import Double
from tests.routing.two_providers import ANTHROPIC, OPENAI, publish

HELLO: Any = [{"role": "user", "content": "hello"}]
MODEL = "task:talk"


@dataclass
class There:
    """Cortex on a socket with both SDKs, over two doubles."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    first: Double
    second: Double

    def route(self, first: ProviderKind, second: ProviderKind | None = None) -> None:
        other = OPENAI if first is ANTHROPIC else ANTHROPIC
        publish([(first, self.first.url), (second or other, self.second.url)])
        snapshot.load_now()

    def forget(self) -> None:
        """As if no fault had been met yet."""
        circuits.reset(by=SYSTEM)
        snapshot.load_now()
