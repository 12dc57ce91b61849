"""What holds for all tests."""

import gc
import os
import ssl
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import httpcore2
import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection, connections
from django.test import TransactionTestCase
from django.utils import timezone
from whitenoise.middleware import WhiteNoiseMiddleware

from tests.analytics.rows import NIGHT, partitions
from tests.emptied import emptying


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: once Playwright has run, its loop stays in the thread, and no other loop can run there. Of them the long one first."""
    items.sort(
        key=lambda item: ("browser" in getattr(item, "fixturenames", ()), item.get_closest_marker("long") is None)
    )


def pytest_collection_finish() -> None:
    """What was read to collect the tests stays to the end: it need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_quickly() -> Iterator[None]:
    """A million rounds, a third of a second, guard passwords that are worth something; each refused log-in takes them too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1_000)
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Each client of httpx2, as one of a vendor's SDK, would load the machine's again: 20 ms, for calls that go to loopback in the clear."""
    load = httpcore2.default_ssl_context

    @cache
    def loaded(trusts_env: bool, *_named: str | None) -> ssl.SSLContext:
        return load(_trust_env=trusts_env)

    def context(*, _trust_env: bool = True) -> ssl.SSLContext:
        return loaded(_trust_env, *map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", context)
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_once() -> Iterator[None]:
    """Each test client makes the middleware anew, which would look through all folders of static files each time."""
    files = dict[str, Any]()
    find = WhiteNoiseMiddleware.add_files_from_finders

    def found(middleware: WhiteNoiseMiddleware) -> None:
        if not files:
            find(middleware)
            files.update(middleware.files)
        middleware.files.update(files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", found)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The test database goes in the end: nobody may be connected to it any more, not even the thread that asgiref keeps.

    Before, it is given the months that nearly all tests write into: else each would make them, and undo them.
    """
    patch = pytest.MonkeyPatch()
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        today = timezone.now().date()
        partitions(
            (today - timedelta(days=today.day), today, today + timedelta(days=31), NIGHT, NIGHT + timedelta(days=31))
        )
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying())
    yield
    patch.undo()
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    with django_db_blocker.unblock(), connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
