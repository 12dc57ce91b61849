"""The arguments of the tools that agents may call, checked field by field. Unknown ones are refused: none may redirect a call."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from routing import feedback
from routing.terms.words import LabelSource, Verdict


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("must hold neither NUL nor half of a surrogate pair")
    return text


Name = Annotated[str, Field(min_length=1, max_length=241), AfterValidator(_storable)]
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\r\n]*$"), AfterValidator(_storable)]
Prompt = Annotated[str, Field(min_length=1), AfterValidator(_storable)]
Tags = Annotated[dict[Annotated[Line, Field(min_length=1)], Line], Field(max_length=16)]


class Where(BaseModel):
    """What decides which model serves."""

    model_config = ConfigDict(extra="forbid")

    task_type: Annotated[Name | None, Field(description="The kind of work. Absent: the key's default.")] = None
    project: Name | None = None
    background: Annotated[StrictBool, Field(description="Nobody waits for it: interactive models are left alone.")] = (
        False
    )
    override: Annotated[
        Name | None, Field(description="A model to use instead, as 'provider:model' or a name that one model bears.")
    ] = None
    max_tokens: Annotated[StrictInt | None, Field(ge=1, le=10_000_000)] = None
    session: Annotated[
        Line, Field(description="What belongs to one piece of work bears the same session, and keeps its model.")
    ] = ""


class DispatchArguments(Where):
    prompt: Annotated[Prompt, Field(description="The whole task: the model sees nothing else of your conversation.")]
    system: Annotated[str | None, AfterValidator(lambda text: text and _storable(text))] = None
    metadata: Annotated[Tags, Field(description="Kept with the call: a pull request, a ticket.")] = {}
    idempotency_key: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=255,
            pattern="^[!-~]+$",
            description="A word of your own for this piece of work. Asked again with it within 24 hours, you get the same answer, "
            "and no second call is made.",
        ),
    ] = None


class ExplainArguments(Where):
    prompt: Annotated[str, Field(description="Only its length counts, against the models' windows.")] = ""


class StatusArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VerdictArguments(BaseModel):
    """Exactly one of request_id, session and metadata."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["good", "bad"]
    source: Annotated[
        Literal[tuple(each.value for each in feedback.SOURCES)],  # type: ignore[valid-type]  # the words of the day
        Field(description="Who or what judged."),
    ]
    request_id: Annotated[Line, Field(description="Of one call, as dispatch told it.")] = ""
    session: Annotated[Line, Field(description="Of a whole piece of work.")] = ""
    metadata: Tags = {}
    task_type: Annotated[Line, Field(description="Narrows a session to one kind of work.")] = ""
    score: Annotated[float | None, Field(allow_inf_nan=False)] = None
    comment: Annotated[str, Field(max_length=2000), AfterValidator(_storable)] = ""

    def match(self, client: str | None) -> feedback.Match:
        return feedback.Match(self.request_id, self.session, tuple(self.metadata.items()), self.task_type, client)

    def said(self) -> feedback.Said:
        return feedback.Said(Verdict(self.verdict), LabelSource(self.source), self.score, self.comment)
