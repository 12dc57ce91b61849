"""How the console writes things: numbers, times, states, model colours, icons, figures. `{% load cortex_ui %}`.

An unknown is "–" wherever it stands, never 0: every filter here takes None and says so. Numbers come back as text with
their unit, so that a table, a card and a tooltip agree to the digit.

Over 300 lines in one module, for templates load a library by one name.
"""

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.core.serializers.json import DjangoJSONEncoder
from django.forms import BoundField
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

UNKNOWN = "–"
PERCENT = "\N{NO-BREAK SPACE}%"
SPRITE = "vendor/tabler-icons/sprite.svg"

# What a state means to a reader, and the word for it where the bare word would not do. Kinds: good, warn, bad, info, off.
# The words are those of routing.terms.words; a page never shows a state by its colour alone.
_STATES: dict[str, tuple[str, str]] = {
    "ready": ("good", "ready"), "healthy": ("good", "healthy"), "ok": ("good", "ok"), "good": ("good", "good"),
    "closed": ("good", "ready"), "approved": ("good", "approved"), "done": ("good", "done"),
    "watching": ("warn", "watching"), "cooldown": ("warn", "cooling down"), "half_open": ("warn", "probing"),
    "degraded": ("warn", "degraded"), "partial": ("warn", "partial"), "warning": ("warn", "warning"),
    "retiring": ("warn", "retiring"), "one_provider": ("warn", "one provider"), "expired": ("off", "expired"),
    "open": ("info", "open"), "running": ("info", "running"), "queued": ("info", "queued"), "info": ("info", "info"),
    "simulated": ("info", "simulated"), "circuit_open": ("bad", "circuit open"), "error": ("bad", "error"),
    "bad": ("bad", "bad"), "critical": ("bad", "critical"), "failed": ("bad", "failed"),
    "quota_exhausted": ("bad", "quota exhausted"), "exhausted": ("bad", "exhausted"), "not_ready": ("bad", "not ready"),
    "blocked": ("bad", "blocked"), "retired": ("bad", "retired"), "budget": ("bad", "budget spent"),
    "within": ("good", "within its limit"), "reached": ("warn", "limit reached"),
    "rejected": ("off", "rejected"), "cancelled": ("off", "cancelled"), "unknown": ("warn", "unknown"),
}  # fmt: skip

# The seeds' models have a slot of their own; any other takes one by the hash of its name. 12 slots: cortex.css.
_SLOTS = 12
_OWN_SLOT = {
    "codex": 0, "sonnet": 1, "gpt": 2, "opus": 3, "gpt-4o": 5, "haiku": 7, "gemini": 8, "gemini-pro": 8, "local": 9,
    "gemini-flash": 10,
}  # fmt: skip
# A chart, which knows models and not colours, writes "var(--model:provider:slug)", or "…~20)" for 20 % opacity.
_MODEL_COLOUR = re.compile(r"^var\(--model:(.+?)(~\d{1,3})?\)$")


def _known(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) and math.isfinite(value) else None


@register.filter
def money(value: Any, decimals: int | None = None) -> str:
    """US dollars: "$1,234", "$412.80", "$0.0121"; below a hundredth of a cent two significant digits."""
    if _known(value) is None and not (isinstance(value, str) and value):
        return UNKNOWN
    amount = Decimal(str(value))
    size = abs(amount)
    if decimals is None:
        decimals = 0 if size >= 1000 else 2 if size >= 1 or size == 0 else 4
        if 0 < size < Decimal("0.0001"):
            decimals = 1 - size.adjusted()
    return f"{'−' if amount < 0 else ''}${size:,.{decimals}f}"


@register.filter
def price(value: Any) -> str:
    """US dollars for a million tokens: "$3.00", "$0.10", "$0.075": cents, and as many digits more as it has."""
    if _known(value) is None:
        return UNKNOWN
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    return money(value, max(2, -int(exponent)))


@register.filter
def ms(value: Any) -> str:
    """A duration given in milliseconds: "412 ms", "6,120 ms", "12.4 s", "2 min 5 s"."""
    duration = _known(value)
    if duration is None:
        return UNKNOWN
    if abs(duration) < 10_000:
        return f"{duration:,.0f} ms"
    seconds = duration / 1000
    return f"{seconds:.1f} s" if seconds < 120 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


