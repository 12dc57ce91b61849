"""A person in front of the seeds' table: asks over HTTP, publishes changes, lets models rest."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from routing import changes, circuits, snapshot
from routing.audit import SYSTEM
from routing.policy.health import Health
from routing.policy.table import Credential, Table
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind, Role

CLOUD = ("anthropic", "openai", "gemini")


@dataclass
class Seeds:
    key: str

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        content = json.dumps(body)
        answer = Client().post(
            f"/api/v1/{path}", content, content_type="application/json", headers={"X-Cortex-Key": self.key}
        )
        assert answer.status_code == status, answer.content
        return answer.json()

    def get(self, path: str) -> Any:
        answer = Client().get(f"/api/v1/{path}", headers={"X-Cortex-Key": self.key})
        assert answer.status_code == 200, answer.content
        return answer.json()

    def explain(self, task_type: str, **body: Any) -> Any:
        return self.post("route/explain", {"task_type": task_type, "prompt": "x", **body})

    def dispatch(self, task_type: str, **body: Any) -> Any:
        return self.post("dispatch", {"task_type": task_type, "prompt": "x", **body})

    def refused(self, body: dict[str, Any], status: int, path: str = "route/explain") -> Any:
        return self.post(path, {"prompt": "x", **body}, status)["error"]

    def publish(self, **document: Any) -> None:
        changes.publish(document, by=SYSTEM, reason="a test", source="load")
        snapshot.load_now()

    def health(self, **parts: Any) -> None:
        """Let this process have read that of PostgreSQL: quotas, readings, spent, not_ready."""
        known = snapshot.current()
        unread: Health = replace(known.health, version=-1)
        snapshot._current = replace(known, read_health=replace(known.read_health, **parts), health=unread, plans={})

    def with_local(self) -> None:
        """Ollama switched on, its answers simulated."""
        self.publish(providers=[{"slug": "ollama", "kind": "simulated", "enabled": True}])


def candidate(key: str) -> Candidate:
    """The model as an attempt names it, without a credential."""
    provider, _, model = key.partition(":")
    return Candidate(provider, model, model, ProviderKind.SIMULATED, None, CredentialKind.NONE, Role.PRIMARY, "")


def rate_limit(key: str, seconds: float = 300) -> None:
    """The model answered 429 a moment ago."""
    fault = Fault(ErrorKind.RATE_LIMIT, "429", http_status=429, retry_after_s=seconds)
    circuits.note(candidate(key), fault, cooldown_s=300, quota=None, now=datetime.now(UTC))


def take_down(key: str) -> None:
    """The model failed often enough to open its circuit."""
    for _ in range(5):
        fault = Fault(ErrorKind.SERVER, "500", http_status=500)
        circuits.note(candidate(key), fault, cooldown_s=300, quota=None, now=datetime.now(UTC))


def models(told: Any) -> list[str]:
    return [each["model"] for each in told["candidates"]]


def skipped(told: Any, model: str) -> Any:
    return next(each for each in told["skipped"] if each["model"] == model)


def with_keys(table: Table, *kinds: CredentialKind) -> Table:
    """The same table with real cloud providers, each with a credential of these kinds: "login" for OAuth, "main" for the API key."""
    names = {CredentialKind.OAUTH: "login", CredentialKind.API_KEY: "main"}
    credentials = tuple(Credential(names[kind], kind) for kind in kinds)
    real = {
        slug: replace(each, simulate=False, credentials=credentials, needs_credential=True) if slug in CLOUD else each
        for slug, each in table.providers.items()
    }
    return replace(table, providers=real)
