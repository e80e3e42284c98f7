"""A page that asks for a few values and makes one call with them: money with its currency, rates, references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.confirming import Text, is_proposed, told
from core.money import EXPONENTS, Money
from payments.admin.staff import prove_again, recently_authenticated

CURRENCIES = [("", _("– choose –")), *((code, code) for code in sorted(EXPONENTS))]
"""None is chosen beforehand: whoever forgets it is asked, instead of acting in the first of the alphabet."""


class MoneyForm(forms.Form):
    """An amount in a currency; ``cleaned_data["money"]`` is the Money."""

    amount = forms.CharField(
        label=_("amount"), max_length=20, help_text=_("With a point before its decimals, such as 1250.00.")
    )
    currency = forms.ChoiceField(label=_("currency"), choices=CURRENCIES)

    def clean(self) -> dict[str, Any]:
        """Read it exactly."""
        values = super().clean() or {}
        if "amount" in values and "currency" in values:
            try:
                values["money"] = Money.parse(values["amount"].strip(), values["currency"])
            except ValueError as error:
                self.add_error("amount", str(error))
        return values


class ReasonedForm(MoneyForm):
    """An amount, and why."""

    reason = forms.CharField(label=_("reason"), max_length=250)


def say_what_waits(request: HttpRequest, made: object, *, about: object) -> None:
    """Tell that an act was only proposed, where it was."""
    if is_proposed(made):
        messages.info(request, gettext("%(what)s: another person has to approve it.") % {"what": about})


def ask(
    model_admin: Any,
    request: HttpRequest,
    *,
    title: str,
    form: Callable[..., forms.Form],
    permission: str,
    act: Callable[[dict[str, Any]], object],
    then: str,
    effect: Text,
    proven: bool = False,
) -> HttpResponse:
    """Show the form, and on POST act once with what it says. What the domain refuses is told on the page.

    ``effect`` says before that what will happen. ``act`` returns what it made: of a proposal it says itself that it
    waits. ``proven`` asks for a proof of identity not older than ten minutes first. ``then`` is where to go afterwards.
    """
    if not request.user.has_perm(permission):
        raise PermissionDenied
    if proven and not recently_authenticated(request):
        return prove_again(request)
    filled = form(request.POST) if request.method == "POST" else form()
    made: list[object] = []
    if request.method == "POST" and filled.is_valid() and told(request, lambda: made.append(act(filled.cleaned_data))):
        if not is_proposed(made[0]):
            messages.success(request, gettext("“%(title)s”: done.") % {"title": title})
        return HttpResponseRedirect(then)
    return asking(model_admin, request, title=title, form=filled, back=then, effect=effect)


def asking(
    model_admin: Any,
    request: HttpRequest,
    *,
    title: str,
    form: forms.Form,
    back: str,
    effect: Text,
    button: Text = "",
) -> HttpResponse:
    """The page with the form. ``button`` is what it does, ``back`` the address of whoever does not want to."""
    shared = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts, "title": title}
    context = {**shared, "form": form, "back": back, "effect": effect, "button": button or gettext("Confirm")}
    return TemplateResponse(request, "payments/admin/ask.html", context)
