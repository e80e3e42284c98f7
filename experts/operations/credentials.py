"""Credentials and identity documents: handed in by the expert, expired by the calendar."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.problems import Conflict, map_constraint
from experts.models import Credential, Expert, IdentityVerification, Notice
from experts.operations import documents, notices, verifications

SWEEP = 200
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


def expire_due(*, now: dt.datetime) -> int:
    """Expire verified claims whose last valid day has passed (UTC); return how many."""
    today = now.astimezone(dt.UTC).date()
    expired = 0
    for model in (Credential, IdentityVerification):
        rows = model._default_manager.filter(status=model.Status.VERIFIED, expires_on__lt=today)
        due = rows.select_for_update(no_key=True, of=("self",), skip_locked=True).order_by("pk")
        for claim in due.select_related("expert")[:SWEEP]:
            verifications.expire(claim=claim, now=now)
            expired += 1
    return expired


def warn_of_expiry(*, now: dt.datetime) -> int:
    """Tell experts once, thirty days ahead, which credential is about to expire; return how many were told."""
    today = now.astimezone(dt.UTC).date()
    soon = Credential.objects.counting().filter(expires_on__range=(today, today + WARN_BEFORE))
    told = Notice.objects.filter(kind=EXPIRING).values("subject")
    due = list(soon.exclude(public_id__in=told).order_by("pk").select_related("expert")[:SWEEP])
    for credential in due:
        notices.send_notice(
            expert=credential.expert,
            kind=EXPIRING,
            subject=credential.public_id,
            title=_("%(credential)s expires on %(day)s") % {"credential": credential, "day": credential.expires_on},
            body=_("Hand in the renewed document in time, so that your work is not interrupted."),
            link="/api/v1/expert/credentials",
            now=now,
        )
    return len(due)
