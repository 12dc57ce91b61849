"""`manage.py routing`: the seeds' command lines."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from routing import snapshot
from routing.models import Cooldown, Quota
from tests.routing.seeded import seeded  # noqa: F401


def routing(*arguments):
    out = StringIO()
    call_command("routing", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("seeded")
class TestOnTheSeedsTable:
    def test_status_lists_every_model(self):
        assert "openai:codex" in routing("status")
        assert json.loads(routing("status", "--json"))["revision"] == 1

    def test_explain_recommends_and_says_why(self):
        text = routing("explain", "--task", "coding")
        assert "vibe_coding: route: vibe_coding → codex" in text
        assert "1. openai:codex (primary)" in text

    def test_check_passes_or_exits_1(self):
        assert "openai:codex" in routing("check", "--task", "coding")
        later = datetime.now(UTC) + timedelta(hours=1)
        for provider in ("openai", "anthropic"):
            Cooldown.objects.create(provider=provider, credential="", model="", until=later)
        snapshot.touch_state()
        with pytest.raises(SystemExit) as ended:
            routing("check", "--task", "coding")
        assert ended.value.code == 1

    def test_an_exhausted_quota_counts_until_its_date(self):
        assert "exhausted until 2099-02-03T00:00:00+00:00" in routing("exhaust", "codex-cli", "--until", "2099-02-03")
        assert "anthropic:sonnet" in routing("check", "--task", "coding")
        assert "available again" in routing("release", "codex-cli")
        assert "openai:codex" in routing("check", "--task", "coding")
        assert not Quota.objects.get(slug="codex-cli").exhausted

    def test_a_usage_reading_degrades(self):
        routing("usage", "anthropic", "--window", "weekly", "--percent", "96")
        assert "openai:codex" in routing("check", "--task", "strategy")
        assert "Degradation level 5/6 at 96 %" in routing("boot")

    def test_reset_of_an_unknown_provider_exits_2(self):
        assert "Ended 0" in routing("reset", "openai")
        with pytest.raises(CommandError) as error:
            routing("reset", "nobody")
        assert error.value.returncode == 2

    def test_init_does_not_overwrite_unasked(self):
        with pytest.raises(CommandError, match="--force"):
            routing("init")
        assert "revision 1" in routing("init", "--force")
