"""What every operator's page shares: read-only tables, actions that ask first, and the registry of queues.

Queues and pages are composed into the dashboard and the side bar by ``config.admin_site``, so no floor knows the others' queues.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin, TabularInline

from core.confirming import Asked, Question, Text, act_on, ask, holds, unseen_line
from core.models.user import User
from core.money import Money
from core.principal import Kind, Principal
from core.row_history import recent_history
from core.row_words import listed, worded

M = TypeVar("M", bound=models.Model)


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
    list_before_template = change_form_before_template = "admin/told.html"
    """Shows ``told``, a line above a list or a row, and ``way``, the label and the address of a page beside it."""
    warn_unsaved_form = False
    asked_with: Sequence[str] = ()
    """What a page that asks tells of a row beside the columns of the list."""

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Bare numbers written out."""
        return listed(self.model, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Sequence[Any]:
        """Of a row that nobody edits, bare numbers written out."""
        fields = super().get_fields(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return cast(Sequence[Any], fields)
        return list(dict.fromkeys(worded(self.model, fields)))

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Sequence[Any]:
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
            if name != "delete_selected" and holds(request, getattr(action[0], "needs", None))
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Filters with U+0000, which no page links to, would break in the database."""
        if any("\x00" in value for values in request.GET.lists() for value in values[1]):
            raise BadRequest
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """A date that no calendar has is a bad request: Django asks the calendar and lets the overflow through."""
        try:
            return super().get_changelist_instance(request)
        except OverflowError:
            raise BadRequest from None

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """What is no key names no row, and is refused before anything is asked or done."""
        try:
            queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        except (ValueError, ValidationError):
            raise BadRequest from None
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer

    def history_of(self, obj: models.Model) -> list[dict[str, Any]]:
        """What the page of the row's history tells, newest first."""
        return recent_history(obj)

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
            "rows": self.history_of(obj),
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

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Sequence[Any]:
        """Bare numbers written out."""
        return list(dict.fromkeys(worded(self.model, super().get_fields(request, obj))))

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Sequence[Any]:
        """The same columns; what was written out is no field of a form."""
        written = [column for column in worded(self.model, self.fields or ()) if callable(column)]
        return list(dict.fromkeys([*worded(self.model, super().get_readonly_fields(request, obj)), *written]))

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody edits rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes rows by hand."""
        return False


def confirmed(
    *,
    description: Text,
    effect: Text,
    permission: str | Collection[str],
    reason: bool = False,
    amount: Callable[[Any], Money | None] | None = None,
    choices: Callable[[], Sequence[tuple[str, Text]]] | None = None,
    which: Text = "",
    asks: Text = "",
    about: Callable[[Any], str] = str,
    each: Callable[[Any, str], Money] | None = None,
    proof: Callable[[HttpRequest], HttpResponse | None] | None = None,
) -> Callable[[Callable[..., object]], Callable[..., HttpResponse | None]]:
    """Make ``method(self, request, obj, *, reason, choice, given)`` an action that shows count and sum before it acts.

    ``effect`` says what will happen: to whom, who else has to approve, who is told. One of ``permission`` is enough;
    ``reason`` asks for a text, ``choices`` for one of several codes (``which`` labels them), ``asks`` labels a line to
    fill in; ``amount`` gives the money an object moves, ``about`` a line about it instead of its list's columns, ``each``
    what the filled-in line moves of one object: of several, their sum is shown before anything is done. ``proof`` leads
    to where somebody proves who he is, before anything is asked. A code that was not offered is asked for again, as is
    what does not come from the page as it would be shown now. The method returns what it made, so that a proposal is
    not told as done, or TOLD where it said so itself.
    """
    question = Question(description, permission, reason, amount, choices, asks, about, each, effect, which)

    def decorate(method: Callable[..., object]) -> Callable[..., HttpResponse | None]:
        @admin.action(description=cast(str, description))
        @wraps(method)
        def action(self: Any, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
            return (proof(request) if proof and holds(request, permission) else None) or _pressed(
                self, request, queryset, method, question
            )

        action.needs = permission  # type: ignore[attr-defined]  # read by get_actions
        action.question = question  # type: ignore[attr-defined]  # what it asks, for whoever lists the buttons
        return action

    return decorate


def _pressed(
    page: Any,
    request: HttpRequest,
    queryset: models.QuerySet[Any],
    method: Callable[..., object],
    question: Question,
) -> HttpResponse | None:
    """Ask, or act on each object in a savepoint of its own: what is refused is told, the rest is done."""
    if not holds(request, question.permission):
        raise PermissionDenied
    asked = Asked(request, page.opts.label, method.__name__, list(queryset))
    answers = question.answered(request) if request.POST.get("confirmed") else None
    if answers is None or not question.was_shown(asked):
        return ask(page, asked, question)
    if line := unseen_line(asked, question, answers):
        return ask(page, asked, question, line)
    act_on(page, asked, question, queryset, method, answers)
    return None
