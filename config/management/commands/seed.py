"""``manage.py seed``: the operators' groups; in development mode also the demo's people and their log-ins."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import groups
from config.demo import seed
from config.demo.credentials import FILE_NAME
from core import clock
from core.public import Principal, unit_of_work


class Command(BaseCommand):
    """Safe to run at every start: a second run changes nothing."""

    help = "Bring groups and permissions up to date; in development mode also make the demo's labs, experts and staff."

    def handle(self, *args: Any, **options: Any) -> None:
        """One unit of work: all of it or nothing."""
        with unit_of_work(Principal.system("config.seed")):
            groups.bring_up_to_date()
            if settings.DEVELOPMENT:
                path = settings.CADRE_HOME / FILE_NAME
                seed.plant(path=path, base_url=settings.BASE_URL, now=clock.now())
