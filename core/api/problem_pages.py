"""`/problems/` and `/problems/<code>`: what an error means and what to do, from the docstrings of the errors."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from core import problems
from core.api import wire
from core.problems import DomainError


def all_errors() -> list[type[DomainError]]:
    """Every error of the API; loading the URLs imports whatever can raise one."""
    import_module(settings.ROOT_URLCONF)
    return list(problems.registry().values())


@transaction.non_atomic_requests
@cache_control(public=True, max_age=300)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All codes by status."""
    errors = sorted(all_errors(), key=lambda error: (error.status, error.code))
    entries = [{"code": error.code, "status": error.status, "title": error.title} for error in errors]
    return render(request, "core/problem_index.html", {"entries": entries})


@transaction.non_atomic_requests
@cache_control(public=True, max_age=300)
@require_safe
def page(request: HttpRequest, code: str) -> HttpResponse:
    """One code."""
    all_errors()
    error = problems.registry().get(code)
    if error is None:
        raise Http404
    context = {
        "code": error.code,
        "status": error.status,
        "title": error.title,
        "paragraphs": problems.help_text(error),
        "members": [(name, wire.dumps(value).decode()) for name, value in error.example_members.items()],
    }
    return render(request, "core/problem_page.html", context)


def markdown() -> str:
    """docs/errors.md: the same texts for reading offline."""
    lines = [
        "# Errors",
        "",
        "Every refusal is a problem document (RFC 9457, `application/problem+json`). Decide by `code`; it is stable.",
        "`manage.py problem_docs` writes this page from the errors' docstrings.",
        "",
    ]
    for error in sorted(all_errors(), key=lambda error: (error.status, error.code)):
        lines += [f"## `{error.code}` ({error.status})", "", f"**{error.title}.**", ""]
        for paragraph in problems.help_text(error):
            lines += [paragraph, ""]
        if error.example_members:
            names = ", ".join(f"`{name}`" for name in error.example_members)
            lines += [f"Members of its own: {names}.", ""]
    return "\n".join(lines).rstrip() + "\n"
