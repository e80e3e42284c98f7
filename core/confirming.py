"""What a button of the desk asks before it acts, and how it acts: row by row, with what is refused told on the page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_ngettext
from django.db import DataError, IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.money import Money
from core.problems import DomainError, constraint_error
from core.row_facts import facts_of
from core.templatetags.core_money import money_text

Text = str | Promise
LISTED = 50
"""So many rows a confirmation names one by one."""
TOLD: Final = object()
"""What an act returns that has said itself what became of the row."""
PROPOSED: Final = "proposed"
"""The state of what waits for another person."""


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
    effect: Text
    which: Text

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

    def figures(self, asked: Asked, line: str = "") -> str:
        """A seal on who was shown which rows for which button, and what each moves, as it stands now.

        Made with the server's key, so only a page that was shown has it. ``line`` is what was filled in, where the
        page that told its sum is sealed.
        """
        told = (f"{row.pk}:{self.moves(row, line)}" for row in sorted(asked.rows, key=lambda row: row.pk))
        sealed = "\0".join((str(asked.request.user.pk), asked.page, asked.action, line, *told))
        return salted_hmac("core.confirming", sealed, algorithm="sha256").hexdigest()

    def was_shown(self, asked: Asked) -> bool:
        """Whether the form comes from the page that asks, and that showed the rows and amounts that there are now."""
        return constant_time_compare(asked.request.POST.get("figures", ""), self.figures(asked))


@dataclass(frozen=True)
class Asked:
    """A button that somebody pressed for some rows of a page."""

    request: HttpRequest
    page: str
    action: str
    rows: list[Any]


def holds(request: HttpRequest, permission: str | Collection[str] | None) -> bool:
    """Whether somebody has a permission, or one of several of which one is enough."""
    if permission is None:
        return True
    return any(map(request.user.has_perm, [permission] if isinstance(permission, str) else permission))


def ask(model_admin: Any, asked: Asked, question: Question, line: str = "") -> HttpResponse:
    """The page that asks; with a ``line`` that was filled in, once more with what it comes to."""
    request, rows = asked.request, asked.rows
    moved = [question.moves(row, line) for row in rows]
    was_shown = question.was_shown(asked)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.description,
        "effect": question.effect,
        "opts": model_admin.opts,
        "action": asked.action,
        "rows": [_line(model_admin, asked, question, *line) for line in zip(rows[:LISTED], moved, strict=False)],
        "what": model_ngettext(model_admin.opts, len(rows)),
        "count": len(rows),
        "is_cut": len(rows) > LISTED,
        "sums": _sums(filter(None, moved)),
        "seen": question.figures(asked, line) if line else "",
        "filled": {name: request.POST.get(name, "") for name in ("given", "reason", "choice")},
        "needs_reason": question.reason,
        "figures": question.figures(asked),
        "has_changed": bool(request.POST.get("figures")) and not was_shown,
        "missing": was_shown and not line,
        "choices": question.choices() if question.choices else [],
        "which": question.which or _("Which one"),
        "asks": question.asks,
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": [row.pk for row in rows],
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def _line(
    model_admin: Any, asked: Asked, question: Question, row: Any, moved: Money | None
) -> tuple[str, Money | None, list[tuple[str, str]]]:
    """What is said of a row, what it moves, and, unless its own words say it all, what its list shows."""
    text = question.about(row)
    if question.about is not str:
        return text, moved, []
    return text, moved, facts_of(model_admin, asked.request, row, but=(text, *text.split(maxsplit=1), str(moved)))


def _sums(amounts: Iterable[Money]) -> list[Money]:
    """One sum per currency, in the order of their codes."""
    totals: dict[str, Money] = {}
    for money in amounts:
        totals[money.currency] = totals[money.currency] + money if money.currency in totals else money
    return [totals[currency] for currency in sorted(totals)]


def unseen_line(asked: Asked, question: Question, answers: dict[str, str]) -> str:
    """The filled-in line where it moves money of several rows and the page has not shown their sum yet."""
    line = answers.get("given", "") if question.each else ""
    moved = [row for row in asked.rows if question.moves(row, line)] if line else []
    if len(moved) < 2:
        return ""
    return "" if constant_time_compare(asked.request.POST.get("seen", ""), question.figures(asked, line)) else line


def act_on(
    model_admin: Any,
    asked: Asked,
    question: Question,
    queryset: models.QuerySet[Any],
    method: Callable[..., object],
    answers: dict[str, str],
) -> None:
    """Do it to each row that was shown by itself, and say what was done and what waits for another person."""
    request = asked.request
    done: list[Money | None] = []
    waiting: list[Money | None] = []
    for row in queryset.filter(pk__in=[row.pk for row in asked.rows]).order_by("pk"):
        moved = question.moves(row, answers.get("given", ""))
        made: list[object] = []
        act = partial(_keep, made, partial(method, model_admin, request, row, **answers))
        if told(request, act, about=f"{row}: ") and made != [TOLD]:
            (waiting if is_proposed(made[0]) else done).append(_came_to(made[0]) or moved)
    if done:
        messages.success(request, _("“%(act)s”: %(n)d done%(sums)s.") % _counted(question, done))
    if waiting:
        text = ngettext(
            "“%(act)s”: %(n)d proposed%(sums)s. Nothing has happened yet: another person has to approve it.",
            "“%(act)s”: %(n)d proposed%(sums)s. Nothing has happened yet: another person has to approve them.",
            len(waiting),
        )
        messages.info(request, text % _counted(question, waiting))


def is_proposed(made: object) -> bool:
    """Whether what an act made is only a proposal, and waits for another person."""
    return getattr(made, "status", None) == PROPOSED


def _came_to(made: object) -> Money | None:
    """What an act truly moved, where the row that it made says so: it may be less than the page's figure."""
    kept = (getattr(made, name, None) for name in ("amount_minor", "total_minor"))
    minor, currency = next(filter(None, kept), None), getattr(made, "currency", "")
    return Money(abs(minor), currency) if minor and currency else None


def _keep(made: list[object], act: Callable[[], object]) -> None:
    made.append(act())


def _counted(question: Question, moved: list[Money | None]) -> dict[str, Any]:
    sums = "".join(f", {money_text(money)}" for money in _sums(filter(None, moved)))
    return {"act": question.description, "n": len(moved), "sums": sums}


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
