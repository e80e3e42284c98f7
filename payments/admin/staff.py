"""Who sits before the page, and how long ago he proved it."""

from __future__ import annotations

import time
from typing import cast
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from core.public import User


def staff(request: HttpRequest) -> User:
    """The member of staff."""
    return cast(User, request.user)


def recently_authenticated(request: HttpRequest) -> bool:
    """Whether he proved who he is within the last ten minutes. Sessions are on real time, not on the movable clock."""
    latest = max((record["at"] for record in get_authentication_records(request, staff(request))), default=0)
    return bool(time.time() - latest < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def prove_again(request: HttpRequest) -> HttpResponse:
    """To the page that asks for a proof, and back."""
    return HttpResponseRedirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': request.path})}")
