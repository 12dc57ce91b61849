"""What a newcomer needs to begin: an account, a key, and a first answer. Kept in the data dir, readable by its owner alone."""

import http.client
import json
import secrets
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from cortex.environment import data_dir, kept_secret
from routing import audit, clients, people
from routing.terms.words import Group

ADMIN = "admin"
CLIENT = "first-steps"
FIRST_ASK = {
    "task_type": "quick_capture",
    "prompt": "In one short sentence: what does a model router do?",
    "max_tokens": 100,
}
PATIENCE_S = 20


def log_in() -> str:
    """How to log in, in one sentence. Makes the account of an admin when nobody has an account yet."""
    users = get_user_model()._default_manager
    admin = users.filter(username=ADMIN).first()
    if admin is None and users.filter(is_active=True).exists():
        return "Log in with your own account."
    password = kept_secret("admin_password", lambda: secrets.token_urlsafe(12))
    if admin is None:
        with transaction.atomic():
            admin = get_user_model().objects.create_user(ADMIN, password=password)
            people.put(admin, Group.ADMIN)
            audit.write("person.create", f"person:{ADMIN}", by=audit.SYSTEM, after={"group": Group.ADMIN})
    elif not admin.check_password(password):
        return f"Log in as {ADMIN} with the password you gave it."
    return f"Log in as {ADMIN} with the password {password}"


def key() -> str:
    """A live key of the client `first-steps`, the same on every start."""
    kept = data_dir() / "secrets" / "first_key"
    if kept.exists() and clients.lookup(clients.digest(kept.read_text().strip())) is None:
        kept.unlink()  # revoked, or of a database that is no more
    return kept_secret("first_key", lambda: clients.create_key(CLIENT, by=audit.SYSTEM).key)


def first_dispatch(url: str, key: str) -> str:
    """Ask for a first answer over HTTP, as any client would, and say in one sentence what came."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}api/v1/dispatch",
        data=json.dumps(FIRST_ASK).encode(),
        headers={"Content-Type": "application/json", "X-Cortex-Key": key, **_as_proxy()},
    )
    task = FIRST_ASK["task_type"]
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE_S) as response:
            return _told(json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return f"A first dispatch of {task} was answered {error.code}: {_reason(error.read())}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"A first dispatch of {task} was not answered: {error}"


def _told(answer: dict[str, Any]) -> str:
    words = " ".join(str(answer["output"]).split())
    cost = "unpriced" if answer["cost_usd"] is None else f"${Decimal(answer['cost_usd']).normalize():f}"
    who = f"{answer['provider']}:{answer['model']}"
    return f"A first dispatch of {answer['task_type']} went to {who} ({answer['total_ms']} ms, {cost}): “{words}”"


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _as_proxy() -> dict[str, str]:
    """The headers with which we are let in where only a public name over HTTPS is."""
    names = [host for host in settings.ALLOWED_HOSTS if not host.startswith((".", "*"))]
    host = {} if not names or {"*", "127.0.0.1"} & set(settings.ALLOWED_HOSTS) else {"Host": names[0]}
    return {**host, "X-Forwarded-Proto": "https"} if settings.HTTPS else host
