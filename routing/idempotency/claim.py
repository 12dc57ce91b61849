"""A claim as every floor of this store knows it, and as its files hold it."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from routing.terms.words import ClaimState

KEPT = timedelta(hours=24)  # what is promised of a key


@dataclass(frozen=True, slots=True)
class Name:
    """One Idempotency-Key of one client key: the same words of another client are another name."""

    client_key: str  # its SHA-256
    word: str  # 1 to 255 visible ASCII characters

    @property
    def digest(self) -> str:
        return sha256(f"{self.client_key}\0{self.word}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    name: Name
    body_mac: str  # of the request
    call: UUID  # its request_id, whether or not it was ever begun
    owner: str  # "host/file" of the process that runs it
    expires_at: datetime
    state: ClaimState = ClaimState.RUNNING
    replay: bytes | None = None  # sealed; None of a done one: too large to keep

    def as_json(self) -> bytes:
        return json.dumps(
            {
                "client_key": self.name.client_key,
                "idempotency_key": self.name.word,
                "body_mac": self.body_mac,
                "call": str(self.call),
                "owner": self.owner,
                "expires_at": self.expires_at.isoformat(),
                "state": self.state,
                "replay": None if self.replay is None else b64encode(self.replay).decode(),
            }
        ).encode()


def read(content: bytes) -> Claim | None:
    """The claim of a file; None when the file is none of ours."""
    try:
        told = json.loads(content)
        return Claim(
            name=Name(told["client_key"], told["idempotency_key"]),
            body_mac=told["body_mac"],
            call=UUID(told["call"]),
            owner=told["owner"],
            expires_at=datetime.fromisoformat(told["expires_at"]),
            state=ClaimState(told["state"]),
            replay=None if told["replay"] is None else b64decode(told["replay"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