@register.filter
def pct(share: Any, decimals: int = 1) -> str:
    """A share between 0 and 1 in percent. Only a true 0 or 1 reads "0 %" or "100 %": 0.9999 is ">99.9 %"."""
    known = _known(share)
    if known is None:
        return UNKNOWN
    edge = 10.0 ** -(decimals + 2) / 2
    if 0 < known < edge:
        return f"<{10.0**-decimals:.{decimals}f}{PERCENT}"
    if 1 - edge < known < 1:
        return f">{100 - 10.0**-decimals:.{decimals}f}{PERCENT}"
    return f"{known * 100:.{0 if known in (0, 1) else decimals}f}{PERCENT}"


@register.filter
def percent(value: Any) -> str:
    """A number of per cent as it was read: "92 %", "92.5 %"."""
    known = _known(value)
    return UNKNOWN if known is None else f"{known:.1f}".removesuffix(".0") + PERCENT


@register.filter
def count(value: Any) -> str:
    """How many, whole, with thousands separated: "16,743"."""
    known = _known(value)
    return UNKNOWN if known is None else f"{known:,.0f}"


@register.filter
def signed(value: Any, kind: str = "points") -> str:
    """A difference with its sign: points (share × 100), pct (relative share), money, ms or count."""
    known = _known(value)
    if known is None:
        return UNKNOWN
    size = abs(known)
    writers: dict[str, Callable[[Any], str]] = {"points": _points, "pct": _relative, "money": money, "ms": ms}
    write = writers.get(kind, count)
    return f"{'+' if known > 0 else '−' if known < 0 else '±'}{write(size)}"


def _points(share: float) -> str:
    return f"{share * 100:.1f} points"


def _relative(share: float) -> str:
    """ "12.5 %", and "11 ×" where percent would only be a long number."""
    return f"{share * 100:.1f}{PERCENT}" if share < 10 else f"{share + 1:.0f} ×"


@register.filter
def ago(moment: Any) -> SafeString:
    """A <time> that reads "3 h ago" (kept current by cortex.js), with the exact time as its title."""
    if not isinstance(moment, datetime):
        return format_html('<span class="unknown">{}</span>', "never")
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.isoformat(), local.strftime("%-d %b %Y, %H:%M:%S %Z"), _ago(timezone.now(), moment),
    )  # fmt: skip


def _ago(now: datetime, moment: datetime) -> str:
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for step, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if size >= step:
            return f"{int(size // step)} {unit} ago" if seconds > 0 else f"in {int(size // step)} {unit}"
    return "just now" if seconds >= 0 else "in a moment"


@register.filter
def day(moment: Any) -> str:
    """ "21 Nov", or "21 Nov 2025" outside this year."""
    if not isinstance(moment, date):
        return UNKNOWN
    return f"{moment.day} {moment:%b}" + ("" if moment.year == timezone.now().year else f" {moment.year}")


@register.simple_tag
def countdown(until: datetime) -> SafeString:
    """The time left, counted down by cortex.js, which fires `cortex:elapsed` at zero; without it the time of the end."""
    local = timezone.localtime(until)
    return format_html(
        '<span class="countdown" data-countdown="{}" title="until {}">until {}</span>',
        until.isoformat(), local.strftime("%-d %b %Y, %H:%M:%S %Z"), local.strftime("%H:%M"),
    )  # fmt: skip


@register.filter
def state_kind(word: Any) -> str:
    """good, warn, bad, info or off: what a state means to a reader."""
    return _STATES.get(str(word), ("off", ""))[0]


@register.filter
def state_word(word: Any) -> str:
    """The word a page shows for a state."""
    return _STATES.get(str(word), ("", str(word).replace("_", " ")))[1]


@register.simple_tag
def status(word: Any, text: str = "", until: datetime | None = None) -> SafeString:
    """A dot and a word, with the time left where there is one: `{% status "cooldown" until=model.until %}`."""
    tail = format_html(" {}", countdown(until)) if until else ""
    return format_html(
        '<span class="status-word status-{}"><span class="dot" aria-hidden="true"></span>{}{}</span>',
        state_kind(word), text or state_word(word), tail,
    )  # fmt: skip


