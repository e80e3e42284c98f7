"""The start page: what each role can do now, and what waits for whoever is logged in."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from config.waiting import Waits, waits_for
from core import clock


@dataclass(frozen=True)
class Link:
    """Something to do, and where."""

    text: str
    href: str


@dataclass(frozen=True)
class Role:
    """One kind of user, and his doors."""

    name: str
    about: str
    links: tuple[Link, ...]
    waits: tuple[Waits, ...] = ()


def start(request: HttpRequest) -> HttpResponse:
    """Four roles, four doors. Development mode also tells everybody what the demo left waiting for each."""
    waits = waits_for(request, now=clock.now())
    context = {
        "roles": _roles(waits),
        "development": settings.DEVELOPMENT,
        "base_url": settings.BASE_URL,
        "credentials": settings.CADRE_HOME / "demo-credentials.json",
    }
    return render(request, "site/start.html", context)


def _roles(waits: dict[str, tuple[Waits, ...]]) -> list[Role]:
    docs, desk = reverse("api-docs"), reverse("admin:index")
    return [
        Role(
            _("Expert"),
            _("Prove what you know, work, and see what every minute earns."),
            (
                Link(_("Join with your e-mail address"), reverse("account_signup")),
                Link(_("Openings, offers, tasks and earnings over REST"), f"{docs}#/expert"),
                Link(_("Passkeys and one-time codes"), reverse("mfa_index")),
            ),
            waits.get("expert", ()),
        ),
        Role(
            _("Lab"),
            _("Post work, review it, and take the data home."),
            (
                Link(_("The API, with an example for every call"), docs),
                Link(_("The OpenAPI document"), reverse("api-schema")),
                Link(_("What each error means"), reverse("problems")),
            ),
            waits.get("lab", ()),
        ),
        Role(
            _("Operations"),
            _("Verify, review, decide disputes and appeals."),
            (Link(_("The desk, with your queues"), desk),),
            waits.get("operations", ()),
        ),
        Role(
            _("Finance"),
            _("Prepare a pay run; somebody else releases it."),
            (
                Link(_("Where the money stands, at one look"), reverse("admin:payments_finance")),
                Link(_("The desk: funding, pay runs, payouts"), desk),
            ),
            waits.get("finance", ()),
        ),
    ]
