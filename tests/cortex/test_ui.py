"""How the console writes things: one way each, and an unknown is never 0."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django import forms
from django.template import Context, RequestContext, Template
from django.template.loader import render_to_string
from django.test import RequestFactory

from cortex.templatetags import cortex_ui as ui
from routing.terms import words

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def render(source: str, **context: Any) -> str:
    return re.sub(r"\s+", " ", Template("{% load cortex_ui %}" + source).render(Context(context))).strip()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "–", id="unknown"),
        pytest.param("", "–", id="empty"),
        pytest.param(float("nan"), "–", id="not a number"),
        pytest.param(Decimal(0), "$0.00", id="a known nothing"),
        pytest.param(Decimal("1234.5"), "$1,234", id="thousands need no cents (half to even)"),
        pytest.param(Decimal("412.8"), "$412.80", id="dollars"),
        pytest.param(Decimal("0.0121"), "$0.0121", id="cost of a call"),
        pytest.param(Decimal("0.0000031"), "$0.0000031", id="below a hundredth of a cent"),
        pytest.param("3.075", "$3.08", id="a decimal string"),
        pytest.param(Decimal("-3"), "−$3.00", id="negative"),
    ],
)
def test_money(value: Any, text: str) -> None:
    assert ui.money(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (Decimal("3.000000"), "$3.00"),
        (Decimal("0.1"), "$0.10"),
        (Decimal("0.075"), "$0.075"),
        (0, "$0.00"),
    ],
)
def test_a_price_has_cents_and_as_many_digits_more_as_it_needs(value: Any, text: str) -> None:
    assert ui.price(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 ms"), (412.4, "412 ms"), (6120, "6,120 ms"), (12_400, "12.4 s"), (125_000, "2 min 5 s")],
)
def test_a_duration_keeps_its_unit(value: Any, text: str) -> None:
    assert ui.ms(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"), (0, "0 %"), (1, "100 %"), (0.978, "97.8 %"), (Decimal("0.978"), "97.8 %"), (0.0004, "<0.1 %"),
        (0.9999, ">99.9 %"), (0.9994, "99.9 %"), (float("inf"), "–"),
    ],
)  # fmt: skip
def test_only_a_true_0_or_1_reads_as_none_or_all(share: Any, text: str) -> None:
    assert ui.pct(share) == text


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.032, "points", "+3.2 points"), (-0.1, "points", "−10.0 points"), (0, "points", "±0.0 points"), (None, "ms", "–"),
        (0.041, "pct", "+4.1 %"), (39, "pct", "+40 ×"), (-210, "ms", "−210 ms"), (Decimal("-12.5"), "money", "−$12.50"),
        (1500, "count", "+1,500"),
    ],
)  # fmt: skip
def test_a_difference_carries_its_sign(value: Any, kind: str, text: str) -> None:
    assert ui.signed(value, kind) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=20), "just now"), (timedelta(minutes=5), "5 min ago"), (timedelta(hours=3), "3 h ago"),
        (timedelta(days=2, hours=5), "2 d ago"), (timedelta(minutes=-5), "in 5 min"),
    ],
)  # fmt: skip
@time_machine.travel(NOW, tick=False)
def test_a_moment_reads_relative_and_keeps_the_exact_time(before: timedelta, text: str) -> None:
    html = ui.ago(NOW - before)
    assert f">{text}</time>" in html
    assert f'datetime="{(NOW - before).isoformat()}"' in html


def test_a_moment_that_never_was_says_never() -> None:
    assert "never" in ui.ago(None)


@time_machine.travel(NOW, tick=False)
def test_a_day_names_its_year_only_when_it_is_another() -> None:
    assert ui.day(date(2026, 11, 3)) == "3 Nov"
    assert ui.day(date(2025, 12, 31)) == "31 Dec 2025"
    assert ui.day(None) == "–"


def test_every_word_of_the_vocabulary_that_a_page_shows_as_a_state_has_a_meaning() -> None:
    shown = [*words.Status, *words.Severity, *words.ProposalStatus, *words.JobStatus, *words.CircuitState]
    neutral = {"cancelled", "unknown", "superseded"}
    assert [w for w in shown if ui.state_kind(w) == "off" and w not in neutral | {"expired", "rejected"}] == []
    assert [ui.state_kind(w) for w in ("cooldown", "circuit_open", "quota_exhausted", "not_ready")] == ["warn"] + [
        "bad"
    ] * 3


def test_a_state_is_told_by_a_word_and_not_by_its_colour_alone() -> None:
    assert re.search(r'class="dot" aria-hidden="true"></span>cooling down <span', ui.status("cooldown", until=NOW))
    assert "not in route" in ui.status("not_in_route")


def test_a_model_keeps_its_colour_whoever_provides_it() -> None:
    assert ui.model_colour("anthropic:opus") == ui.model_colour("opus") == ui.model_colour("openrouter:opus")
    seeded = ["opus", "sonnet", "haiku", "codex", "gpt-4o", "gpt", "gemini-pro", "gemini-flash", "local"]
    assert len({ui.model_colour(m) for m in seeded}) == len(seeded)
    assert {ui.model_colour(f"m{i}") for i in range(200)} == set(range(12))


@pytest.mark.parametrize(
    ("given", "painted"),
    [
        pytest.param("var(--model:anthropic:opus)", "var(--cx-model-3)", id="a model"),
        pytest.param("var(--model:anthropic:opus~20)", "var(--cx-model-3~20)", id="see-through"),
        pytest.param("var(--model:local:opus (turbo))", None, id="a name with brackets"),
        pytest.param("var(--cx-good)", "var(--cx-good)", id="a token"),
        pytest.param("opus", "opus", id="text"),
    ],
)
def test_a_figure_is_painted_by_the_names_of_its_models(given: str, painted: str | None) -> None:
    figure = {"data": [{"line": {"color": given}, "x": [date(2026, 11, 1)], "y": [1.5]}], "layout": {}}
    trace = ui.painted(figure)["data"][0]
    assert trace["line"]["color"] == (painted or f"var(--cx-model-{ui.model_colour('opus (turbo)')})")
    assert trace["x"] == ["2026-11-01"]


def test_a_sparkline_breaks_where_it_is_unknown() -> None:
    assert ui.polyline([0.5, 1.0, None, 0.5]) == ["0.0,22.0 33.3,2.0", "100.0,22.0 100.0,22.0"]
    assert ui.polyline([0.9, 0.9]) == ["0.0,12.0 100.0,12.0"]
    assert ui.polyline([None]) == []


def test_a_rate_never_stands_without_its_n() -> None:
    html = render('{% include "_rate.html" with rate=0.3 n=70 low=0.2 high=0.42 only %}')
    assert "30.0 %" in html
    assert "n 70" in html
    assert "20.0 % – 42.0 %" in html


def test_an_unknown_rate_says_why_and_is_not_0() -> None:
    html = render('{% include "_rate.html" with rate=None n=3 reason="needs 100 graded calls" only %}')
    assert 'title="needs 100 graded calls"' in html
    assert "0 %" not in html


@pytest.mark.parametrize(
    ("value", "good", "css"),
    [(0.03, "up", "delta-good"), (-0.03, "up", "delta-bad"), (-210, "down", "delta-good"), (210, "down", "delta-bad"),
     (0, "up", "delta-flat"), (5, "", "delta-flat")],
)  # fmt: skip
def test_a_change_is_coloured_by_whether_it_is_good(value: float, good: str, css: str) -> None:
    html = render('{% include "_delta.html" with value=value kind="count" good=good only %}', value=value, good=good)
    assert css in html


def test_stored_text_is_text_in_every_partial() -> None:
    evil = '"><script>alert(1)</script>'
    lines = [{"field": evil, "before": evil, "after": "x"}]
    table = {"columns": [{"label": evil}], "rows": [[evil]]}
    figure = {"data": [{"name": evil}], "layout": {}}
    html = render(
        '{% include "_chip.html" with model=evil provider=evil health=evil %}{% include "_diff.html" %}{% unknown evil %}'
        '{% include "_empty.html" with title=evil text=evil %}{% include "_copy.html" with id="c" text=evil %}'
        '{% include "_conflict.html" with who=evil what=evil reason=evil %}{% icon evil evil %}{% status evil evil %}'
        '{% include "_figure.html" with id="f" title=evil caption=evil %}{% include "_stat.html" with label=evil value=evil %}',
        evil=evil, lines=lines, table=table, figure=figure,
    )  # fmt: skip
    assert "<script>alert" not in html
    embedded = re.search(r'<script id="f" type="application/json">(.*?)</script>', html)
    assert embedded is not None
    assert json.loads(embedded[1])["data"][0]["name"] == evil


def test_no_template_of_ours_carries_inline_script_or_style() -> None:
    from django.conf import settings

    found = [
        f"{file.name}: {hit}"
        for file in settings.BASE_DIR.joinpath("templates").rglob("*.html")
        for hit in re.findall(
            r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=\"|hx-on|hx-vals=.js:", file.read_text()
        )
    ]
    assert found == []


class NoteForm(forms.Form):
    note = forms.CharField(help_text="Shown in the table", max_length=5)
    loud = forms.BooleanField(required=False)
    kind = forms.ChoiceField(choices=[("a", "A")])


def test_a_field_is_tied_to_its_help_and_its_error() -> None:
    html = render('{% include "_field.html" with field=form.note only %}', form=NoteForm({"note": "too long"}))
    assert 'aria-describedby="id_note_helptext id_note_error"' in html
    assert 'id="id_note_helptext"' in html
    assert 'id="id_note_error"' in html
    assert 'class="form-control is-invalid"' in html


def test_each_kind_of_control_gets_its_own_look() -> None:
    form = NoteForm()
    assert 'class="form-check-input"' in ui.control(form["loud"])
    assert 'class="form-select"' in ui.control(form["kind"])


def test_the_navigation_hides_pages_that_do_not_exist_and_marks_the_current_one() -> None:
    request = RequestFactory().get("/")
    context = RequestContext(request, {})
    gone = Template('{% load cortex_ui %}{% nav_link "no-such-page" "Nothing" "x" %}').render(context)
    there = Template('{% load cortex_ui %}{% nav_link "account_login" "Log in" "login" count=3 what="open" %}').render(
        context
    )
    assert gone.strip() == ""
    assert "Log in" in there
    assert ">3<" in there
    assert "aria-current" not in there


@pytest.mark.parametrize("code", ["403", "404", "500", "403_csrf"])
def test_an_error_page_stands_without_any_context(code: str) -> None:
    assert "To the console" in render_to_string(f"{code}.html")


def test_every_icon_a_template_names_is_in_the_sprite() -> None:
    from django.conf import settings

    sprite = (settings.BASE_DIR / "static" / ui.SPRITE).read_text()
    named = set()
    for file in settings.BASE_DIR.joinpath("templates").rglob("*.html"):
        text = file.read_text()
        named |= set(re.findall(r'{% icon "([\w-]+)"', text)) | set(
            re.findall(r'{% nav_link "[^"]*" "[^"]*" "([\w-]+)"', text)
        )
    assert [name for name in sorted(named) if f'id="{name}"' not in sprite] == []
