"""Evidence on the seeds' table: meeting summaries by sonnet, a third of them explored with haiku, which does better."""

import datetime as dt

from django.utils import timezone

from analytics.models import Proposal
from tests.analytics.conftest import summaries

TASK = "meeting_summary"
MODELS = ("anthropic:sonnet", "anthropic:haiku")
DAY = dt.timedelta(days=1)


def proved(nights: int = 8) -> Proposal:
    """Nights up to yesterday that prove it, and the proposal they opened."""
    first = timezone.now().date() - nights * DAY
    summaries(nights, first=first, per_night=110, haiku=0.6, sonnet=0.95, cost=("0.02", "0.01"), models=MODELS)
    return Proposal.objects.get()


def unproved(nights: int = 2) -> None:
    """Too few of them to say."""
    first = timezone.now().date() - nights * DAY
    summaries(nights, first=first, per_night=12, models=MODELS)
