"""`/expert/agreements`: texts to read and sign; `/expert/signatures`: copies to keep."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers

from core.api.call import Call, Download
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.limits import address_of
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, Link, Timestamp
from core.api.views import ExpertView
from experts import copies
from experts.api.me import me
from experts.models import AgreementVersion, Signature
from experts.operations import agreements
from experts.operations.agreements import LegalNameMissing, NameMismatch

Sha256 = Annotated[str, Example("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
EXTENSIONS = {copies.HTML: "html", copies.TEXT: "txt"}


class AgreementOut(TypedDict):
    """One version of an agreement."""

    id: Annotated[str, IdOf("agv")]
    code: Annotated[str, Example("nda")]
    version: Annotated[int, Example(2)]
    title: Annotated[str, Example("Non-disclosure agreement")]
    sha256: Annotated[Sha256, Doc("Of the text, UTF-8.")]
    published_at: Timestamp
    signature: Annotated[str | None, IdOf("sig"), Doc("Your signature, if you have signed it.")]


class AgreementTextOut(AgreementOut):
    """One version with its full text."""

    body: Annotated[str, Doc("Markdown."), Example("# Non-disclosure agreement\n\n…")]


class SignatureOut(TypedDict):
    """A signature; it cannot be changed."""

    id: Annotated[str, IdOf("sig")]
    agreement_version: Annotated[str, IdOf("agv")]
    title: str
    version: int
    typed_name: Annotated[str, Example("Ada Lovelace")]
    legal_name: Annotated[str, Example("Ada Lovelace")]
    signed_at: Timestamp
    ip: Annotated[str | None, Example("203.0.113.7")]
    user_agent: str
    text_sha256: Sha256
    subject: Annotated[str, Doc("What it was signed for, an offer's id for example.")]
    copy: Annotated[Link, Doc("The copy to keep; `?format=text` for plain text.")]


class AgreementFilter(serializers.Serializer[None]):
    """Filters."""

    code = StrictCharField(max_length=60, required=False)


class SignIn(serializers.Serializer[None]):
    """A click-wrap signature."""

    typed_name = StrictCharField(max_length=200, help_text="Your legal name.")


class CopyFormat(serializers.Serializer[None]):
    """How the copy is wanted."""

    format = serializers.ChoiceField(choices=[("html", "HTML"), ("text", "Text")], default="html")


def versions_of(call: Call) -> Any:
    """What the caller may read, with his own signature."""
    return (
        AgreementVersion.objects.visible_to(call.principal)
        .select_related("agreement")
        .with_signature_of(call.principal.subject_id or 0)
    )


def signatures_of(call: Call) -> Any:
    """The caller's signatures with what a row shows."""
    return Signature.objects.visible_to(call.principal).select_related("agreement_version")


def render_agreement(version: Any) -> AgreementOut:
    """A version without its text; ``signature_id`` is annotated."""
    return {
        "id": version.public_id,
        "code": version.agreement.code,
        "version": version.version,
        "title": version.title,
        "sha256": version.sha256,
        "published_at": version.published_at,
        "signature": version.signature_id,
    }


def render_signature(signature: Signature) -> SignatureOut:
    """A signature; ``agreement_version`` is joined."""
    return {
        "id": signature.public_id,
        "agreement_version": signature.agreement_version.public_id,
        "title": signature.agreement_version.title,
        "version": signature.agreement_version.version,
        "typed_name": signature.typed_name,
        "legal_name": signature.legal_name,
        "signed_at": signature.signed_at,
        "ip": signature.ip,
        "user_agent": signature.user_agent,
        "text_sha256": signature.text_sha256,
        "subject": signature.subject,
        "copy": f"/api/v1/expert/signatures/{signature.public_id}/copy",
    }


class AgreementList(ExpertView):
    """What can be read and signed now."""

    @endpoint(
        summary="List agreements",
        query=AgreementFilter,
        returns=AgreementOut,
        paginated=True,
        render=render_agreement,
    )
    def get(self, call: Call) -> Any:
        """The newest version of each agreement of the platform and of the labs you have to do with."""
        rows = versions_of(call).current()
        return rows.filter(agreement__code=call.query["code"]) if "code" in call.query else rows


class AgreementDetail(ExpertView):
    """One version."""

    @endpoint(summary="Read an agreement", returns=AgreementTextOut)
    def get(self, call: Call, version_id: str) -> AgreementTextOut:
        """The full text, older versions and signed ones included."""
        version = get_or_404(versions_of(call), version_id)
        return {**render_agreement(version), "body": version.body}


class AgreementSign(ExpertView):
    """The act of signing."""

    @endpoint(
        summary="Sign an agreement",
        body=SignIn,
        returns=SignatureOut,
        status=201,
        errors=[LegalNameMissing, NameMismatch],
        example={"typed_name": "Ada Lovelace"},
    )
    def post(self, call: Call, version_id: str) -> SignatureOut:
        """Kept with time, address, program and the hash of the text. Signing again returns the first signature."""
        signature = agreements.sign(
            expert=me(call),
            version=get_or_404(versions_of(call), version_id),
            typed_name=call.body["typed_name"],
            ip=address_of(call.request),
            user_agent=call.request.headers.get("User-Agent", ""),
            now=call.now,
        )
        return render_signature(signature)


class SignatureList(ExpertView):
    """What the expert signed."""

    @endpoint(summary="List my signatures", returns=SignatureOut, paginated=True, render=render_signature)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return signatures_of(call)


class SignatureDetail(ExpertView):
    """One signature."""

    @endpoint(summary="Show one of my signatures", returns=SignatureOut)
    def get(self, call: Call, signature_id: str) -> SignatureOut:
        """As it was given."""
        return render_signature(get_or_404(signatures_of(call), signature_id))


class SignatureCopy(ExpertView):
    """The copy to keep."""

    @endpoint(summary="Download my signed copy", query=CopyFormat, returns=Download(copies.HTML, copies.TEXT))
    def get(self, call: Call, signature_id: str) -> HttpResponseBase:
        """The text with the signature under it, as HTML or plain text."""
        signature = get_or_404(signatures_of(call), signature_id)
        media_type = copies.TEXT if call.query.get("format") == "text" else copies.HTML
        response = HttpResponse(
            copies.copy_of(signature, media_type=media_type), content_type=f"{media_type}; charset=utf-8"
        )
        name = f"{signature.agreement_version.public_id}.{EXTENSIONS[media_type]}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
