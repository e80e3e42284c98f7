"""The copy of a signed agreement that an expert keeps: text, who, when, from where, and the hash of it all."""

from __future__ import annotations

from django.template.loader import render_to_string

from experts.models import Signature

HTML, TEXT = "text/html", "text/plain"


def copy_of(signature: Signature, *, media_type: str) -> str:
    """The copy as HTML or plain text; ``agreement_version`` is joined. Made anew from rows nobody can change."""
    template = "experts/signed_copy.html" if media_type == HTML else "experts/signed_copy.txt"
    version = signature.agreement_version
    return render_to_string(template, {"signature": signature, "version": version})
