"""The real application on a hurried schedule: periodic jobs each second, for tests that cannot wait a minute.

``HASTY`` names the jobs that hurry, all without it. ``HASTY_EXPIRES`` says after how many seconds one that nobody has done
is forgotten, "0" never: each second's jobs are sent in one order and grow old together, so on a machine that does not keep
up the last of them expire every time, for ever.
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
    expires = int(os.environ.get("HASTY_EXPIRES", "5"))
    for name, entry in sender.conf.beat_schedule.items():
        if not chosen or name in chosen:
            entry["schedule"] = dt.timedelta(seconds=1)
            entry["options"] = {"expires": expires} if expires else {}
