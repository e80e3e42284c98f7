"""The real application with little time for each job: ``SOFT`` seconds until it is told (if it is), ``HARD`` until it is killed."""

from __future__ import annotations

import os

from config.celery import app

__all__ = ["app"]

if "HARD" in os.environ:
    told = os.environ.get("SOFT")
    app.conf.update(task_soft_time_limit=int(told) if told else None, task_time_limit=int(os.environ["HARD"]))
