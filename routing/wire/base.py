"""What every wire reads and writes: the interface, and the values that pass through it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

from routing.terms.event import StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.quick import quick
from routing.terms.raw import Raw
from routing.terms.request import Answer, Request

# What a translated request carries to any provider. A need beyond these is met by a provider of the same wire alone.
TRANSLATED = frozenset({"tools", "images", "json_schema", "thinking", "documents"})

NAME_CHARS = 64  # of a tool at OpenAI; Anthropic takes 128

Delta = TextDelta | ThinkingDelta | ToolCallDelta


class Unreadable(Exception):
    """A body that is not what its wire says. The door answers 400 with the path."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class Names:
    """What the caller calls the tools that are passed on under another name or as another kind."""

    custom: frozenset[str] = frozenset()  # tools that take a text and no JSON: passed on with one argument, `input`
    own: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # the passed-on name → (namespace or "", name)

    def called(self, name: str) -> tuple[str, str]:
        """(namespace or "", name) by which the caller knows the tool."""
        return self.own.get(name, ("", name))


def short(name: str) -> str:
    """The name of a tool, short enough for every provider, and the same each time."""
    if len(name) <= NAME_CHARS:
        return name
    return f"{name[: NAME_CHARS - 9]}_{blake2b(name.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says beside its content."""

    id: str  # without the wire's prefix
    model: str  # as the client asked for it
    created: int  # seconds since 1970
    include_usage: bool = False  # in a stream of the chat wire
    names: Names = Names()
    echo: Mapping[str, Any] = field(default_factory=dict)  # fields of the request that the wire's answer repeats


@quick
@dataclass(frozen=True, slots=True)
class Asked:
    """A body, read."""

    model: str
    request: Request
    stream: bool = False
    needs: frozenset[str] = frozenset()  # what a candidate must be able to do; see TRANSLATED
    include_usage: bool = False
    session: str = ""  # the client's own name of it, where its body carries one
    pins: str | None = None  # the stored answer that it goes on from, which its provider alone has
    names: Names = Names()
    echo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bound(self) -> frozenset[str]:
        """The needs that no translation carries: only a provider of the same wire, spoken to in it, can meet them."""
        return self.needs - TRANSLATED

    def told(self, id: str, created: int) -> Told:
        return Told(id, self.model, created, self.include_usage, self.names, self.echo)


class Stream(Protocol):
    """One streamed answer as the wire's server-sent events: start, feed …, then end or error, once. Holds the state of one call."""

    def start(self, told: Told, begun: StreamStart) -> bytes: ...

    def feed(self, event: Delta) -> bytes: ...

    def end(self, answer: Answer) -> bytes: ...

    def error(self, status: int, code: str, message: str) -> bytes: ...


class Wire(Protocol):
    """A wire is a module with these."""

    def glance(self, body: bytes, raw: Raw | None = None) -> Asked | None:
        """What `read` would say of the body, its request with `raw` in place of the conversation; None where only a reading can tell."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """What the body asks for. Raises Unreadable."""

    def answer(self, answer: Answer, told: Told) -> dict[str, Any]:
        """The whole answer, not streamed."""

    def error(
        self, status: int, code: str, message: str, request_id: str = "", details: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The body of an error. Of `details` a wire tells `path`, where it has a place for it."""

    def Stream(self) -> Stream:
        """A new stream."""


def blocks_of(answer: Answer) -> Iterator[Mapping[str, Any]]:
    """The answer's content in Anthropic's blocks, in order: the provider's own, else made of its parts."""
    if answer.blocks:
        yield from answer.blocks
        return
    if answer.thinking:
        yield {"type": "thinking", "thinking": answer.thinking}
    if answer.output:
        yield {"type": "text", "text": answer.output}
    for call in answer.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def joined(texts: Sequence[str]) -> str | None:
    """Texts as one, a blank line between them; None for none."""
    return "\n\n".join(text for text in texts if text) or None


def needs_of(request: Request) -> set[str]:
    """What the translated request needs of any model."""
    kinds = {part.get("type") for part in _parts(request)}
    needs = {need for need, kind in (("images", "image"), ("documents", "document")) if kind in kinds}
    if request.tools:
        needs.add("tools")
    if request.response_format and request.response_format.schema is not None:
        needs.add("json_schema")
    if request.thinking_budget:
        needs.add("thinking")
    return needs


def _parts(request: Request) -> list[Mapping[str, Any]]:
    parts = [part for turn in request.messages if not isinstance(turn.content, str) for part in turn.content]
    inner = [part["content"] for part in parts if isinstance(part.get("content"), list)]
    return parts + [part for content in inner for part in content if isinstance(part, Mapping)]
