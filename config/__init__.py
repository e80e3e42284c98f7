"""The top floor: settings, addresses, servers, the admin site and the demo story. Nobody imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
