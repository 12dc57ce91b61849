"""A secret in a field that is not made for it is refused before anything is kept of it or says it again."""

import json
from typing import Any

import pytest

from routing import changes, document
from routing.audit import SYSTEM
from routing.document import secrecy
from routing.models import AuditEvent, Credential, Revision
from tests.routing.document.tables import PERSON, problems_of, with_part

# Shapes as the vendors' documentation shows them; none of them opens anything.
KEYS = [
    "sk-proj-canary0123456789ABCDEF",
    "sk-ant-api03-canary0123456789",
    "AIzaSyCanary0123456789canary0123456789",
    "gsk_canary0123456789canary",
    "ghp_canary0123456789canary0123456789",
    "AKIACANARY0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.x",
    "Authorization: Bearer canary0123456789abc",
    "-----BEGIN RSA PRIVATE KEY-----",
    "ck_ab12canary0123456789canary",
]


@pytest.mark.parametrize("text", KEYS)
def test_the_keys_of_vendors_are_known_by_their_shape(text: str) -> None:
    assert secrecy.is_secret(text)
    assert secrecy.is_secret(f"use {text} for it")


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn-classification-of-notes",
        "task-0123456789-0123456789",
        "risk-assessment-2026-11-30-final",
        "claude-sonnet-4-5-20250929",
        "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
        "bearer of good news, 2026",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "OPENAI_API_KEY",
    ],
)
def test_names_and_sentences_are_no_secrets(text: str) -> None:
    assert not secrecy.is_secret(text)


def test_the_servers_own_secrets_are_known_by_their_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "no-shape-at-all-x")
    monkeypatch.setenv("SHORT_API_KEY", "short")
    assert secrecy.is_secret("the key is no-shape-at-all-x")
    assert not secrecy.is_secret("a short note")


KEY = "sk-proj-canary0123456789ABCDEF"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (with_part("providers", slug="openai", name=KEY), "providers[0].name"),
        (with_part("providers", slug="openai", base_url=f"https://h.example/{KEY}"), "providers[0].base_url"),
        (with_part("routes", task_type="coding", note=f"key {KEY}"), "routes[0].note"),
        (with_part("routes", task_type="coding", steps=["codex", KEY]), "routes[0].steps[1]"),
        (with_part("models", provider="openai", slug="codex", aliases=[KEY.lower()]), "models[0].aliases[0]"),
        (with_part("task_types", slug="coding", description=KEY), "task_types[0].description"),
        (with_part("credentials", provider="openai", env=KEY), "credentials[0].env"),
        (with_part("credentials", provider="openai", name=KEY.lower()), "credentials[0].name"),
        (
            with_part(
                "credentials", provider="openai", oauth={"token_url": "https://t.example/token", "client_id": KEY}
            ),
            "credentials[0].oauth.client_id",
        ),
        (with_part("models", provider="openai", slug="codex", secret=KEY), "models[0].secret"),
        (with_part("providers", slug="openai", **{KEY: "x"}), "providers[0].…"),
    ],
)
def test_a_secret_in_a_wrong_field_is_refused_at_its_path_and_never_repeated(
    small: None, raw: dict[str, Any], path: str
) -> None:
    told = problems_of(raw)
    assert f"{path}: {secrecy.MEND}" in told
    assert "canary" not in "\n".join(told).lower()
    everything = [*Revision.objects.values(), *AuditEvent.objects.values(), *Credential.objects.values()]
    assert "canary" not in json.dumps(everything, default=str).lower()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            with_part("providers", slug="openai", base_url="https://user:word@h.example"),
            "providers[0].base_url: holds a user name or password; what opens a provider goes to `secret`",
        ),
        (
            with_part("providers", slug="openai", api_key="x"),
            "providers[0].api_key: unknown field; what opens a provider goes to `secret` of a credential",
        ),
        (
            with_part("credentials", provider="openai", env="hunter2"),
            "credentials[0].env: does not have the form ^[A-Z][A-Z0-9_]*_(KEY|TOKEN)$: name a variable, as OPENAI_API_KEY",
        ),
    ],
)
def test_what_opens_a_provider_has_one_place_and_the_refusal_names_it(
    small: None, raw: dict[str, Any], problem: str
) -> None:
    assert any(told.startswith(problem) for told in problems_of(raw))


@pytest.mark.django_db
def test_the_reason_of_a_change_is_read_by_everybody_too(small: None) -> None:
    with pytest.raises(document.Invalid, match=r"^reason: looks like a secret"):
        changes.change_route("coding", ["openai:small"], by=PERSON, reason=f"new key {KEY}")


@pytest.mark.django_db
def test_a_pasted_key_loses_its_line_break(small: None) -> None:
    from routing import credentials

    document.load(with_part("credentials", provider="openai", secret=f" {KEY}\n"), by=SYSTEM)
    assert credentials.reveal("openai", "main").reveal() == KEY
