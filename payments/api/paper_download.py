"""Papers over HTTP: which view of it, in which language, as a file to keep."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from rest_framework import serializers

from core.api.call import Call, Download
from payments.papers import languages, page, pdf, spreadsheet
from payments.papers.paper import Paper

FORMATS: Final = ("html", "pdf", "csv")
PAPER_FILE: Final = Download(page.MEDIA_TYPE, pdf.MEDIA_TYPE, spreadsheet.MEDIA_TYPE)


class PaperFormat(serializers.Serializer[None]):
    """Which view of it."""

    format = serializers.ChoiceField(choices=FORMATS, required=False, default="html")


def language_of(call: Call, spoken: list[str] | None = None) -> str:
    """The request's language, else one that the reader speaks."""
    return languages.choose(accepted=call.request.headers.get("Accept-Language", ""), spoken=spoken or ())


def drawn(paper: Paper, *, wanted: str, name: str) -> HttpResponse:
    """A paper as a page or a PDF."""
    if wanted == "pdf":
        return _file(pdf.render(paper), pdf.MEDIA_TYPE, f"{name}.pdf", paper.language)
    return _file(page.render(paper), f"{page.MEDIA_TYPE}; charset=utf-8", f"{name}.html", paper.language)


def table(content: str, *, name: str, language: str) -> HttpResponse:
    """A spreadsheet's table."""
    return _file(content, f"{spreadsheet.MEDIA_TYPE}; charset=utf-8", f"{name}.csv", language)


def _file(content: str | bytes, media_type: str, name: str, language: str) -> HttpResponse:
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Content-Language"] = language
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
