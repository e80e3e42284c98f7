"""`/expert/credentials` and `/expert/identity`."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import CountryField, DayField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Day, Doc, Example, IdOf, Timestamp
from core.api.views import ExpertView
from experts.api.documents import UPLOAD_BYTES, UPLOAD_ERRORS, UploadedFileOut, render_document
from experts.api.domains import DomainCode
from experts.api.me import me
from experts.models import Credential, Domain, IdentityVerification
from experts.operations import credentials
from experts.operations.credentials import IdentityAlreadyWaiting

State = Annotated[
    str, Doc("unverified (file in quarantine), pending, verified, rejected, expired or revoked."), Example("pending")
]
STATES = Credential.Status.choices


class CredentialOut(TypedDict):
    """Something the expert holds."""

    id: Annotated[str, IdOf("crd")]
    kind: Annotated[str, Example("degree")]
    title: Annotated[str, Example("Doctor of Medicine")]
    issuer: Annotated[str, Example("Charité Berlin")]
    domain: DomainCode | None
    award: Annotated[str, Doc("Level of a degree, kind of a licence."), Example("doctorate")]
    jurisdiction: Annotated[str, Doc("ISO 3166 of a licence."), Example("DE")]
    issued_on: Day | None
    expires_on: Day | None
    link: str
    document: UploadedFileOut | None
    status: State
    reason: Annotated[str, Doc("The verifier's words.")]
    decided_at: Timestamp | None
    created_at: Timestamp


class CredentialIn(serializers.Serializer[None]):
    """A credential as a multipart form, with its file (PDF, PNG, JPEG or WebP, at most 10 MB) or a link."""

    kind = serializers.ChoiceField(choices=Credential.Kind.choices)
    title = StrictCharField(max_length=200)
    issuer = StrictCharField(max_length=200, required=False, allow_blank=True)
    domain = StrictCharField(max_length=80, help_text="Code of the domain it proves.")
    award = StrictCharField(
        max_length=40,
        required=False,
        help_text="Of a degree: secondary, short_cycle, bachelor, master or doctorate. Of a licence: its kind.",
    )
    jurisdiction = serializers.RegexField(
        r"^[A-Z]{2}(-[A-Z0-9]{1,3})?\Z", required=False, help_text="Of a licence: US or US-CA."
    )
    issued_on = DayField(required=False)
    expires_on = DayField(required=False)
    link = serializers.URLField(max_length=500, required=False)
    file = serializers.FileField(max_length=200, required=False)

    def validate_domain(self, code: str) -> Domain:
        """The domain itself."""
        found = Domain.objects.visible_to(self.context["principal"]).filter(code=code).first()
        if found is None:
            raise serializers.ValidationError(_("There is no such domain."), code="unknown_domain")
        return found

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What each kind needs."""
        kind, errors = attrs["kind"], {}
        if kind == Credential.Kind.DEGREE and attrs.get("award") not in Credential.Degree.values:
            errors["award"] = _("Say the level of the degree: %(levels)s.") % {
                "levels": ", ".join(Credential.Degree.values)
            }
        if kind == Credential.Kind.LICENCE and not (attrs.get("award") and attrs.get("jurisdiction")):
            errors["jurisdiction"] = _("A licence needs its kind (award) and its jurisdiction.")
        if not attrs.get("file") and not attrs.get("link"):
            errors["file"] = _("Send a file, or a link where it can be seen.")
        issued, expires = attrs.get("issued_on"), attrs.get("expires_on")
        if issued and expires and expires < issued:
            errors["expires_on"] = _("It cannot expire before it was issued.")
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class StatusFilter(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=STATES, required=False)


def credentials_of(call: Call) -> Any:
    """The caller's credentials with what a row shows."""
    return Credential.objects.visible_to(call.principal).select_related("document", "domain")


def render_credential(row: Credential) -> CredentialOut:
    """A credential; ``document`` and ``domain`` are joined."""
    return {
        "id": row.public_id,
        "kind": row.kind,
        "title": row.title,
        "issuer": row.issuer,
        "domain": None if row.domain is None else row.domain.code,
        "award": row.award,
        "jurisdiction": row.jurisdiction,
        "issued_on": row.issued_on,
        "expires_on": row.expires_on,
        "link": row.link,
        "document": None if row.document is None else render_document(row.document),
        "status": row.status,
        "reason": row.reason,
        "decided_at": row.decided_at,
        "created_at": row.created_at,
    }


