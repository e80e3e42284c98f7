"""Credentials and identity documents: handed in by the expert, expired by the calendar."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.problems import Conflict, map_constraint
from core.public import Principal
from core.sweeps import sweep
from experts.models import Credential, Expert, IdentityVerification, Notice
from experts.operations import documents, notices, verifications

WARN_BEFORE = dt.timedelta(days=30)
EXPIRING = "credential.expiring"


class IdentityAlreadyWaiting(Conflict):
    """An identity document of yours is waiting to be checked already; wait for the answer before sending another."""

    code = "identity_already_waiting"
    title = gettext_lazy("An identity document is waiting already")


map_constraint("experts_identity_one_open", IdentityAlreadyWaiting)


def submit(*, expert: Expert, file: UploadedFile[bytes] | None, now: dt.datetime, **fields: Any) -> Credential:
    """Hand in a credential; with a file it waits for the scanner before a verifier sees it."""
    document = documents.take_in(expert=expert, file=file) if file else None
    credential = Credential.objects.create(expert=expert, document=document, **fields)
    if document is None:
        verifications.let_in(credential)
    outbox.publish("credential.submitted", subject=credential.public_id, user_id=expert.user_id, for_lab=False, now=now)
    return credential


def submit_identity(
    *, expert: Expert, file: UploadedFile[bytes], now: dt.datetime, **fields: Any
) -> IdentityVerification:
    """Hand in an identity document. Raises IdentityAlreadyWaiting."""
    waiting = (IdentityVerification.Status.UNVERIFIED, IdentityVerification.Status.PENDING)
    if IdentityVerification.objects.filter(expert=expert, status__in=waiting).exists():
        raise IdentityAlreadyWaiting
    document = documents.take_in(expert=expert, file=file)
    identity = IdentityVerification.objects.create(expert=expert, document=document, **fields)
    outbox.publish("identity.submitted", subject=identity.public_id, user_id=expert.user_id, for_lab=False, now=now)
    return identity


def expire_due(
    *, by: Principal, model: type[Credential | IdentityVerification], now: dt.datetime, after: int = 0
) -> int:
    """Expire verified claims of one kind whose last valid day has passed (UTC); return how many."""
    due = model._default_manager.filter(status=model.Status.VERIFIED, expires_on__lt=now.astimezone(dt.UTC).date())

    def expire(pk: int) -> bool:
        free = due.filter(pk=pk).select_for_update(no_key=True, of=("self",), skip_locked=True)
        claim = free.select_related("expert").first()
        if claim is None:
            return False
        verifications.expire(claim=claim, now=now)
        return True

    return sweep(by=by, due=due, step=expire, after=after)


def warn_of_expiry(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Tell experts once, thirty days ahead, which credential is about to expire; return how many were told."""
    today = now.astimezone(dt.UTC).date()
    soon = Credential.objects.counting().filter(expires_on__range=(today, today + WARN_BEFORE))
    told = Notice.objects.filter(kind=EXPIRING).values("subject")
    due = soon.exclude(public_id__in=told)

    def warn(pk: int) -> bool:
        credential = due.filter(pk=pk).select_related("expert").first()
        if credential is None:
            return False
        notices.send_notice(
            expert=credential.expert,
            kind=EXPIRING,
            subject=credential.public_id,
            title=_("%(credential)s expires on %(day)s") % {"credential": credential, "day": credential.expires_on},
            body=_("Hand in the renewed document in time, so that your work is not interrupted."),
            link="/api/v1/expert/credentials",
            now=now,
        )
        return True

    return sweep(by=by, due=due, step=warn, after=after)
