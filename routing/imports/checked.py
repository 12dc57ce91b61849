"""One line's cells as the values of a staging row, or the reason why not."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from uuid import UUID

from routing.imports.columns import COST, BadValue, Cells
from routing.terms.ids import item_digest, tail7, time_of
from routing.terms.words import ErrorKind, Role, Status

# The staging table, in the order of `Checker.line`.
STAGED = {
    "line": "int",
    "ts": "timestamptz",
    "task_type": "text",
    "provider": "text",
    "model": "text",
    "role": "text",
    "propensity": "float8",
    "success": "bool",
    "attempt": "smallint",
    "input_tokens": "int",
    "output_tokens": "int",
    "ttft_ms": "int",
    "total_ms": "int",
    "cost_usd": "numeric(20, 10)",
    "size": "int",
    "request_id": "text",
    "session": "text",
    "client": "text",
    "status": "text",  # null: not said
    "error_kind": "text",  # null: not said
    "simulated": "bool",
    "own": "uuid",  # the request_id, where it is the name of a call made by Cortex at about that time
    "tail": "text",  # else the lower 80 bits of the call's id follow from the request_id
    "item": "uuid",
    **dict.fromkeys(COST, "int"),
    "service_tier": "text",  # null: not said
    "estimated": "bool",  # null: not said
}
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)  # before there was a model to call; each month makes a partition
_INT4 = 2**31 - 1
_NOT_IN_SLUG = re.compile(r"[^a-z0-9._/:@-]+")
_PLAIN_USD = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,30})?").fullmatch
_FLAGS = {"1": "t", "0": "f", "yes": "t", "no": "f", "true": "t", "false": "f"}
_MOST_USD = Decimal(1_000_000_000)
_SELF = timedelta(minutes=1)  # a call's id and its first attempt's start are that near
NULL = "\\N"
MOST_WORDS = 50_000


class Checker:
    """Checks lines against the forms of their columns. Remembers the few words that most lines repeat.

    `task_of` and `model_of` give a name its slug where the routing table knows it as an alias.
    """

    def __init__(
        self, now: datetime, task_of: Callable[[str], str], model_of: Callable[[str, str], str], simulated: bool
    ) -> None:
        self._latest = now + timedelta(days=1)
        self._task_of, self._model_of, self._simulated = task_of, model_of, simulated
        self._words: dict[tuple[str, ...], tuple[str, str, str]] = {}
        self.named: dict[tuple[str, str], str] = {}  # (provider, model) → the name as the file has it
        self.tasks: dict[str, str] = {}  # task type → the name as the file has it

    def line(self, line: int, cells: Cells) -> str:
        """The staging row, a line of COPY's text format. Raises BadValue naming the column."""
        (ts, task, provider, model, role, propensity, tokens_in, tokens_out, ttft, total, success, cost,
         request_id, attempt, session, size, client, status, error_kind, simulated, *costs) = cells  # fmt: skip
        key = (task, provider, model, role, propensity, success, attempt, status, error_kind, simulated)
        words = self._words.get(key)
        if words is None:
            if len(self._words) > MOST_WORDS:
                self._words.clear()
            words = self._words[key] = self._read_words(*key)
        task_slug, before, after = words
        moment = self._moment(ts)
        if not request_id:
            raise BadValue("request_id: is blank")
        own = _own_name(request_id, moment)
        tail = f"{tail7(blake2b(request_id.encode('utf-8', 'replace'), digest_size=10).digest()):020x}"
        numbers = (
            _whole("input_tokens", tokens_in),
            _whole("output_tokens", tokens_out),
            _whole("ttft_ms", ttft, rounded=True),
            _whole("total_ms", total, rounded=True),
            _usd(cost),
            _whole("size", size, rounded=True),
        )
        names = (_text("request_id", request_id, 200), _text("session", session, 200), _text("client", client, 120))
        item = item_digest(task_slug, client, session or request_id).hex()
        told = _costs(*costs) if any(costs) else _NO_COSTS
        return "\t".join((str(line), moment.isoformat(), before, *numbers, *names, after, own, tail, item, told))

    def _read_words(
        self, task: str, provider: str, model: str, role: str, propensity: str, success: str, attempt: str,
        status: str, error_kind: str, simulated: str,
    ) -> tuple[str, str, str]:  # fmt: skip
        """The task type's slug, and the columns that most lines share with many: those up to `attempt`, and those of its end."""
        provider_slug = slug("provider", provider)
        if ":" in provider_slug:
            raise BadValue(f"provider: {provider[:60]!r} has a colon, which separates provider and model")
        model_slug = self._model_of(provider_slug, slug("model", model))
        task_slug = self._task_of(slug("task_type", task))
        said_status = _word("status", status, Status) if status else NULL
        said_error = _word("error_kind", error_kind, ErrorKind) if error_kind else NULL
        if error_kind and not status:
            said_status = Status.ERROR
        before = (
            task_slug,
            provider_slug,
            model_slug,
            _word("role", role or Role.PRIMARY, Role),
            _share(propensity),
            _flag("success", success, NULL),
            _attempt(attempt),
        )
        after = (
            said_status,
            "" if status and not error_kind else said_error,
            _flag("simulated", simulated, "t" if self._simulated else "f"),
        )
        self.named.setdefault((provider_slug, model_slug), model)
        self.tasks.setdefault(task_slug, task)
        return task_slug, "\t".join(before), "\t".join(after)

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadValue(f"ts: {text[:40]!r} is not an ISO 8601 time" if text else "ts: is blank") from None
        if moment.tzinfo is None:
            raise BadValue(f"ts: {text[:40]!r} has no zone; write 2026-11-21T12:00:00Z")
        if not EARLIEST <= moment <= self._latest:
            raise BadValue(f"ts: {text[:40]!r} is before {EARLIEST:%Y}, or in the future")
        return moment


