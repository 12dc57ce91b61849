"""The bodies and query strings of calls and verdicts, as the API takes them."""

from datetime import date, datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from routing import feedback
from routing.terms.words import LabelSource, Role, Status, Verdict


def _zoned(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("has no zone; write 2026-11-21T12:00:00Z")
    return moment


def storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character")
    text.encode()  # a lone surrogate raises a ValueError
    return text


Text = Annotated[str, Field(max_length=200), AfterValidator(storable)]
Moment = Annotated[datetime, AfterValidator(_zoned)]


class CallFilter(Schema):
    """A bare date is its first moment in the configured zone."""

    model_config = ConfigDict(extra="ignore")
    task_type: Text = ""
    provider: Text = ""
    model: Text = ""
    role: Role | None = None
    status: Status | None = None
    client: Text = ""
    session: Text = ""
    since: Moment | date | None = None
    until: Moment | date | None = None


class VerdictIn(Schema):
    model_config = ConfigDict(extra="forbid")
    verdict: Literal[Verdict.GOOD, Verdict.BAD]
    source: LabelSource
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    comment: Annotated[str, Field(max_length=2000), AfterValidator(storable)] = ""
    observed_at: Moment | None = None

    @model_validator(mode="after")
    def _not_an_import(self) -> "VerdictIn":
        if self.source not in feedback.SOURCES:
            raise ValueError("source: an import's verdicts come with its rows")
        return self

    def said(self) -> feedback.Said:
        return feedback.Said(Verdict(self.verdict), self.source, self.score, self.comment, self.observed_at)


class MatchIn(Schema):
    model_config = ConfigDict(extra="forbid")
    request_id: Text = ""
    session: Text = ""
    metadata: Annotated[dict[Text, Text], Field(max_length=16)] = {}
    task_type: Text = ""
    client: Text | None = None


class MatchedVerdictIn(VerdictIn):
    match: MatchIn
