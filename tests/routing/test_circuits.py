"""Cooldowns and circuits between processes: written behind, shared through PostgreSQL, never beaten by an older word."""

from datetime import UTC, datetime, timedelta

import pytest

from routing import circuits, snapshot
from routing.audit import SYSTEM
from routing.circuits.shared import Shared
from routing.models import Alert, AuditEvent, Circuit, CircuitWindow, Cooldown, Credential, Provider, Quota
from routing.policy.health import Health, Reading
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.request import Ask
from routing.terms.words import CircuitState, CredentialKind, ErrorKind, ProviderKind, Role
from tests.routing.seeded import seeded  # noqa: F401

pytestmark = pytest.mark.usefixtures("seeded")

CODEX = Candidate("openai", "codex", "gpt", ProviderKind.OPENAI, "main", CredentialKind.API_KEY, Role.PRIMARY, "")
SERVED = ("openai", "codex")


def now():
    return datetime.now(UTC)


def note(kind, moment=None, **parts):
    fault = Fault(kind, "it failed", **parts)
    circuits.note(CODEX, fault, cooldown_s=300, quota="codex-cli", now=moment or now())


def another_process():
    """What a process that begins now would know."""
    circuits.write_pending()
    circuits.forget()
    circuits.load(now())
    return circuits


def test_a_cooldown_met_here_is_known_there():
    note(ErrorKind.RATE_LIMIT, retry_after_s=60)
    rest = another_process().cooldowns()["openai", "main", "codex"]
    assert timedelta(seconds=55) < rest.until - now() <= timedelta(seconds=60)


def test_of_two_deadlines_the_later_stands():
    longer = now() + timedelta(hours=2)
    Cooldown.objects.create(provider="openai", credential="main", model="codex", until=longer)
    note(ErrorKind.RATE_LIMIT, retry_after_s=60)
    assert another_process().cooldowns()["openai", "main", "codex"].until == longer


def test_nothing_is_written_when_nothing_changes():
    note(ErrorKind.RATE_LIMIT, retry_after_s=600)
    assert circuits.write_pending() == 1
    note(ErrorKind.RATE_LIMIT, retry_after_s=60)
    circuits.note(CODEX, None, cooldown_s=300, quota=None, now=now())
    for _ in range(4):
        note(ErrorKind.SERVER)
    assert circuits.write_pending() == 0


def test_a_spent_credential_rests_whole_and_its_quota_is_exhausted():
    note(ErrorKind.PAYMENT, retry_after_s=60)
    assert ("openai", "main", "") in another_process().cooldowns()
    assert Quota.objects.get(slug="codex-cli").exhausted
    assert not Quota.objects.get(slug="codex-code-review").exhausted


def test_a_spent_quota_waits_for_the_reset_of_its_full_window_and_its_credential_an_hour_at_most():
    """The weekly window is full and begins anew in three days; the one of five hours is full as well, a third is not."""
    week = now() + timedelta(days=3)
    ends = [("codex-cli weekly", 99.0, week), ("codex-cli 5h", 97.0, now() + timedelta(hours=2))]
    others = [("codex-cli monthly", 40.0, now() + timedelta(days=20)), ("codex-code-review weekly", 100.0, week)]
    readings = tuple(Reading("openai", window, full, now(), end) for window, full, end in ends + others)
    until = Health(readings=readings).full_until("codex-cli", now())
    assert until == week
    fault = Fault(ErrorKind.PAYMENT, "it failed")
    circuits.note(CODEX, fault, cooldown_s=300, quota="codex-cli", now=now(), resets_at=until)
    rest = another_process().cooldowns()["openai", "main", ""]
    assert timedelta(minutes=59) < rest.until - now() <= timedelta(hours=1)
    assert Quota.objects.get(slug="codex-cli").resets_at == week


def test_of_a_quota_whose_reset_nobody_knows_the_routes_cooldown_decides():
    assert Health(readings=(Reading("openai", "codex-cli weekly", 99.0, now()),)).full_until("codex-cli", now()) is None
    note(ErrorKind.PAYMENT)
    rest = another_process().cooldowns()["openai", "main", ""]
    assert timedelta(seconds=290) < rest.until - now() <= timedelta(seconds=300)


