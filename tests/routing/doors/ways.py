"""The wires over which a conversation may be relayed: one parameter, `way`, for what holds of each."""

from dataclasses import dataclass

from routing.terms.words import ProviderKind
from tests.routing.two_providers import ANTHROPIC, OPENAI


@dataclass(frozen=True)
class Way:
    path: str
    wire: str
    kind: ProviderKind

    @property
    def other(self) -> ProviderKind:
        return OPENAI if self.kind is ANTHROPIC else ANTHROPIC


WAYS = {
    "messages": Way("/v1/messages", "anthropic", ANTHROPIC),
    "chat": Way("/v1/chat/completions", "openai_chat", OPENAI),
    "responses": Way("/v1/responses", "openai_responses", OPENAI),
}
