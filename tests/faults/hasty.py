"""The real application on a hurried schedule: every periodic job each second, for tests that cannot wait a minute."""

from __future__ import annotations

import datetime as dt

from celery import Celery

from config.celery import app

__all__ = ["app"]


@app.on_after_finalize.connect
def _hurry(sender: Celery, **_kwargs: object) -> None:
    for entry in sender.conf.beat_schedule.values():
        entry["schedule"] = dt.timedelta(seconds=1)
