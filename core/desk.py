"""What every operator's page shares: read-only tables, actions that ask first, and the registry of queues.

Queues and pages are composed into the dashboard and the side bar by ``config.admin_site``, so no floor knows the others' queues.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import DataError, IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline

from core.models.user import User
from core.money import Money
from core.principal import Kind, Principal
from core.problems import DomainError, constraint_error
from core.row_history import recent_history

M = TypeVar("M", bound=models.Model)
Text = str | Promise
LISTED = 50
"""So many rows a confirmation names one by one."""


@dataclass(frozen=True)
class Queue:
    """Something that waits for an operator: a query, the field that says since when, and where to go."""

    name: str
    label: Text
    path: str
    permission: str
    waiting: Callable[[], models.QuerySet[Any]]
    since: str


queues: list[Queue] = []


def register_queue(
    *,
    name: str,
    label: Text,
    path: str,
    permission: str,
    waiting: Callable[[], models.QuerySet[Any]],
    since: str = "created_at",
) -> None:
    """Put a queue on the dashboard of those who hold ``permission`` ("payments.release_payrun").

    ``waiting`` gives the rows that wait, ``since`` names their timestamp, ``path`` is the change list with its filter
    ("/admin/payments/payrun/?status__exact=review").
    """
    queues.append(Queue(name, label, path, permission, waiting, since))


@dataclass(frozen=True)
class Page:
    """A page of its own on the desk, below ``/admin/``."""

    name: str
    label: Text
    route: str
    permission: str
    view: Callable[..., HttpResponse]


pages: list[Page] = []


def register_page(*, name: str, label: Text, route: str, permission: str, view: Callable[..., HttpResponse]) -> None:
    """Put a page on the desk of those who hold ``permission``: ``view(request, site)`` below ``/admin/<route>``."""
    pages.append(Page(name, label, route, permission, view))


@dataclass(frozen=True)
class Panel:
    """What a floor tells on the page of another floor's row."""

    model: str
    label: Text
    permission: str
    tell: Callable[[Any], str]


panels: list[Panel] = []


def register_panel(*, model: str, label: Text, permission: str, tell: Callable[[Any], str]) -> None:
    """Show ``tell(row)``, a text of one or more lines, on the page of each row of ``model`` ("marketplace.contract").

    Only those who hold ``permission`` see it. The row's own floor needs to know nothing of it.
    """
    panels.append(Panel(model, label, permission, tell))


def staff(request: HttpRequest) -> User:
    """The member of staff who sits before the page; the desk has let nobody else in."""
    return cast(User, request.user)


def principal_of(request: HttpRequest) -> Principal:
    """The same as the caller whom history and the walls know."""
    user = request.user
    label = f"user:{getattr(user, 'public_id', 'anonymous')}"
    return Principal(kind=Kind.STAFF, label=label, user_id=user.pk)


class CadreAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Rows come from operations: nothing is added, changed or deleted by hand; legal moves are actions."""

    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    list_filter_submit = False
    warn_unsaved_form = False

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        """With what other floors tell about the row."""
        told_by = [panel for panel in panels if panel.model == self.opts.label_lower and obj is not None]
        mine = [_field_of(panel) for panel in told_by if request.user.has_perm(panel.permission)]
        return [*super().get_readonly_fields(request, obj), *mine]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody edits rows by hand; a crafted POST is refused like the button that is not there."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes rows by hand."""
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The actions whose permission the operator holds."""
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if name != "delete_selected" and _holds(request, getattr(action[0], "needs", None))
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Filters with U+0000, which no page links to, would break in the database."""
        if any("\x00" in value for values in request.GET.lists() for value in values[1]):
            raise BadRequest
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """What is no key names no row, and is refused before anything is asked or done."""
        try:
            queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        except (ValueError, ValidationError):
            raise BadRequest from None
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What happened to the row, from the guarded history tables, for whoever may see the row."""
        obj = self.get_object(request, object_id)
        if obj is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            return missing
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("History of %(object)s") % {"object": obj},
            "opts": self.opts,
            "object": obj,
            "rows": recent_history(obj),
        }
        return TemplateResponse(request, "admin/history.html", context)


def _field_of(panel: Panel) -> Callable[[models.Model], str]:
    @admin.display(description=cast(str, panel.label))
    def panel_text(row: models.Model) -> str:
        return panel.tell(row)

    return panel_text


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # unfold ships no types
    """Rows of a related table, to look at: they come from operations like everything else."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody edits rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes rows by hand."""
        return False


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


def confirmed(
    *,
    description: Text,
    permission: str | Collection[str],
    reason: bool = False,
    amount: Callable[[Any], Money | None] | None = None,
    choices: Callable[[], Sequence[tuple[str, Text]]] | None = None,
    asks: Text = "",
    about: Callable[[Any], str] = str,
    each: Callable[[Any, str], Money] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., HttpResponse | None]]:
    """Make ``method(self, request, obj, *, reason, choice, given)`` an action that shows count and sum before it acts.

    ``permission`` is one, or several of which one is enough; ``reason`` asks for a text, ``choices`` for one of several
    codes, ``asks`` labels a line to fill in ("Amount"), ``amount`` gives the money an object moves, ``about`` says in a
    line what is asked about it, ``each`` says what the filled-in line moves of one object: of several, their sum is shown
    before anything is done. A code that was not among the choices is asked for again. Each object is its own savepoint:
    what the domain refuses is told, the rest is done.
    """
    question = Question(description, permission, reason, amount, choices, asks, about, each)

    def decorate(method: Callable[..., None]) -> Callable[..., HttpResponse | None]:
        @admin.action(description=cast(str, description))
        @wraps(method)
        def action(self: Any, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
            if not _holds(request, permission):
                raise PermissionDenied
            answers = question.answered(request) if request.POST.get("confirmed") else None
            if answers is None:
                return _ask(self, request, queryset, method.__name__, question)
            if line := _unseen_line(request, queryset, question, answers):
                return _ask(self, request, queryset, method.__name__, question, line)
            _act(self, request, queryset, method, answers)
            return None

        action.needs = permission  # type: ignore[attr-defined]  # read by get_actions
        return action

    return decorate


def _holds(request: HttpRequest, permission: str | Collection[str] | None) -> bool:
    if permission is None:
        return True
    return any(map(request.user.has_perm, [permission] if isinstance(permission, str) else permission))


def _ask(
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
        "filled": {name: request.POST.get(name, "") for name in ("given", "reason")} if line else {},
        "needs_reason": question.reason,
        "missing": bool(request.POST.get("confirmed")) and not line,
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


def _unseen_line(
    request: HttpRequest, queryset: models.QuerySet[Any], question: Question, answers: dict[str, str]
) -> str:
    """The filled-in line where it moves money of several rows and the page has not shown their sum yet."""
    line = answers.get("given", "") if question.each else ""
    moved = [money for row in queryset if (money := question.moves(row, line))] if line else []
    return "" if len(moved) < 2 or request.POST.get("seen") == _text_of(_sums(moved)) else line


def _text_of(sums: Iterable[Money]) -> str:
    return ", ".join(map(str, sums))


def _act(
    model_admin: Any,
    request: HttpRequest,
    queryset: models.QuerySet[Any],
    method: Callable[..., None],
    extra: dict[str, str],
) -> None:
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
