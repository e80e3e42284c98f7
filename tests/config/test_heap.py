"""Processes that serve do not walk their own code for ever."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from celery.signals import worker_process_init

from config import celery, heap


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_lives_is_taken_out_of_later_collections() -> None:
    heap.settle()
    assert gc.get_freeze_count() > 100_000
    assert len(gc.get_objects(generation=2)) < 10_000


def test_a_child_of_a_worker_settles_before_its_first_job() -> None:
    worker_process_init.send(sender=celery.app)
    assert gc.get_freeze_count() > 100_000
