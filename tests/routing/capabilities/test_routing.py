"""Rows 1 to 17 of what the seeds ask of routing, each as a person would try it on the seeds' table.

Over 300 lines: one test a row, in the order of the rows.
"""

import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from routing import batches, clients, document, drain, people, snapshot
from routing.audit import SYSTEM
from routing.batches import running
from routing.dispatch import Refused
from routing.terms.fault import Fault
from routing.terms.request import Ask
from routing.terms.words import ErrorKind, Group, Scope
from tests.routing.capabilities.seeds import CLOUD, Seeds, models, rate_limit, skipped, take_down

ROUTES = {  # the routing table that the seeds print, row by row; their "—" is nothing
    "quick_capture": "haiku sonnet",
    "meeting_summary": "sonnet opus",
    "complex_reasoning": "opus gpt-4o",
    "code_generation": "sonnet codex",
    "code_review": "sonnet codex",
    "content_drafting": "sonnet",
    "research_analysis": "opus gpt-4o",
    "classification": "haiku sonnet",
    "bulk_ops": "haiku",
    "security_audit": "opus",
    "vibe_coding": "codex sonnet",
    "debugging": "opus gpt-4o",
}
ALIASES = {
    **dict.fromkeys(("strategy", "reasoning", "decisions", "planning", "chat"), "complex_reasoning"),
    **dict.fromkeys(("coding", "refactoring", "scripts"), "vibe_coding"),
}


def test_row_1_a_caller_names_a_task_never_a_model(seeds):
    told = seeds.dispatch("vibe_coding")
    assert (told["model"], told["reason"], told["used_fallback"]) == ("codex", "route: vibe_coding → codex", False)


def test_row_2_the_eleven_routes_are_seeded_each_with_its_note_and_the_other_words_are_aliases(seeds):
    assert {task: models(seeds.explain(task)) for task in ROUTES} == {task: s.split() for task, s in ROUTES.items()}
    notes = {each["task_type"]: each["note"] for each in document.dump()["routes"] if not each["condition"]}
    assert all(notes[task] for task in ROUTES)
    assert {alias: seeds.explain(alias)["task_type"] for alias in ALIASES} == ALIASES
    seeds.with_local()
    for task in ("heartbeat", "background_summary", "translate"):
        told = seeds.explain(task, override="opus")
        assert models(told) == ["gemini-flash", "haiku", "local"]
        assert skipped(told, "opus")["reason"] == "interactive_only", "background is on, whatever the caller says"


def test_row_3_a_tier_has_a_role_and_the_local_one_ends_a_chain_that_must_not_hit_zero(seeds):
    assert [each["slug"] for each in seeds.get("models?role=T2")["items"]] == ["gemini-flash"]
    seeds.with_local()
    steps = ["openai:codex", "anthropic:sonnet"]
    seeds.publish(routes=[{"task_type": "vibe_coding", "steps": steps, "terminal_local": True}])
    for model in snapshot.current().table.models.values():
        if model.provider in CLOUD:
            rate_limit(model.key)
    told = seeds.dispatch("vibe_coding")
    assert (told["model"], told["used_fallback"]) == ("local", True)
    assert skipped(seeds.explain("vibe_coding"), "codex")["reason"] == "cooldown"


def test_row_4_background_work_never_touches_the_main_model(seeds):
    seeds.with_local()
    steps = ["gemini:gemini-flash", "anthropic:opus", "ollama:local"]
    seeds.publish(routes=[{"task_type": "heartbeat", "steps": steps, "background": False}])
    take_down("gemini:gemini-flash")
    told = seeds.dispatch("heartbeat", background=True)
    assert (told["model"], [each["model"] for each in told["attempts"]]) == ("local", ["local"])
    said = seeds.explain("heartbeat", background=True)
    assert "opus: interactive only" in said["reason"]
    assert skipped(said, "opus")["detail"] == "interactive only"
    assert models(seeds.explain("heartbeat"))[0] == "opus", "in the foreground it may serve"


def test_row_5_a_task_is_a_slug_an_alias_or_a_word_boundary_rule(seeds):
    assert seeds.explain("write a script for me")["task_type"] == "vibe_coding"
    error = seeds.refused({"task_type": "job description"}, 422)
    assert error["code"] == "unknown_task_type", "no word of it is 'script'"
    assert "classification" in seeds.refused({"task_type": "clasification"}, 422)["details"]["nearest"]


