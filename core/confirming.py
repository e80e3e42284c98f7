"""What a button of the desk asks before it acts, and how it acts: row by row, with what is refused told on the page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import DataError, IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.money import Money
from core.problems import DomainError, constraint_error

Text = str | Promise
LISTED = 50
"""So many rows a confirmation names one by one."""


@dataclass(frozen=True)
class Question:
    """What a button wants to know before it acts."""

    description: Text
    permission: str | Collection[str]
    reason: bool
    amount: Callable[[Any], Money | None] | None
    choices: Callable[[], Sequence[tuple[str, Text]]] | None
    asks: Text
    about: Callable[[Any], str]
    each: Callable[[Any, str], Money] | None

    def answered(self, request: HttpRequest) -> dict[str, str] | None:
        """The answers by name; None while anything is missing or was not among the choices."""
        sent = {name: str(request.POST.get(name, "")).strip() for name in ("reason", "choice", "given")}
        wanted = {"reason": self.reason, "choice": bool(self.choices), "given": bool(self.asks)}
        answers = {name: text for name, text in sent.items() if wanted[name]}
        is_chosen = self.choices is None or sent["choice"] in {str(code) for code, _label in self.choices()}
        return answers if is_chosen and all(answers.values()) else None

    def moves(self, row: Any, given: str) -> Money | None:
        """What acting on one row moves; None where nothing says so, or where its act will refuse the line."""
        if self.each is None or not given:
            return self.amount(row) if self.amount else None
        with suppress(DomainError):
            return self.each(row, given)
        return None

    def figures(self, rows: Iterable[Any]) -> str:
        """A digest of which rows there are and what each moves, as it stands now."""
        told = ",".join(f"{row.pk}:{self.moves(row, '')}" for row in sorted(rows, key=lambda row: row.pk))
        return hashlib.sha256(told.encode()).hexdigest()

    def has_changed(self, request: HttpRequest, rows: Iterable[Any]) -> bool:
        """Whether the page that is confirmed showed other rows or amounts than there are now."""
        shown = request.POST.get("figures")
        return shown is not None and shown != self.figures(rows)


def holds(request: HttpRequest, permission: str | Collection[str] | None) -> bool:
    """Whether somebody has a permission, or one of several of which one is enough."""
    if permission is None:
        return True
    return any(map(request.user.has_perm, [permission] if isinstance(permission, str) else permission))


def ask(
    model_admin: Any,
    request: HttpRequest,
    queryset: models.QuerySet[Any],
    action: str,
    question: Question,
    line: str = "",
) -> HttpResponse:
    """The page that asks; with a ``line`` that was filled in, once more with what it comes to."""
    rows = list(queryset)
    moved = [question.moves(row, line) for row in rows]
    sums = _sums(filter(None, moved))
    has_changed = question.has_changed(request, rows)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.description,
        "opts": model_admin.opts,
        "action": action,
        "rows": [(question.about(row), money) for row, money in zip(rows[:LISTED], moved, strict=False)],
        "count": len(rows),
        "is_cut": len(rows) > LISTED,
        "sums": sums,
        "seen": _text_of(sums) if line else "",
        "filled": {name: request.POST.get(name, "") for name in ("given", "reason")} if line or has_changed else {},
        "needs_reason": question.reason,
        "figures": question.figures(rows),
        "has_changed": has_changed,
        "missing": bool(request.POST.get("confirmed")) and not line and not has_changed,
        "choices": question.choices() if question.choices else [],
        "asks": question.asks,
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": [row.pk for row in rows],
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def _sums(amounts: Iterable[Money]) -> list[Money]:
    """One sum per currency, in the order of their codes."""
    totals: dict[str, Money] = {}
    for money in amounts:
        totals[money.currency] = totals[money.currency] + money if money.currency in totals else money
    return [totals[currency] for currency in sorted(totals)]


def unseen_line(
    request: HttpRequest, queryset: models.QuerySet[Any], question: Question, answers: dict[str, str]
) -> str:
    """The filled-in line where it moves money of several rows and the page has not shown their sum yet."""
    line = answers.get("given", "") if question.each else ""
    moved = [money for row in queryset if (money := question.moves(row, line))] if line else []
    return "" if len(moved) < 2 or request.POST.get("seen") == _text_of(_sums(moved)) else line


def _text_of(sums: Iterable[Money]) -> str:
    return ", ".join(map(str, sums))


def act_on(
    model_admin: Any,
    request: HttpRequest,
    queryset: models.QuerySet[Any],
    method: Callable[..., None],
    extra: dict[str, str],
) -> None:
    """Do it to each row by itself, and say how many were done."""
    rows = queryset.order_by("pk")
    done = sum(told(request, partial(method, model_admin, request, obj, **extra), about=f"{obj}: ") for obj in rows)
    if done:
        messages.success(request, ngettext("%(n)d done.", "%(n)d done.", done) % {"n": done})


def told(request: HttpRequest, act: Callable[[], object], *, about: str = "") -> bool:
    """Do one thing in a savepoint; whether it was done. What the domain or a constraint refuses is told on the page."""
    try:
        with transaction.atomic():
            act()
    except DomainError as error:
        messages.error(request, f"{about}{error.detail}")
        return False
    except IntegrityError as error:
        refusal = constraint_error(error)
        if refusal is None:
            raise
        messages.error(request, f"{about}{refusal.detail}")
        return False
    except DataError:
        # Longer than its column, beyond 64 bits, or text that PostgreSQL does not hold, such as U+0000.
        messages.error(request, about + _("A value is too long, too large, or has characters that cannot be kept."))
        return False
    return True
