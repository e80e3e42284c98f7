"""What holds for every test: the database is built by its owner, and the tests work as the application's role."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any

import pytest
import redis
from django.db import connection
from django.http import HttpResponseBase
from django.test import TransactionTestCase
from django.test.client import ClientHandler
from django.test.utils import override_settings, setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from core import scope
from core.db import as_owner
from core.principal import Principal
from payments.providers import sandbox
from tests import database, fault_table, invariants


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """After each test of `docs/faults.md` the money is whole, whatever else the test looks at."""
    yield
    name = getattr(item, "originalname", item.name)
    if (item.location[0], name) in fault_table.cited() and (database_mark := item.get_closest_marker("django_db")):
        if item.get_closest_marker("invented_books"):
            invariants.assert_the_journal_holds()
        else:
            invariants.assert_money_is_whole(provider=bool(database_mark.kwargs.get("transaction")))


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    django_db_createdb: bool,
) -> Iterator[None]:
    """Replace pytest-django's fixture: the same steps under the owner's log-in."""
    verbosity = request.config.option.verbose
    with django_db_blocker.unblock():
        with as_owner():
            keepdb = django_db_keepdb and not django_db_createdb
            created = setup_databases(verbosity=verbosity, interactive=False, keepdb=keepdb)
        database.take_snapshot()
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock(), as_owner():
            teardown_databases(created, verbosity=verbosity)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """The sandbox provider commits by itself, as an institution of its own does: its rows outlive a test's rollback.

    Tests without the mark share a world, which is put away by whoever made it.
    """
    yield
    if _provider.was_asked and item.get_closest_marker("django_db"):
        database.restore_snapshot()
        _provider.was_asked = False


@dataclass
class _Provider:
    """Whether a test that is rolled back has left rows at the sandbox provider."""

    was_asked: bool = False


_provider = _Provider()


@pytest.fixture(scope="session", autouse=True)
def _provider_is_watched() -> Iterator[None]:
    books = sandbox._books

    def watched() -> AbstractContextManager[Any]:
        _provider.was_asked = True
        return books()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "_books", watched)
        yield


@pytest.fixture(scope="session", autouse=True)
def _transactional_tests_end_clean() -> Iterator[None]:
    """After a transactional test the database is as the migrations left it."""

    def restore(self: TransactionTestCase) -> None:
        connection.close()
        database.restore_snapshot()
        _provider.was_asked = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", restore)
        yield


@pytest.fixture(scope="session", autouse=True)
def _passwords_take_no_time() -> Iterator[None]:
    """A hash that is slow on purpose takes most of the time in which a small world is made."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _requests_start_unbound() -> Iterator[None]:
    """A request of the test client starts without scope, as in production, though the test's transaction goes on.

    Otherwise the scope that a test bound would survive into the request, and an endpoint that forgets to bind passes.
    """
    stock = ClientHandler.__call__

    @wraps(stock)
    def unbound(self: ClientHandler, environ: dict[str, Any]) -> HttpResponseBase:
        with ExitStack() as stack:
            if connection.in_atomic_block and not connection.needs_rollback:
                stack.enter_context(scope.restored())
                scope.bind(Principal.anonymous())
            return stock(self, environ)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "__call__", unbound)
        yield


@pytest.fixture(scope="session")
def _valkey() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty_valkey(_valkey: redis.Redis) -> None:
    """No test sees another's rate limits, cache or queue."""
    _valkey.flushdb()