@register.filter
def model_colour(model: Any) -> int:
    """The colour slot of a model, 0 to 11, the same on every page and in every chart. The provider plays no part in it."""
    slug = str(model).rpartition(":")[2]
    return _OWN_SLOT.get(slug, zlib.crc32(slug.encode()) % _SLOTS)


@register.filter
def slug_of(model: Any) -> str:
    """ "codex" of "openai:codex": what a chip writes large."""
    return str(model).partition(":")[2] or str(model)


@register.filter
def slugs(models: Sequence[Any]) -> str:
    """Several models in one line, by their slugs."""
    return ", ".join(map(slug_of, models))


@register.filter
def provider_of(model: Any) -> str:
    """ "openai" of "openai:codex"; "" of a bare slug."""
    provider, colon, _ = str(model).partition(":")
    return provider if colon else ""


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A Tabler icon of the sprite; decoration unless it is given a label."""
    said = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html('<svg class="icon" {}><use href="{}#{}"></use></svg>', said, static(SPRITE), name)


@register.simple_tag
def unknown(reason: str) -> SafeString:
    """ "–" with the reason it is not known, as a title and for those who listen."""
    return format_html(
        '<span class="unknown" title="{0}">–<span class="visually-hidden"> unknown: {0}</span></span>', reason
    )


@register.inclusion_tag("_nav_link.html", takes_context=True)
def nav_link(
    context: template.Context, name: str, text: str, icon_name: str, key: str = "", also: str = "", **extra: Any
) -> dict[str, Any]:
    """One line of the sidebar, hidden when no page of that name exists. `also`: other pages on which it is the current."""
    try:
        url = reverse(name)
    except NoReverseMatch:
        url = ""
    match = getattr(context.get("request"), "resolver_match", None)
    current = match is not None and match.url_name in {name, *also.split()}
    return {"url": url, "text": text, "icon_name": icon_name, "key": key, "current": current, **extra}


@register.filter
def polyline(values: Sequence[float | None]) -> list[str]:
    """Points of a sparkline in a 100 × 24 box, one string a stretch between unknowns; a flat line lies in the middle."""
    known = [v for v in values if v is not None]
    if not known:
        return []
    low, span = min(known), max(known) - min(known)
    step = 100 / max(len(values) - 1, 1)
    stretches: list[list[str]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            stretches.append([])
        else:
            y = 22 - 20 * (value - low) / span if span else 12
            stretches[-1].append(f"{i * step:.1f},{y:.1f}")
    return [" ".join(points * 2 if len(points) == 1 else points) for points in stretches if points]


@register.filter
def tenths(share: Any) -> str:
    """A share as a coordinate on a bar 100 wide, as SVG wants it: never localised, never outside the bar."""
    return f"{min(max(float(share or 0), 0.0), 1.0) * 100:.1f}"


@register.filter
def minus(value: Any, other: Any) -> Any:
    """value - other."""
    return float(value) - float(other)


@register.filter
def at(sequence: Sequence[Any], index: int) -> Any:
    """The element of a sequence at a place counted from 0; "" beyond its end."""
    return sequence[index] if index < len(sequence) else ""


@register.filter
def painted(figure: Any) -> Any:
    """A Plotly figure (or its dict) as plain JSON data, models' colours by name made into the console's tokens."""
    plain = figure.to_json() if hasattr(figure, "to_json") else json.dumps(figure, cls=DjangoJSONEncoder)
    return _paint(json.loads(plain))


def _paint(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _paint(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_paint(value) for value in node]
    if isinstance(node, str) and (match := _MODEL_COLOUR.match(node)):
        return f"var(--cx-model-{model_colour(match[1])}{match[2] or ''})"
    return node


@register.filter
def control(field: BoundField) -> SafeString:
    """A form's widget with the classes of its kind, marked invalid and tied to its help and errors."""
    kind = getattr(field.field.widget, "input_type", "textarea")
    css = {"checkbox": "form-check-input", "radio": "form-check-input", "select": "form-select"}.get(
        kind, "form-control"
    )
    attrs: dict[str, Any] = {"class": f"{css} is-invalid" if field.errors else css}
    told = [
        f"{field.auto_id}_{part}" for part, there in (("helptext", field.help_text), ("error", field.errors)) if there
    ]
    if told:
        attrs["aria-describedby"] = " ".join(told)
    return field.as_widget(attrs=attrs)
