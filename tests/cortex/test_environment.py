"""What a deployment must say before anything starts, and what its settings mean: each asked of a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.cortex.processes import ROOT

PRODUCTION = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere",
    "CORTEX_TRIAL": "",
    "CORTEX_SECRET_KEY": "production-" + "0123456789abcdef" * 3,
    "CORTEX_ENCRYPTION_KEYS": "dGVzdHMtb25seS1rZXktMDEyMzQ1Njc4OWFiY2RlZiE=",
    "CORTEX_PUBLIC_URL": "",
    "CORTEX_ALLOWED_HOSTS": "",
    "CORTEX_TIME_ZONE": "",
}


def manage(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`manage.py ARGUMENTS` where only what production sets is set; an empty value is no value."""
    said = {name: value for name, value in {**os.environ, **PRODUCTION, **env}.items() if value}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=said, capture_output=True, text=True, timeout=60, check=False)


def settings(*names: str, **env: str) -> str:
    """The settings of these names, as Python writes their list."""
    told = manage(
        *("shell", "--no-imports", "-c"),
        f"from django.conf import settings; print([getattr(settings, name) for name in {names!r}])",
        **env,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


@pytest.mark.parametrize(
    ("env", "named"),
    [
        pytest.param({"CORTEX_SECRET_KEY": ""}, "CORTEX_SECRET_KEY is not set", id="no secret key"),
        pytest.param({"CORTEX_SECRET_KEY": "changeme"}, "CORTEX_SECRET_KEY is too short", id="a short secret key"),
        pytest.param({"CORTEX_ENCRYPTION_KEYS": ""}, "CORTEX_ENCRYPTION_KEYS is not set", id="no encryption key"),
        pytest.param({"CORTEX_ENCRYPTION_KEYS": "secret"}, "CORTEX_ENCRYPTION_KEYS is not", id="no Fernet key"),
        pytest.param({"DATABASE_URL": "sqlite:///cortex.db"}, "DATABASE_URL", id="another database"),
        pytest.param({"DATABASE_URL": "nonsense"}, "DATABASE_URL", id="no address of a database"),
        pytest.param({"CORTEX_SIZE_LIMIT_BYTES": "32MB"}, "CORTEX_SIZE_LIMIT_BYTES", id="no number"),
        pytest.param({"CORTEX_MAX_CALLS": "0"}, "CORTEX_MAX_CALLS", id="no call at all"),
        pytest.param({"CORTEX_TIME_ZONE": "Mars/Olympus"}, "CORTEX_TIME_ZONE", id="no such time zone"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_production_refuses_to_start_in_one_sentence_that_names_the_variable(
    command: str, env: dict[str, str], named: str
) -> None:
    told = manage(command, **env)
    assert told.returncode == 1
    assert told.stderr.startswith(f"manage.py: {named}")
    assert "Traceback" not in told.stderr
    assert told.stdout == ""


def test_hosts_zone_and_address_are_those_of_the_environment() -> None:
    env = {
        "CORTEX_ALLOWED_HOSTS": "cortex.example,10.0.0.5",
        "CORTEX_TIME_ZONE": "Europe/Berlin",
        "CORTEX_PUBLIC_URL": "https://cortex.example/",
    }
    names = ("ALLOWED_HOSTS", "TIME_ZONE", "CSRF_TRUSTED_ORIGINS", "SESSION_COOKIE_SECURE", "CELERY_TIMEZONE")
    expected = "[['cortex.example', '10.0.0.5'], 'Europe/Berlin', ['https://cortex.example'], True, 'UTC']"
    assert settings(*names, **env) == expected


def test_unsaid_it_is_this_machine_and_utc() -> None:
    assert settings("ALLOWED_HOSTS", "TIME_ZONE") == "[['localhost', '127.0.0.1', '[::1]'], 'UTC']"