def _costs(*cells: str) -> str:
    """The columns of COST, which most files lack."""
    *counts, tier, estimated = zip(COST, cells, strict=True)
    numbers = [_whole(name, text) for name, text in counts]
    return "\t".join((*numbers, _text(*tier, 24) if tier[1] else NULL, _flag(*estimated, NULL)))


_NO_COSTS = "\t".join([NULL] * len(COST))


def slug(column: str, name: str) -> str:
    """The name as the routing table writes it: "Qwen/Qwen3 235B" becomes "qwen/qwen3-235b". Raises BadValue."""
    if not name:
        raise BadValue(f"{column}: is blank")
    if len(name) > 120 or not name.isprintable():
        raise BadValue(f"{column}: is longer than 120 characters, or has one that cannot be printed")
    text = _NOT_IN_SLUG.sub("-", name.lower()).lstrip("._/:@-").rstrip("-")
    if not text:
        raise BadValue(f"{column}: {name!r} has no letter or digit")
    return text


def _word(column: str, text: str, words: type[Role] | type[Status] | type[ErrorKind]) -> str:
    try:
        return words(text.lower()).value
    except ValueError:
        raise BadValue(f"{column}: {text[:40]!r} is none of {', '.join(words)}") from None


def _text(column: str, text: str, longest: int) -> str:
    if len(text) > longest or not text.isprintable():
        raise BadValue(f"{column}: is longer than {longest} characters, or has one that cannot be printed")
    return text.replace("\\", "\\\\")


def _flag(column: str, text: str, blank: str) -> str:
    try:
        return _FLAGS[text.lower()] if text else blank
    except KeyError:
        raise BadValue(f"{column}: {text[:40]!r} is not 1, 0 or blank") from None


def _attempt(text: str) -> str:
    number = _whole("attempt", text)
    if number == NULL or not 1 <= int(number) <= 1000:
        raise BadValue("attempt: is not a number from 1 to 1000")
    return number


def _whole(column: str, text: str, *, rounded: bool = False) -> str:
    """A whole number from 0 on; NULL when blank. `638.0` is 638; a fraction is refused unless it may be rounded."""
    if len(text) < 10 and text.isdecimal() and text.isascii():
        return text
    if not text:
        return NULL
    number = _decimal(column, text)
    if number > _INT4 or not (rounded or number == number.to_integral_value()):
        raise BadValue(f"{column}: {text[:40]!r} is not a whole number up to {_INT4}")
    return str(round(number))


def _decimal(column: str, text: str) -> Decimal:
    try:
        number = Decimal(text) if len(text) <= 40 else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise BadValue(f"{column}: {text[:40]!r} is not a number from 0 on")
    return number


def _usd(text: str) -> str:
    """Blank is unpriced, never 0."""
    if _PLAIN_USD(text):
        return text
    if not text:
        return NULL
    number = _decimal("cost_usd", text)
    if number >= _MOST_USD:
        raise BadValue(f"cost_usd: {text[:40]!r} is more than a call can cost")
    return str(number)


def _share(text: str) -> str:
    if not text:
        return NULL
    number = float(_decimal("propensity", text))
    if not 0 < number <= 1:
        raise BadValue(f"propensity: {text[:40]!r} is not a probability above 0 and up to 1")
    return repr(number)


def _own_name(request_id: str, moment: datetime) -> str:
    """The request_id as the id of a call of Cortex, if it is one and its time fits."""
    if len(request_id) != 36 or request_id[14] != "7":
        return NULL
    try:
        name = UUID(request_id)
    except ValueError:
        return NULL
    made = time_of(name)
    is_near = made is not None and abs(moment - made) <= _SELF
    return request_id if is_near and str(name) == request_id else NULL