def test_row_5_what_names_no_task_goes_to_the_clients_default_where_it_has_one(seeds):
    key = clients.create_key("other", by=SYSTEM, scopes=(Scope.DISPATCH, Scope.READ)).key
    clients.Client.objects.filter(slug="other").update(default_task_type=_task("general"))
    snapshot.touch_state()
    snapshot.load_now()
    other = Seeds(key)
    assert other.explain("job description")["task_type"] == "general"
    assert other.post("route/explain", {"prompt": "x"})["task_type"] == "general"


def _task(slug: str) -> int:
    return clients.TaskType.objects.values_list("pk", flat=True).get(slug=slug)


def test_row_6_a_user_overrides_by_field_or_phrase_and_the_prompt_is_never_read_for_it(seeds):
    assert seeds.dispatch("general", override="codex")["reason"] == "override: codex"
    assert seeds.dispatch("general", override_text="send this to Codex")["model"] == "codex"
    error = seeds.refused({"task_type": "general", "override_text": "use GPT"}, 422)
    assert (error["code"], sorted(error["details"]["choices"])) == (
        "ambiguous",
        ["openai:codex", "openai:gpt-4o", "openai:gpt-5.2"],
    )
    assert seeds.dispatch("general", prompt="Use Opus for this. Send this to Codex.")["model"] == "sonnet"


def test_row_7_a_projects_route_overrides_the_global_one_and_explain_names_the_source(seeds):
    seeds.publish(
        projects=[{"slug": "x", "name": "Project X"}],
        routes=[{"task_type": "code_search", "project": "x", "steps": ["gemini:gemini-flash"]}],
        task_types=[{"slug": "unrouted", "name": "Unrouted"}],
    )
    there = seeds.explain("code_search", project="x")
    assert (models(there), there["source"], there["route"]) == (["gemini-flash"], "project", "code_search@x")
    assert there["reason"] == "project x: code_search → gemini-flash"
    assert seeds.explain("code_search")["source"] == "global"
    assert seeds.explain("unrouted")["source"] == "default"
    assert seeds.explain("general", project="x")["source"] == "global"


@pytest.mark.parametrize("path", ["route/explain", "dispatch"])
def test_row_7_an_unknown_project_is_refused_with_the_nearest(seeds, path):
    seeds.publish(projects=[{"slug": "website", "name": "Web site"}, {"slug": "app", "name": "App"}])
    error = seeds.refused({"task_type": "general", "project": "web-site-2"}, 422, path)
    assert (error["code"], error["details"]["nearest"]) == ("unknown_project", ["website"])
    error = seeds.refused({"task_type": "general", "project": "zzz"}, 422, path)
    assert error["message"] == "There is no project 'zzz'. Nearest: app, website."


def test_row_8_an_edit_is_live_at_the_next_call_which_names_its_revision(seeds):
    before = seeds.dispatch("bulk_ops")
    seeds.publish(models=[{"provider": "anthropic", "slug": "haiku", "upstream_id": "claude-haiku-next"}])
    after = seeds.dispatch("bulk_ops")
    assert after["route_revision"] == before["route_revision"] + 1
    assert seeds.explain("bulk_ops")["candidates"][0]["upstream_id"] == "claude-haiku-next"


STRAVINSKY = {
    "routing": {
        "task_routing": {"code_generation": {"provider": "openai", "model": "gpt-5.2-codex", "description": "Code"}},
        "fallback": {"enabled": False, "chain": ["claude", "openai", "gemini"], "cooldown_seconds": 600},
    }
}


async def test_row_9_a_routing_json_with_fallback_off_has_one_attempt_and_its_own_cooldown(scripted, stravinsky):
    scripted.know(stravinsky)
    codex = stravinsky.models["openai:codex"].upstream_id
    scripted.adapter.script[codex] = Fault(ErrorKind.RATE_LIMIT, "429", http_status=429)
    before = datetime.now(UTC)
    with pytest.raises(Refused) as refused:
        await scripted.dispatch("code_generation")
    assert [each.model for each in refused.value.attempts] == ["codex"]
    until = snapshot.current().health.cooldowns["openai", "", "codex"].until
    assert timedelta(seconds=600) <= until - before < timedelta(seconds=660)


@pytest.fixture
def stravinsky(seeds):
    document.load(STRAVINSKY, by=SYSTEM)
    return snapshot.load_now().table


