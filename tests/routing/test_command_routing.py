"""`manage.py routing`: the seeds' command lines."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from routing import snapshot
from routing.models import Cooldown, Project, Quota
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

    def test_what_explain_does_not_know_exits_2_and_names_what_there_is(self):
        Project.objects.create(slug="site", name="Site")
        snapshot.touch_state()
        for wrong, named in (
            ("--project=siet", "Nearest: site"),
            ("--override=opsu", "opus"),
            ("--task=codng", "coding"),
        ):
            with pytest.raises(CommandError, match=named) as error:
                routing("explain", "--task", "coding", wrong)
            assert error.value.returncode == 2

    @pytest.mark.parametrize(
        "line",
        ["status", "boot", "explain --task coding", "check --task coding", "init --force", "reset", "reset openai",
         "exhaust codex-cli --until 2099-02-03", "release codex-cli", "usage openai --window weekly --percent 10"],
    )  # fmt: skip
    def test_every_verb_speaks_json(self, line):
        assert isinstance(json.loads(routing(*line.split(), "--json")), dict)

    def test_a_quota_says_until_when_and_why_in_status(self):
        routing("exhaust", "codex-cli", "--until", "2099-02-03", "--reason", "weekly limit")
        told = routing("status")
        assert "quota codex-cli is exhausted until 2099-02-03T00:00:00+00:00 (weekly limit)" in told
        assert "quota codex-code-review is available" in told
        assert "usage of openai codex-cli weekly: unknown, never read, and no limit is set" in told
        assert "Usage is unknown: no window was read lately" in told

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("exhaust codex-cli --until Feb", "--until: 'Feb' is no date: write"),
            ("exhaust codex-cli --until 2020-01-01", "is over"),
            ("exhaust mars", "Known: codex-cli"),
            ("usage openai --window weekly --percent nan", "from 0 to 1000"),
            ("usage openai --window weekly --percent 10 --resets-at soon", "--resets-at: 'soon' is no date"),
            ("usage mars --window weekly --percent 10", "Known: anthropic"),
        ],
    )
    def test_what_cannot_be_is_refused_with_what_to_write(self, line, words):
        with pytest.raises(CommandError, match=words):
            routing(*line.split())

    def test_init_does_not_overwrite_unasked(self):
        with pytest.raises(CommandError, match="--force"):
            routing("init")
        assert "revision 1" in routing("init", "--force")
