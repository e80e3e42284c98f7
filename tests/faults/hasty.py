"""The real application on a hurried schedule: periodic jobs each second, for tests that cannot wait a minute.

``HASTY`` names the jobs that hurry, all without it.
"""

from __future__ import annotations

import datetime as dt
import os

from celery import Celery

from config.celery import app

__all__ = ["app"]


@app.on_after_finalize.connect
def _hurry(sender: Celery, **_kwargs: object) -> None:
    chosen = os.environ.get("HASTY", "").split()
    for name, entry in sender.conf.beat_schedule.items():
        if not chosen or name in chosen:
            entry["schedule"] = dt.timedelta(seconds=1)
            entry["options"] = {"expires": 5}