def test_row_10_the_last_change_is_known_with_its_reason_and_compared_with_any_other(seeds):
    first = seeds.get("revisions")["items"][0]["number"]
    seeds.publish(routes=[{"task_type": "bulk_ops", "steps": ["anthropic:sonnet"]}])
    newest = seeds.get("revisions")["items"][0]
    assert (newest["number"], newest["reason"]) == (first + 1, "a test")
    document_of_first = seeds.get(f"revisions/{first}?against={first + 1}")
    assert "routes[bulk_ops].steps" in str(document_of_first)


def test_row_11_strength_tags_and_single_provider_chains_are_warned_of(seeds):
    said = [each["short"] for each in seeds.explain("meeting_summary")["warnings"]]
    assert said == ["one provider"]
    assert seeds.explain("code_review")["warnings"] == []
    seeds.publish(routes=[{"task_type": "bulk_ops", "steps": ["anthropic:opus"]}])
    assert seeds.explain("bulk_ops")["warnings"] == [
        {"short": "not tagged cheap", "text": "opus is not tagged cheap, which this task wants."}
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [  # the scenarios of the seeds' coding workflow
        ("in_session", ["sonnet", "opus"]),
        ("dispatched", ["codex", "sonnet"]),
        ("interactive", ["sonnet", "opus"]),
        ("batch", ["codex", "sonnet"]),
        ("debugging", ["opus", "gpt-4o"]),
    ],
)
def test_row_12_the_coding_scenarios_are_conditions_of_a_route(seeds, condition, expected):
    told = seeds.explain("code_generation", context=[condition])
    assert (models(told), told["route"]) == (expected, f"code_generation?{condition}")
    assert told["reason"] == f"route: code_generation ({condition}) → {expected[0]}"
    assert seeds.dispatch("code_generation", context=[condition])["model"] == expected[0]


def test_row_12_a_condition_that_no_route_names_is_told(seeds):
    told = seeds.explain("code_generation", context=["bacth"])
    assert models(told) == ["sonnet", "codex"]
    assert [each["short"] for each in told["warnings"]] == ["no condition bacth"]
    assert "batch" in told["warnings"][0]["text"]


@pytest.mark.parametrize(
    ("author", "first"),
    [
        ("sonnet", "codex"),
        ("anthropic", "codex"),
        ("codex", "sonnet"),
        ("openai", "sonnet"),
        ("openai:gpt-3", "sonnet"),
    ],
)
def test_row_13_a_review_goes_to_the_opposite_of_the_author(seeds, author, first):
    told = seeds.explain("code_review", author_model=author)
    assert models(told)[0] == first
    moved = first == "codex"
    expected = "route: code_review → codex (the author is of anthropic)" if moved else "route: code_review → sonnet"
    assert told["reason"] == expected
    assert seeds.dispatch("code_review", author_model=author)["model"] == first


@pytest.mark.django_db(transaction=True)
def test_row_13_the_author_may_be_named_by_its_call(seeds):
    call = seeds.dispatch("code_generation")
    assert drain.flush()
    told = seeds.explain("code_review", author_call_id=call["request_id"])
    assert (models(told)[0], skipped(told, "sonnet")["reason"]) == ("codex", "same_as_author")
    assert seeds.refused({"task_type": "code_review", "author_model": "nobody"}, 422)["code"] == "unknown_author"


async def test_row_14_a_second_providers_answer_is_stored_beside_the_first_which_it_never_hurts(scripted):
    told = await scripted.dispatch("vibe_coding", second_opinion=True)
    assert [(each.model, each.role) for each in told.attempts] == [("codex", "primary"), ("sonnet", "second_opinion")]
    first, second = told.attempts
    assert first.output_hash
    assert second.output_hash
    assert first.output_hash != second.output_hash, "they say different things"
    (sonnet,) = (each.upstream_id for each in told.attempts if each.model == "sonnet")
    scripted.adapter.script[sonnet] = Fault(ErrorKind.SERVER, "500", http_status=500)
    failed = await scripted.dispatch("vibe_coding", second_opinion=True)
    assert (failed.model, failed.second_opinion.answer, failed.used_fallback) == ("codex", None, False)


@pytest.mark.parametrize("how", ["by the caller", "per task"])
def test_row_14_both_are_told_by_the_call_and_side_by_side_on_its_page(seeds, how):
    if how == "per task":
        seeds.publish(routes=[{"task_type": "vibe_coding", "project": None, "second_opinion": True}])
    told = seeds.dispatch("vibe_coding", **({} if how == "per task" else {"second_opinion": True}))
    assert told["second_opinion"]["model"] == "sonnet"
    assert drain.flush()
    attempts = seeds.get(f"calls/{told['request_id']}")["attempts"]
    assert [(each["model"], each["role"]) for each in attempts] == [("codex", "primary"), ("sonnet", "second_opinion")]
    assert all(each["output_hash"] and each["output_chars"] for each in attempts)
    assert told["output"] not in str(attempts), "hashes only"
    page = person(Group.OPERATOR).get(f"/calls/{told['request_id']}/").content.decode()
    assert "Second opinion" in page
    assert "They differ" in page