def test_a_refused_credential_is_marked_and_a_person_is_told_once():
    for _ in range(3):
        note(ErrorKind.AUTH, http_status=401)
    circuits.write_pending()
    credential = Credential.objects.get(provider__slug="openai")
    assert (credential.ready, credential.not_ready_reason) == (False, "401: it failed")
    assert Alert.objects.filter(kind="credential").count() == 1


def opened(moment):
    for _ in range(5):
        note(ErrorKind.SERVER, moment)
    circuits.write_pending()


def test_an_open_circuit_is_known_there_and_its_success_closes_it_everywhere():
    opened(now())
    assert SERVED in another_process().broken()
    assert Alert.objects.get(kind="circuit").resolved_at is None
    circuits.note(CODEX, None, cooldown_s=300, quota=None, now=now())
    assert SERVED not in another_process().broken()
    assert Alert.objects.get(kind="circuit").resolved_at is not None


def test_one_probe_goes_over_all_processes():
    opened(now() - timedelta(seconds=60))
    won = []
    for _ in range(3):
        another_process().claim_probes(now())
        won.append(circuits.broken()[SERVED].has_probe)
    assert won == [True, False, False]
    assert Circuit.objects.get(model="codex").state == CircuitState.HALF_OPEN


def test_a_probe_whose_holder_died_is_given_to_the_next():
    opened(now() - timedelta(seconds=60))
    another_process().claim_probes(now())
    Circuit.objects.update(probe_until=now() - timedelta(seconds=1))
    another_process().claim_probes(now())
    assert circuits.broken()[SERVED].has_probe


def test_a_probe_is_taken_once():
    opened(now() - timedelta(seconds=60))
    circuits.claim_probes(now())
    assert [circuits.may_probe(CODEX) for _ in range(2)] == [True, False]


def test_a_failed_probe_rests_twice_as_long():
    opened(now() - timedelta(seconds=60))
    circuits.claim_probes(now())
    circuits.may_probe(CODEX)
    note(ErrorKind.SERVER)
    circuits.write_pending()
    row = Circuit.objects.get(model="codex")
    assert (row.state, row.openings, row.probe_until) == (CircuitState.OPEN, 2, None)
    assert timedelta(seconds=19) < row.retry_at - now() < timedelta(seconds=22.5)


def test_a_process_whose_calls_want_the_model_comes_before_an_idle_one():
    opened(now())
    due = circuits.broken()[SERVED].retry_at + timedelta(seconds=0.5)
    circuits.claim_probes(due)
    assert not circuits.broken()[SERVED].has_probe
    circuits.want_probe(SERVED)
    circuits.claim_probes(due)
    assert circuits.broken()[SERVED].has_probe


def test_reset_in_one_process_frees_the_other():
    note(ErrorKind.RATE_LIMIT)
    note(ErrorKind.AUTH, http_status=401)
    opened(now())
    assert circuits.reset("openai", by=SYSTEM) == 3
    assert (another_process().cooldowns(), circuits.broken(), circuits.not_ready()) == ({}, {}, {})
    assert Credential.objects.get(provider__slug="openai").ready
    assert AuditEvent.objects.latest("sequence").action == "state.reset"


def test_reset_of_one_provider_leaves_the_others():
    note(ErrorKind.RATE_LIMIT)
    circuits.reset("anthropic", by=SYSTEM)
    assert ("openai", "main", "codex") in circuits.cooldowns()
    assert ("openai", "main", "codex") in another_process().cooldowns()


def test_the_next_plan_follows_at_once():
    Provider.objects.filter(slug="openai").update(simulate=False)
    Credential.objects.filter(provider__slug="openai").update(kind="none")
    snapshot.load_now()
    plan = snapshot.current().plan(Ask("vibe_coding"), now())
    assert (plan.candidates[0].model, plan.candidates[0].credential) == ("codex", "main")
    note(ErrorKind.RATE_LIMIT)
    assert snapshot.current().plan(Ask("vibe_coding"), now()).candidates[0].model == "sonnet"


