"""How long ago the member of staff proved who he is, and where he does so again."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from core.desk import staff
from payments.operations.pay.four_eyes import StepUpRequired


def recently_authenticated(request: HttpRequest) -> bool:
    """Whether he proved who he is within the last ten minutes. Sessions are on real time, not on the movable clock."""
    latest = max((record["at"] for record in get_authentication_records(request, staff(request))), default=0)
    return bool(time.time() - latest < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def prove_again(request: HttpRequest) -> HttpResponse:
    """To the page that asks for a proof, and back."""
    return HttpResponseRedirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': request.get_full_path()})}")


def require_proof(request: HttpRequest) -> None:
    """For actions with money in them. Raises StepUpRequired when his last proof is too old."""
    if not recently_authenticated(request):
        raise StepUpRequired(_("Prove again who you are: log out and in, or open a page that asks for it."))


def fresh_proof(request: HttpRequest) -> HttpResponse | None:
    """Where to prove who you are, when the last proof is too old; None when it is not."""
    if recently_authenticated(request):
        return None
    if request.method == "POST":
        messages.info(request, _("Money may move by this: prove who you are first. Then press the button again."))
    return prove_again(request)
