"""The tier chains and the error table on the seeds' table: previewed, dispatched, and one candidate failing after another."""

from datetime import UTC, datetime

import pytest

from routing import snapshot
from routing.dispatch import Refused
from routing.policy.health import Health
from routing.policy.plan import plan
from routing.policy.table import Route
from routing.terms.fault import Fault
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, ErrorKind
from tests.routing.capabilities.seeds import with_keys

BOTH = (CredentialKind.OAUTH, CredentialKind.API_KEY)
CHAINS = {  # the fallback matrix of the seeds, the example that they print first
    "openai:codex": "gemini-pro opus gpt-5.2 gemini-flash codex",
    "anthropic:opus": "codex gemini-pro sonnet gpt-5.2 opus",
    "gemini:gemini-pro": "codex opus gemini-flash gpt-5.2 gemini-pro",
}


def chained(origin, *kinds, **route):
    """The seeds' table with keys of these kinds, and one route: the origin and its tier chain."""
    there = with_keys(snapshot.current().table, *kinds)
    there.routes["general", None, ""] = Route("general", (origin,), tier_chain=True, **route)  # type: ignore[index]
    return there


@pytest.mark.parametrize(("origin", "expected"), CHAINS.items())
async def test_each_golden_chain_is_walked_to_its_end(scripted, origin, expected):
    there = chained(origin, *BOTH)
    scripted.know(there)
    down = Fault(ErrorKind.SERVER, "500", http_status=500)
    scripted.adapter.script = {model.upstream_id: down for model in there.models.values()}
    with pytest.raises(Refused) as refused:
        await scripted.dispatch("general")
    tried = [(each.model, each.credential_kind) for each in refused.value.attempts]
    slugs = [origin.partition(":")[2], *expected.split()]
    assert tried == [*((slug, "oauth") for slug in slugs[:-1]), (slugs[-1], "api_key")]


@pytest.mark.parametrize(("origin", "expected"), CHAINS.items())
def test_without_an_api_key_the_same_chain_lacks_its_last_hop(seeds, origin, expected):
    found = plan(chained(origin, CredentialKind.OAUTH), Ask("general"), Health(), datetime.now(UTC))
    assert [each.model for each in found.candidates] == [origin.partition(":")[2], *expected.split()[:-1]]


@pytest.mark.parametrize("origin", CHAINS)
def test_without_oauth_only_the_model_by_its_api_key_is_left_and_each_hop_says_why(seeds, origin):
    found = plan(chained(origin, CredentialKind.API_KEY), Ask("general"), Health(), datetime.now(UTC))
    assert [(each.key, each.credential_kind) for each in found.candidates] == [(origin, "api_key")]
    hops = {each.model: each.detail for each in found.skipped if each.reason == "not_ready"}
    assert set(hops.values()) == {"has no OAuth credential"}
    assert len(hops) == 4


CONSEQUENCES = [  # error → the attempts of a route codex → sonnet
    pytest.param(ErrorKind.CONNECT, None, 2, id="connect, TLS"),
    pytest.param(ErrorKind.TIMEOUT, None, 2, id="timeout before first content"),
    pytest.param(ErrorKind.RATE_LIMIT, 429, 2, id="429"),
    pytest.param(ErrorKind.SERVER, 408, 2, id="408"),
    pytest.param(ErrorKind.SERVER, 529, 2, id="529"),
    pytest.param(ErrorKind.MALFORMED, 200, 2, id="malformed 200"),
    pytest.param(ErrorKind.TRUNCATED, 200, 2, id="truncated 200"),
    pytest.param(ErrorKind.AUTH, 401, 2, id="401"),
    pytest.param(ErrorKind.PAYMENT, 402, 2, id="402"),
    pytest.param(ErrorKind.CLIENT, 404, 1, id="404"),
    pytest.param(ErrorKind.CONTENT_POLICY, 400, 1, id="content policy"),
    pytest.param(ErrorKind.CONTEXT_WINDOW, 400, 1, id="context too long, and no larger window"),
]


@pytest.mark.parametrize(("kind", "status", "attempts"), CONSEQUENCES)
async def test_the_next_candidate_is_tried_only_where_the_error_table_says_so(scripted, kind, status, attempts):
    there = with_keys(snapshot.current().table, CredentialKind.API_KEY)
    scripted.know(there)
    codex = there.models["openai:codex"].upstream_id
    scripted.adapter.script[codex] = Fault(kind, "no", http_status=status)
    if attempts == 2:
        result = await scripted.dispatch("vibe_coding")
        assert ([each.model for each in result.attempts], result.used_fallback) == (["codex", "sonnet"], True)
        return
    with pytest.raises(Refused) as refused:
        await scripted.dispatch("vibe_coding")
    assert (len(refused.value.attempts), refused.value.status) == (1, status)


def test_a_routes_rotation_and_number_of_lower_hops_are_data(seeds):
    seeds.publish(
        routes=[
            {
                "task_type": "general",
                "steps": ["openai:codex"],
                "tier_chain": True,
                "rotation": ["anthropic", "gemini"],
                "lower_tier_max_hops": 1,
            }
        ]
    )
    found = plan(with_keys(snapshot.current().table, *BOTH), Ask("general"), Health(), datetime.now(UTC))
    assert [each.model for each in found.candidates] == ["codex", "opus", "gemini-pro", "gpt-5.2", "codex"]
