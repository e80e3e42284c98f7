"""The Celery application. The database is the truth; Celery is the wake-up (see core/jobs.py)."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from django.apps import apps
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings  # the line above tells it where to look

from config import heap

app = Celery("cadre")
app.conf.update(
    broker_url=settings.REDIS_URL,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_default_queue="default",
    task_routes={"payments.*": {"queue": "payments"}},
    # A worker killed at any moment gives its job back; every job may therefore run twice.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_time_limit=120,
    task_soft_time_limit=90,
    worker_soft_shutdown_timeout=30,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # With the library's defaults a lost job came back after 100 s.
    broker_transport_options={
        "visibility_timeout": 600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "health_check_interval": 25,
    },
    timezone="UTC",
)
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks(related_name="jobs")


def periodic_jobs() -> dict[str, Any]:
    """Name → interval of every periodic job, as the apps declare them in ``jobs.PERIODIC``."""
    found: dict[str, Any] = {}
    for label in ("core", "experts", "marketplace", "tasks", "payments"):
        if apps.is_installed(apps.get_app_config(label).name):
            try:
                found |= getattr(import_module(f"{label}.jobs"), "PERIODIC", {})
            except ModuleNotFoundError as error:
                if error.name != f"{label}.jobs":
                    raise
    return found


@worker_process_init.connect
def _settle(**_kwargs: Any) -> None:
    """Each child of a worker's pool, before its first job."""
    heap.settle()


@app.on_after_finalize.connect
def _schedule(sender: Celery, **_kwargs: Any) -> None:
    sender.conf.beat_schedule = {
        name: {"task": name, "schedule": interval, "options": {"expires": interval.total_seconds() * 2}}
        for name, interval in periodic_jobs().items()
    }
