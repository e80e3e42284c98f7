"""Servers of their own for tests that break them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.faults.own_cluster import OwnCluster, used


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[OwnCluster]:
    """One cluster for the tests of a module."""
    with tempfile.TemporaryDirectory(prefix="cadre-faults-") as home:
        Path(home).chmod(0o711)  # PostgreSQL runs as nobody where the tests run as root
        cluster = OwnCluster(Path(home))
        yield cluster
        cluster.stop()


@pytest.fixture
def crashing(
    own_cluster: OwnCluster, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[OwnCluster]:
    """Everything in this test happens in a fresh database that may crash."""
    with django_db_blocker.unblock(), used(own_cluster):
        yield own_cluster
