"""A paper as an HTML page: printable, with its style inside and nothing that runs."""

from __future__ import annotations

from django.template.loader import render_to_string

from payments.papers.paper import Paper

MEDIA_TYPE = "text/html"


def render(paper: Paper) -> str:
    """The whole document."""
    return render_to_string("payments/papers/paper.html", {"paper": paper})