def test_row_15_code_is_generated_in_parallel_with_a_status_an_item_progress_and_cancel(seeds, monkeypatch):
    monkeypatch.setattr(running, "_knowing", nullcontext)  # the test's transaction is its own
    items = [{"task_type": "code_generation", "prompt": f"part {n}"} for n in range(20)]
    first = seeds.post("batches", {"items": items, "concurrency": 4}, 202)
    batches.run(first["id"])
    told = seeds.get(f"batches/{first['id']}")
    assert (told["status"], told["progress"], told["counts"]["done"]) == ("done", 1.0, 20)
    assert {each["answer"]["model"] for each in told["items"]} == {"codex"}, "the scenario: batch → codex"
    second = seeds.post("batches", {"items": items, "concurrency": 4}, 202)
    cancelled = seeds.post(f"batches/{second['id']}/cancel", {})
    assert (cancelled["status"], cancelled["counts"]["cancelled"]) == ("cancelled", 20)


def person(group):
    """The console, as one of the group uses it."""
    user = get_user_model().objects.create_user(str(group))
    people.put(user, group)
    console = Client()
    console.force_login(user)
    return console


def test_row_16_the_local_plan_is_seeded_and_serves_once_its_provider_is_on(seeds):
    off = seeds.explain("bulk_ops", context=["local"])
    assert (models(off), skipped(off, "llama3.1:8b")["reason"]) == (["haiku"], "disabled")
    assert skipped(off, "llama3.1:8b")["detail"] == "switched off with ollama"
    seeds.with_local()
    plan = {task: models(seeds.explain(task, context=["local"])) for task in ("quick_capture", "classification")}
    assert list(plan.values()) == [["llama3.1:8b", "haiku"]] * 2
    assert models(seeds.explain("bulk_ops", context=["local"])) == ["llama3.1:8b", "haiku"]
    assert models(seeds.explain("code_generation", context=["local"])) == ["qwen2.5-coder:14b", "codex", "sonnet"]
    assert models(seeds.explain("general", context=["local"])) == ["local", "sonnet"]
    assert models(seeds.explain("embeddings")) == ["nomic-embed-text"]


def test_row_17_an_embedding_route_never_falls_back_to_a_chat_model(seeds):
    seeds.with_local()
    routes = [{"task_type": "embeddings", "steps": ["ollama:nomic-embed-text"], "terminal_local": True}]
    seeds.publish(routes=routes)
    take_down("ollama:nomic-embed-text")
    told = seeds.explain("embeddings", override="haiku")
    assert models(told) == []
    assert skipped(told, "haiku")["detail"] == "made for chat, not for embedding"
    assert skipped(told, "local")["reason"] == "wrong_kind"
    with pytest.raises(document.Invalid, match=r"routes\[0\]\.steps\[1\].*chat model"):
        seeds.publish(routes=[{"task_type": "embeddings", "steps": ["ollama:nomic-embed-text", "anthropic:haiku"]}])


def test_a_warm_dispatch_reads_no_database(seeds, monkeypatch):
    """Every cursor of every connection: none is opened between the request and its answer."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    seeds.dispatch("vibe_coding")
    opened = []
    original = BaseDatabaseWrapper.cursor
    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", lambda self: opened.append(self) or original(self))
    assert seeds.dispatch("vibe_coding")["model"] == "codex"
    assert seeds.explain("vibe_coding")["candidates"]
    assert opened == []
    assert snapshot.current().plan(Ask("vibe_coding"), datetime.now(UTC)).candidates
    seeds.get("status")
    assert opened, "the counter counts"


def test_the_terminal_explains_in_sentences(seeds, capsys):
    rate_limit("openai:codex", 3600)
    call_command("routing", "explain", "--task", "coding", "--context", "bacth")
    said = capsys.readouterr().out
    assert re.search(r"^  – openai/codex cooling down until (\d+ \w+ )?\d\d:\d\d$", said, re.MULTILINE)
    assert re.search(r"^  1\. anthropic:sonnet \(fallback\)$", said, re.MULTILINE)
    assert "  ! No route of vibe_coding has the condition 'bacth'; those that it has: none." in said