def test_each_outage_is_an_alert_of_its_own_that_names_the_model():
    for _ in range(2):
        for _ in range(5):
            note(ErrorKind.SERVER)
        another_process()
        circuits.reset("openai", by=SYSTEM)
    told = Alert.objects.filter(kind="circuit").order_by("pk")
    assert [one.subject for one in told] == ["model:openai:codex"] * 2
    assert all(one.resolved_at for one in told)


def at_its_probe():
    """The circuit is open, and the one probe has just gone out from here."""
    opened(now() - timedelta(seconds=60))
    circuits.claim_probes(now())
    assert circuits.may_probe(CODEX)


@pytest.mark.parametrize("kind", [ErrorKind.CANCELLED, ErrorKind.DEADLINE, ErrorKind.CLIENT, ErrorKind.RATE_LIMIT])
def test_a_probe_that_brings_no_news_is_sent_again_at_once_by_any_process(kind):
    at_its_probe()
    note(kind)
    circuits.write_pending()
    assert not circuits.may_probe(CODEX)
    another_process().claim_probes(now())
    assert circuits.may_probe(CODEX)
    row = Circuit.objects.get(model="codex")
    assert (row.state, row.openings) == (CircuitState.HALF_OPEN, 1)


@pytest.mark.parametrize("kind", [ErrorKind.TIMEOUT, ErrorKind.CANCELLED])
def test_a_call_from_before_the_opening_says_nothing_of_the_probe(kind):
    at_its_probe()
    fault = Fault(kind, "it hung")
    circuits.note(CODEX, fault, cooldown_s=300, quota=None, now=now(), begun_at=now() - timedelta(seconds=90))
    circuits.write_pending()
    assert Circuit.objects.get(model="codex").state == CircuitState.HALF_OPEN
    circuits.claim_probes(now())
    assert not circuits.may_probe(CODEX), "the probe is still on its way"
    circuits.note(CODEX, None, cooldown_s=300, quota=None, now=now())
    circuits.write_pending()
    assert Circuit.objects.get(model="codex").state == CircuitState.CLOSED


class Process:
    """What another process has seen, played in this one."""

    def __init__(self):
        self.seen = vars(Shared())

    def sees(self, outcomes):
        """Calls that failed ("x") or did not ("."), and one round of its thread."""
        before = dict(vars(circuits._shared))
        vars(circuits._shared).update(self.seen)
        for each in outcomes:
            if each == "x":
                note(ErrorKind.SERVER)
            else:
                circuits.note(CODEX, None, cooldown_s=300, quota=None, now=now())
        circuits.write_pending()
        self.seen = dict(vars(circuits._shared))
        is_open = SERVED in circuits.broken()
        vars(circuits._shared).update(before)
        return is_open


def test_half_of_twenty_calls_over_all_processes_open_a_circuit_that_none_of_them_would():
    three = [Process() for _ in range(3)]
    assert [each.sees("x.x.x.") for each in three] == [False] * 3  # 18 calls, 9 failures
    assert three[0].sees("x.")  # 20 calls, 10 failures
    assert Circuit.objects.get(model="codex").state == CircuitState.OPEN
    assert Alert.objects.filter(kind="circuit").count() == 1


def test_processes_where_it_does_not_fail_count_as_well():
    good, bad = Process(), Process()
    assert not bad.sees("x.x.x.x.x.x.x.x.x.")  # 18 calls, half of them
    assert not good.sees("....")  # learns that somebody sees it fail
    assert not good.sees("." * 20)
    assert not bad.sees("x."), "10 of 44"
    assert Circuit.objects.filter(state=CircuitState.OPEN).count() == 0


def test_while_all_is_well_nothing_is_told():
    Process().sees("." * 30)
    assert not CircuitWindow.objects.exists()


def test_what_dead_processes_told_is_swept():
    CircuitWindow.objects.create(
        provider="openai", model="codex", process="x", calls=9, failures=9, told_at=now() - timedelta(minutes=2)
    )
    circuits.prune(now())
    assert not CircuitWindow.objects.exists()
