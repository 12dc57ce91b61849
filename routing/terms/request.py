"""What a caller asks for and gets, in no provider's dialect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from routing.terms.candidate import Kept, Pin
from routing.terms.quick import quick
from routing.terms.raw import Passed, Raw


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """The routing facts of a call: all that `policy.plan` may look at. It never holds a prompt.

    Hashable, so that plans can be memoised on it.
    """

    task_type: str  # slug, already resolved
    project: str | None = None  # slug
    background: bool = False
    override: str | None = None  # "provider:model", "model" or an alias; already read from the phrase if there was one
    # The override is no wish of a person's: it is what the client's program asks for anyway, "provider:model" even where the table
    # does not list it.
    is_observed: bool = False
    fallback: Literal["route", "none"] = "route"
    author: str | None = None  # "provider:model", or "provider:", that wrote what is to be reviewed
    size: int = 0  # estimated input tokens: request bytes / 4, before routing
    max_tokens: int | None = None
    needs: frozenset[str] = frozenset()  # "tools", "images", "json_schema" …, and what a wire's reading adds
    context: tuple[str, ...] = ()  # conditions that hold: "in_session", "batch" …; the first that a route names decides
    wire: str = ""  # the client's, where that matters: with `bound` and `brings`
    brings: str = ""  # the name of the client's own credential, for its vendor's provider alone
    bound: frozenset[str] = frozenset()  # those of the needs that only a provider of the client's wire can be told
    pin: Pin | None = None  # with which model the call's session began, where the draw says another one by now
    kept: Kept | None = None  # who keeps the answer that the call goes on from: nobody else can serve it
    allowed_models: frozenset[str] | None = None  # the client's list of "provider:model"; None: all
    client: str = ""  # slug
    scopes: frozenset[str] = frozenset()  # budgets that pay besides task, project, provider: "client:ci", "key:ck_ab12"


@quick
@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant", "tool", "system"]  # system: said in the middle of a conversation; always text
    content: str | Sequence[Mapping[str, Any]]  # text, or parts: text, image, document, tool_use, tool_result
    # the parts are Anthropic's blocks; adapters translate, and each drops the thinking that another provider wrote


@quick
@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    schema: Mapping[str, Any]  # JSON Schema of the arguments
    strict: bool = False  # the arguments must match the schema
    cache_control: Mapping[str, Any] | None = None  # Anthropic's marker: cache all up to here


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model may, must or must not call a tool."""

    mode: Literal["auto", "any", "none", "tool"]
    name: str = ""  # of the one tool that must be called, with mode "tool"


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The answer is to be JSON: any object, or what matches `schema`."""

    schema: Mapping[str, Any] | None = None  # None: any object
    name: str = "answer"
    description: str = ""
    strict: bool = True  # False: the schema is a wish


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """The prompt as an adapter gets it. Lives in memory only; nothing writes it down."""

    messages: Sequence[Message]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    tools: Sequence[Tool] = ()
    thinking_budget: int = 0  # tokens; 0: none named
    stop: Sequence[str] = ()
    system_blocks: Sequence[Mapping[str, Any]] = ()  # `system` in text blocks, where some bear a cache_control; else ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None  # several calls in one answer; None: as the provider does
    response_format: JsonFormat | None = None
    top_p: float | None = None
    effort: str = ""  # "none", "minimal", "low" … "max", as the caller said it; goes before the budget
    thinks: bool | None = None  # whether to think at all; None: the caller did not say, and a budget means yes
    answers: int = 1  # so many are to be written side by side, each of at most `max_tokens`
    raw: Raw | None = None  # the same as the client wrote it, for a provider of its own wire

    def whole(self) -> "Request":
        """With its conversation, where only a glance was taken so far. Raises what the wire's reading raises."""
        raw = self.raw
        return self if raw is None or raw.read is None else replace(raw.read(), raw=raw)


@quick
@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_token_s` also bounds the wait for a non-streamed answer's headers where the wire tells them apart."""

    connect_s: float = 2.0
    first_token_s: float = 30.0
    idle_s: float = 30.0
    total_s: float = 600.0


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, normalised: `input_tokens` is everything read, cached parts included; `output_tokens` all that was written, reasoning included.

    Anthropic reports input 100 + cache_read 900: 1,000 here. OpenAI reports prompt 1,000 with 900 cached: 1,000 here.
    Its names are those of an attempt's columns.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0  # all cache writes; the long-lived part is in `cache_write_1h_tokens` too
    cache_write_1h_tokens: int = 0  # kept for an hour at Anthropic, for twelve at OpenAI
    reasoning_tokens: int = 0  # part of output_tokens
    searches: int = 0  # web searches that the provider made and charges for
    service_tier: str = ""  # "batch", "flex", "priority", "fast" … as the provider says it served; "": the standard one
    estimated: bool = False  # some of it was never told: of a stream that broke off


@quick
@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: Mapping[str, Any]


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    output: str
    stop_reason: str  # "end_turn", "max_tokens", "tool_use", "stop_sequence", "refusal"
    served_model: str  # as the provider names it
    usage: Usage | None  # None: the provider told nothing
    tool_calls: Sequence[ToolCall] = ()
    thinking: str | None = None
    provider_request_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # "stop_sequence", "stop_details": what few wires tell
    blocks: Sequence[Mapping[str, Any]] = ()  # the same in Anthropic's blocks; () where the wire has none
    stored: str = ""  # `terms.ids.stored_name` of an answer that its provider keeps; "": it keeps none
    passed: Passed | None = None  # of a relayed answer: what the provider sent. Of a relayed stream nothing is kept
