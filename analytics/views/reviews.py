"""The weekly reviews: the list, one of them to read and to print, and as files."""

import datetime as dt

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from analytics import queries, reports, reviews
from analytics.charts import spend as charts
from analytics.models import Review
from routing.views.access import page

PAGE = 26
FILES = {"markdown": ("md", "text/markdown"), "csv": ("csv", "text/csv")}


@page()
def every(request: HttpRequest) -> HttpResponse:
    """Weeks, the newest first, each with its headlines."""
    before = request.GET.get("cursor", "").replace("\x00", "")
    rows = queries.reviews()
    found = list((rows.filter(week__lt=before[:8]) if before else rows)[: PAGE + 1])
    context = {
        "reviews": found[:PAGE],
        "first": not before,
        "next": found[PAGE - 1].week if len(found) > PAGE else None,
    }
    return render(request, "analytics/reviews.html", context)


@page()
def review(request: HttpRequest, week: str) -> HttpResponse:
    one = _get(week)
    spent: dict[tuple[dt.date, str], float] = {}
    for day in queries.days(one.starts_on, one.starts_on + dt.timedelta(days=7)):
        spent[day.day, day.model] = spent.get((day.day, day.model), 0.0) + float(day.cost_usd)
    weeks = Review.objects.order_by("week").values_list("week", flat=True)
    context = {
        "review": one,
        "told": one.result,
        "spent": charts.by_day(spent) if any(spent.values()) else None,
        "earlier": weeks.filter(week__lt=week).last(),
        "later": weeks.filter(week__gt=week).first(),
    }
    return render(request, "analytics/review.html", context)


@page()
def download(request: HttpRequest, week: str, form: str) -> HttpResponse:
    """The review as a file."""
    told = _get(week).result
    if form not in FILES:
        raise Http404(f"A review comes as {' or '.join(FILES)}.")
    ending, kind = FILES[form]
    text = reports.markdown(told) if form == "markdown" else reports.as_csv(told)
    answer = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="cortex-review-{week}.{ending}"'
    return answer


def _get(week: str) -> Review:
    try:
        reviews.monday(week)
    except reviews.BadWeek as error:
        raise Http404(str(error)) from error
    return get_object_or_404(Review, week=week)
