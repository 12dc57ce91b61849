"""What is inside a credential's `secret` column, and what becomes of it at a token server.

Of an API key the column holds {"secret"}; of OAuth any of {"client_secret", "refresh_token", "access_token", "env"}, where `env` says
which value of the environment the tokens were got with: another value there means that a person signed in again.
"""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from typing import Any

from routing.models import Credential
from routing.providers.oauth import Grant, GrantKind, Token
from routing.secrets import decrypt, encrypt
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind

SECRET, CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN, ENV = (
    "secret",
    "client_secret",
    "refresh_token",
    "access_token",
    "env",
)


@dataclass(frozen=True, slots=True)
class Material:
    """The parts, decrypted. Two are equal when the same would be shown."""

    secret: Secret | None = None
    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    access_token: Secret | None = None
    env: str = ""  # SHA-256 of the environment's value; "" when a person stored what is shown


def of(row: Credential) -> Material:
    """What the row holds, together with what its variable gives. Raises secrets.Unreadable."""
    value = os.environ.get(row.env, "").strip() if row.env else ""
    kept: dict[str, Any] = json.loads(decrypt(row.secret)) if row.secret is not None else {}
    if row.kind != CredentialKind.OAUTH:
        found = kept.get(SECRET) or value
        return Material(secret=Secret(found) if found else None)
    entered = entered_as(row)
    if kept.get(ENV, "") and kept[ENV] != _fingerprint(value):  # the variable names another secret by now
        kept = {name: kept[name] for name in kept.keys() - {entered, ACCESS_TOKEN, ENV}}
    parts = {name: Secret(kept[name]) for name in (CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN) if kept.get(name)}
    made = Material(**parts, env=kept.get(ENV, ""))
    if value and getattr(made, entered) is None:
        made = replace(made, env=_fingerprint(value), **{entered: Secret(value)})
    return made


def sealed(material: Material) -> bytes:
    """For the column. What the environment gives is not copied into the database."""
    parts = {
        name: part.reveal()
        for name in (SECRET, CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN)
        if (part := getattr(material, name)) is not None and _fingerprint(part.reveal()) != material.env
    }
    return encrypt(json.dumps(parts | ({ENV: material.env} if material.env else {})))


def entered_as(row: Credential) -> str:
    """What a person enters as "the secret" of this credential."""
    if row.kind != CredentialKind.OAUTH:
        return SECRET
    return CLIENT_SECRET if row.oauth.get("grant") == GrantKind.CLIENT_CREDENTIALS else REFRESH_TOKEN


def grant(row: Credential, material: Material) -> Grant | None:
    """What to show to the token server; None when that cannot be asked: no OAuth, or nothing to show."""
    if row.kind != CredentialKind.OAUTH or not row.oauth or getattr(material, entered_as(row)) is None:
        return None
    return Grant(
        token_url=row.oauth["token_url"],
        client_id=row.oauth["client_id"],
        kind=GrantKind(row.oauth.get("grant", GrantKind.REFRESH_TOKEN)),
        client_secret=material.client_secret,
        refresh_token=material.refresh_token,
        scope=row.oauth.get("scope", ""),
        audience=row.oauth.get("audience", ""),
        secret_in_body=row.oauth.get("client_auth") == "post",
    )


def renewed(material: Material, token: Token) -> Material:
    """With the new access token, and the new refresh token where the server has changed it."""
    return replace(
        material, access_token=token.access_token, refresh_token=token.refresh_token or material.refresh_token
    )


def _fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