def render_identity(row: IdentityVerification) -> IdentityOut:
    """An identity check; ``document`` is joined."""
    return {
        "id": row.public_id,
        "kind": row.kind,
        "country": row.country,
        "legal_name": row.legal_name,
        "expires_on": row.expires_on,
        "document": render_document(row.document),
        "status": row.status,
        "reason": row.reason,
        "decided_at": row.decided_at,
        "created_at": row.created_at,
    }


class CredentialList(ExpertView):
    """The expert's own credentials."""

    @endpoint(
        summary="List my credentials",
        query=StatusFilter,
        returns=CredentialOut,
        paginated=True,
        render=render_credential,
    )
    def get(self, call: Call) -> Any:
        """With what the verifier said."""
        return credentials_of(call).filter(**call.query)

    @endpoint(
        summary="Hand in a credential",
        body=CredentialIn,
        multipart=True,
        max_body=UPLOAD_BYTES,
        returns=CredentialOut,
        status=201,
        errors=UPLOAD_ERRORS,
        example={
            "kind": "degree",
            "title": "Doctor of Medicine",
            "issuer": "Charité Berlin",
            "domain": "medicine",
            "award": "doctorate",
            "issued_on": "2012-07-01",
        },
    )
    def post(self, call: Call) -> CredentialOut:
        """It is `unverified` while its file is in quarantine, then `pending` until a verifier has looked at it."""
        fields = dict(call.body)
        file = fields.pop("file", None)
        return render_credential(credentials.submit(expert=me(call), file=file, now=call.now, **fields))


class CredentialDetail(ExpertView):
    """One credential."""

    @endpoint(summary="Show one of my credentials", returns=CredentialOut)
    def get(self, call: Call, credential_id: str) -> CredentialOut:
        """With a fresh link to its file."""
        return render_credential(get_or_404(credentials_of(call), credential_id))


class IdentityOut(TypedDict):
    """One identity check."""

    id: Annotated[str, IdOf("idv")]
    kind: Annotated[str, Example("passport")]
    country: Annotated[str, Example("DE")]
    legal_name: Annotated[str, Example("Ada Lovelace")]
    expires_on: Day | None
    document: UploadedFileOut
    status: State
    reason: str
    decided_at: Timestamp | None
    created_at: Timestamp


class IdentityIn(serializers.Serializer[None]):
    """An identity document as a multipart form."""

    kind = serializers.ChoiceField(choices=IdentityVerification.Kind.choices)
    country = CountryField(help_text="Who issued it.")
    legal_name = StrictCharField(max_length=200, help_text="As printed on it; the profile takes it over.")
    expires_on = DayField(required=False)
    file = serializers.FileField(max_length=200)


class IdentityList(ExpertView):
    """The expert's identity checks."""

    @endpoint(summary="List my identity checks", returns=IdentityOut, paginated=True, render=render_identity)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return IdentityVerification.objects.visible_to(call.principal).select_related("document")

    @endpoint(
        summary="Hand in an identity document",
        body=IdentityIn,
        multipart=True,
        max_body=UPLOAD_BYTES,
        returns=IdentityOut,
        status=201,
        errors=[*UPLOAD_ERRORS, IdentityAlreadyWaiting],
        example={"kind": "passport", "country": "DE", "legal_name": "Ada Lovelace", "expires_on": "2031-05-01"},
    )
    def post(self, call: Call) -> IdentityOut:
        """A person compares it with the profile; one document can wait at a time."""
        fields = dict(call.body)
        file = fields.pop("file")
        return render_identity(credentials.submit_identity(expert=me(call), file=file, now=call.now, **fields))


class IdentityDetail(ExpertView):
    """One identity check."""

    @endpoint(summary="Show one of my identity checks", returns=IdentityOut)
    def get(self, call: Call, identity_id: str) -> IdentityOut:
        """With a fresh link to its file."""
        rows = IdentityVerification.objects.visible_to(call.principal).select_related("document")
        return render_identity(get_or_404(rows, identity_id))
