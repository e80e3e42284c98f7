"""Every address of the site."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from django.contrib import admin
from django.urls import URLPattern, include, path

from config.start_page import start
from core.api.urls import site_urlpatterns

FLOORS: Final = ("core", "experts", "marketplace", "tasks", "payments")


def _of_all_floors(name: str) -> list[URLPattern]:
    """What the floors' `api/urls.py` list under `name`; a floor without an API room has nothing to say."""
    rooms = [f"{floor}.api.urls" for floor in FLOORS if find_spec(f"{floor}.api") and find_spec(f"{floor}.api.urls")]
    return [pattern for room in rooms for pattern in getattr(import_module(room), name, [])]


urlpatterns = [
    path("", start, name="start"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/v1/expert/", include(_of_all_floors("expert_urlpatterns"))),
    path("api/v1/", include(_of_all_floors("lab_urlpatterns"))),
    *site_urlpatterns,
]

handler400 = "core.api.errors.bad_request"
handler403 = "core.api.errors.permission_denied"
handler404 = "core.api.errors.not_found"
handler500 = "core.api.errors.server_error"
