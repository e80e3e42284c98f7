"""The operators' desk: our admin site, its gate, its scope and its dashboard."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any
from urllib.parse import urlencode

import pghistory
from allauth.account.authentication import get_authentication_records
from csp.decorators import csp_replace
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, F, Min, QuerySet, Value
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from core import clock, scope
from core.confirming import Text
from core.desk import Page, Queue, pages, principal_of, queues
from core.problems import DomainError

View = Callable[..., HttpResponse]


class CadreAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    """Django admin behind a second factor, with the platform's role bound for the time of one page."""

    site_title = "Cadre"
    site_header = "Cadre"
    index_title = _("What waits")

    def has_permission(self, request: HttpRequest) -> bool:
        """Active staff who proved a second factor in this session; a password alone never opens the desk."""
        user = request.user
        return user.is_active and user.is_staff and has_second_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Never a form of its own: it would ask for a password only. Guests go to the site's log-in."""
        if request.user.is_authenticated:
            if request.user.is_staff and not has_second_factor(request):
                return HttpResponseRedirect(reverse("mfa_index"))
            raise PermissionDenied
        target = request.GET.get("next", reverse("admin:index"))
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': target})}")

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Each page runs in the platform's scope and is rendered inside it: afterwards the walls hide every row.

        A page that the domain refuses says why, with the refusal's status, and leaves nothing behind.
        """

        @csp_replace(settings.ADMIN_CONTENT_SECURITY_POLICY)
        @wraps(view)
        def scoped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            principal = principal_of(request)
            with pghistory.context(actor=principal.label, reason=request.path):
                scope.bind(principal)
                try:
                    with transaction.atomic():
                        return _rendered(view(request, *args, **kwargs))
                except DomainError as refusal:
                    context = {**self.each_context(request), "title": refusal.title, "refusal": refusal}
                    return _rendered(TemplateResponse(request, "admin/refused.html", context, status=refusal.status))

        guarded: View = super().admin_view(scoped, cacheable)
        return guarded

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The floors' own pages before Django's."""
        own = [path(page.route, self.admin_view(partial(self.page, page=page)), name=page.name) for page in pages]
        return [*own, *super().get_urls()]

    def page(self, request: HttpRequest, *, page: Page) -> HttpResponse:
        """One page of a floor, for those who hold its permission."""
        if not request.user.has_perm(page.permission):
            raise PermissionDenied
        return page.view(request, site=self)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The dashboard: what waits for this operator, with count and age."""
        found = sorted(waiting(request), key=lambda queue: not queue.count)  # what waits comes first
        response: HttpResponse = super().index(request, {**(extra_context or {}), "queues": found})
        return response


def _rendered(response: HttpResponse) -> HttpResponse:
    return response.render() if isinstance(response, TemplateResponse) and not response.is_rendered else response


@dataclass(frozen=True)
class Waiting:
    """One line of the dashboard."""

    label: Text
    path: str
    count: int
    oldest: dt.datetime | None


def has_second_factor(request: HttpRequest) -> bool:
    """Whether this session was opened with TOTP, a passkey or a recovery code."""
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


def waiting(request: HttpRequest) -> list[Waiting]:
    """Every queue of the operator, counted once per page by one query."""
    cached: list[Waiting] | None = getattr(request, "cadre_waiting", None)
    if cached is None:
        mine = [queue for queue in queues if request.user.has_perm(queue.permission)]
        cached = _count(mine) if mine else []
        request.cadre_waiting = cached  # type: ignore[attr-defined]  # kept for the side bar of the same page
    return cached


def _count(mine: list[Queue]) -> list[Waiting]:
    parts = [
        queue.waiting()
        .order_by()
        .annotate(queue_name=Value(queue.name))
        .values("queue_name")
        .annotate(n=Count("pk"), oldest=Min(F(queue.since)))
        .values_list("queue_name", "n", "oldest")
        for queue in mine
    ]
    first: QuerySet[Any, Any] = parts[0]
    found = {name: (n, oldest) for name, n, oldest in first.union(*parts[1:], all=True)}
    return [Waiting(queue.label, queue.path, *found.get(queue.name, (0, None))) for queue in mine]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar: the operator's queues with their counts, then every table he may see."""
    lines = [
        {"title": f"{line.label} ({line.count})" if line.count else line.label, "icon": "inbox", "link": line.path}
        for line in waiting(request)
    ]
    own = [
        {"title": page.label, "icon": "monitoring", "link": reverse(f"admin:{page.name}")}
        for page in pages
        if request.user.has_perm(page.permission)
    ]
    home = {"title": _("Dashboard"), "icon": "home", "link": "/admin/"}
    return [{"title": _("Queues"), "items": [home, *own, *lines]}]


def environment(_request: HttpRequest) -> list[str] | None:
    """A badge that tells a desk to play with from the real one."""
    if not settings.DEVELOPMENT:
        return None
    return [f"{_('Development')} · {clock.now():%Y-%m-%d %H:%M} UTC", "warning"]
