"""The body of a dispatch, checked field by field. Unknown fields are refused: none may redirect a call."""

from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, model_validator

from routing.dispatch.asked import Wish
from routing.terms.request import Message, Tool

Name = Annotated[str, Field(min_length=1, max_length=241)]
Line = Annotated[str, Field(max_length=256, pattern=r"^[^\r\n]*$")]
_PARTS = frozenset({"text", "image", "tool_use", "tool_result"})


class MessageIn(Schema):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]]

    @model_validator(mode="after")
    def _parts_are_known(self) -> "MessageIn":
        for part in self.content if isinstance(self.content, list) else ():
            if part.get("type") not in _PARTS:
                raise ValueError(f"content: each part's type must be one of {', '.join(sorted(_PARTS))}")
            if part["type"] == "text" and not isinstance(part.get("text"), str):
                raise ValueError("content: a text part needs a text")
        if self.role == "system" and not isinstance(self.content, str):
            raise ValueError("content: of a system message must be text")
        return self


class ToolIn(Schema):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]
    description: Annotated[str, Field(max_length=20_000)] = ""
    parameters: dict[str, Any] = Field(default_factory=dict, alias="schema", description="JSON Schema of the arguments")


class DispatchIn(Schema):
    """A call: a task type and a prompt; all else is optional."""

    model_config = ConfigDict(extra="forbid")

    task_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=10_000)] | None = None
    prompt: Annotated[str, Field(min_length=1)] | None = None
    system: str | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000, strict=True)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    tools: Annotated[list[ToolIn], Field(max_length=1000)] = []
    thinking_budget: Annotated[int, Field(ge=0, le=10_000_000, strict=True)] = 0
    stream: bool = False
    project: Name | None = None
    session: Annotated[str, Field(max_length=200, pattern=r"^[^\r\n]*$")] | None = None
    background: bool = False
    context: Annotated[
        list[Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9_]+$")]],
        Field(
            max_length=16,
            description="Conditions that hold for this call, such as in_session, dispatched, interactive, batch, debugging, local. "
            "The first that a route of the task type names decides; those that none names change nothing, and explain tells them.",
        ),
    ] = []
    override: Name | None = None
    override_text: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    fallback: Literal["route", "none"] = "route"
    second_opinion: bool = False
    author_call_id: UUID | None = None
    author_model: (
        Annotated[
            Name,
            Field(
                description="Who wrote what is to be reviewed: a model, or its provider. Another provider's model reviews."
            ),
        ]
        | None
    ) = None
    metadata: Annotated[dict[Annotated[Line, Field(min_length=1)], Line], Field(max_length=16)] = {}
    timeout_ms: Annotated[int, Field(ge=1, le=86_400_000, strict=True)] | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> "DispatchIn":
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("messages or prompt: give one of the two")
        if self.override is not None and self.override_text is not None:
            raise ValueError("override or override_text: not both")
        if self.author_model is not None and self.author_call_id is not None:
            raise ValueError("author_model or author_call_id: not both")
        if self.thinking_budget and self.max_tokens is not None and self.thinking_budget >= self.max_tokens:
            raise ValueError("thinking_budget: must be less than max_tokens")
        if self.messages is not None and all(message.role == "system" for message in self.messages):
            raise ValueError("messages: one must be of the user")
        return self

    def as_wish(self, *, size_bytes: int, author: str | None) -> Wish:
        """What the policy and the adapters take; system messages become the system text."""
        said = self.messages or [MessageIn(role="user", content=self.prompt or "")]
        system = [self.system] if self.system else []
        system += [each.content for each in said if each.role == "system" and isinstance(each.content, str)]
        return Wish(
            messages=[Message(each.role, each.content) for each in said if each.role != "system"],
            size_bytes=size_bytes,
            task_type=self.task_type,
            system="\n\n".join(system) or None,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            tools=[Tool(each.name, each.description, each.parameters) for each in self.tools],
            thinking_budget=self.thinking_budget,
            project=self.project,
            session=self.session or "",
            background=self.background,
            context=tuple(dict.fromkeys(self.context)),
            override=self.override,
            override_text=self.override_text,
            fallback=self.fallback,
            second_opinion=self.second_opinion,
            author=author,
            metadata=self.metadata,
            timeout_s=None if self.timeout_ms is None else self.timeout_ms / 1000,
        )
