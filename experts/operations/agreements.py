"""Publishing texts, and signing them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Sequence

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.problems import Conflict, DomainError, FieldError, Remedy
from core.public import User
from experts.models import Agreement, AgreementVersion, Expert, Signature
from experts.names import is_signature_of
from experts.operations import notices


class LegalNameMissing(Conflict):
    """Your profile has no legal name yet, and a signature needs one to be compared with."""

    code = "legal_name_missing"
    title = gettext_lazy("Your profile has no legal name")


class NameMismatch(DomainError):
    """The typed name is not the legal name of your profile.

    Case, accents, punctuation and middle names do not matter; the first and the last name do.
    """

    code = "name_mismatch"
    status = 400
    title = gettext_lazy("The typed name is not your legal name")


def publish_agreement(
    *, code: str, title: str, body: str, by: User | None, now: dt.datetime, tenant_id: int | None = None
) -> AgreementVersion:
    """Publish the next version of an agreement; the same text again is the version that stands."""
    owner = Q(tenant=None) if tenant_id is None else Q(tenant_id=tenant_id)
    agreement, _created = Agreement.objects.filter(owner).get_or_create(
        code=code, defaults={"title": title, "tenant_id": tenant_id}
    )
    Agreement.objects.select_for_update(no_key=True, of=("self",)).get(pk=agreement.pk)
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    latest = agreement.versions.order_by("-version").first()
    if latest is not None and (latest.sha256, latest.title) == (sha256, title):
        return latest
    version = AgreementVersion.objects.create(
        agreement=agreement,
        version=latest.version + 1 if latest else 1,
        title=title,
        body=body,
        sha256=sha256,
        published_at=now,
        tenant_id=tenant_id,
    )
    outbox.publish(
        "agreement.published",
        subject=version.public_id,
        tenant_id=tenant_id,
        actor=f"user:{by.public_id}" if by else "",
        now=now,
    )
    return version


def current_versions(codes: Collection[str], *, tenant_id: int | None = None) -> list[AgreementVersion]:
    """The newest version of each named agreement: the lab's own where it has one, else the platform's."""
    rows = Agreement.objects.filter(Q(tenant=None) | Q(tenant_id=tenant_id), code__in=codes)
    chosen = {row.code: row.pk for row in sorted(rows, key=lambda row: row.tenant_id is not None)}
    current = AgreementVersion.objects.current().filter(agreement_id__in=chosen.values())
    return list(current.select_related("agreement").order_by("agreement__code"))


def missing_signatures(*, expert_id: int, version_ids: Sequence[int]) -> list[AgreementVersion]:
    """Which of these texts the expert has not signed yet."""
    signed = Signature.objects.filter(expert_id=expert_id).values("agreement_version_id")
    return list(AgreementVersion.objects.filter(pk__in=version_ids).exclude(pk__in=signed).order_by("pk"))


def sign(
    *,
    expert: Expert,
    version: AgreementVersion,
    typed_name: str,
    now: dt.datetime,
    ip: str | None = None,
    user_agent: str = "",
    subject: str = "",
) -> Signature:
    """Sign one text by typing one's name; signing it again returns the first signature.

    Raises LegalNameMissing, NameMismatch.
    """
    signed = Signature.objects.filter(expert=expert, agreement_version=version).first()
    if signed is not None:
        return signed
    _check_name(expert, typed_name)
    try:
        with transaction.atomic():
            signature = Signature.objects.create(
                expert=expert,
                agreement_version=version,
                typed_name=typed_name.strip(),
                legal_name=expert.legal_name,
                signed_at=now,
                ip=ip or None,
                user_agent=user_agent[:500],
                text_sha256=version.sha256,
                subject=subject,
            )
    except IntegrityError:  # the same person pressed twice
        return Signature.objects.get(expert=expert, agreement_version=version)
    _tell(signature, now=now)
    return signature


def _check_name(expert: Expert, typed_name: str) -> None:
    if not expert.legal_name:
        raise LegalNameMissing(remedy=Remedy(_("Add your legal name to your profile."), "/api/v1/expert/"))
    if not is_signature_of(typed_name, expert.legal_name):
        detail = _("Type your legal name as it stands in your profile: %(name)s.") % {"name": expert.legal_name}
        raise NameMismatch(detail, errors=[FieldError("/typed_name", "name_mismatch", detail)])


def _tell(signature: Signature, *, now: dt.datetime) -> None:
    version, expert = signature.agreement_version, signature.expert
    notices.send_notice(
        expert=expert,
        kind="agreement.signed",
        subject=signature.public_id,
        title=_("You signed: %(title)s") % {"title": version.title},
        body=_("Your copy is kept here and cannot be changed."),
        link=f"/api/v1/expert/signatures/{signature.public_id}/copy",
        now=now,
    )
    outbox.publish(
        "agreement.signed",
        subject=signature.public_id,
        tenant_id=version.tenant_id,
        user_id=expert.user_id,
        payload={"agreement_version": version.public_id, "for": signature.subject},
        now=now,
    )
