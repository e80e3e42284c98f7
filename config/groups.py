"""The operators' groups and exactly what each may do. ``manage.py seed`` brings the database to this table.

A name is ``app.codename``; ``app.view_*`` stands for seeing every table of an app, and a minus before a name takes away
what a pattern before it gave. Nobody has Django's add, change and
delete: rows come from operations, and what an operator may do with them is a permission of its model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from django.contrib.auth.models import Group, Permission
from django.db import transaction

APPS: Final = ("core", "experts", "marketplace", "tasks", "payments")
_VIEW_ALL: Final = tuple(f"{app}.view_*" for app in APPS)
# Addresses, tax numbers and bank accounts: nobody needs them to answer a question about hours or pay.
_BUT_NO_PAPERS: Final = (
    "-payments.view_tax*",
    "-payments.view_backupwithholding*",
    "-payments.view_selfbilling*",
    "-payments.view_owedinvoice*",
    "-payments.view_labbilling*",
    "-payments.view_bank*",
    "-payments.view_inboundevent*",
)

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "verifier": ("experts.view_*", "experts.verify_credential"),
        "reviewer": (
            "experts.view_expert",
            "experts.view_decision",
            "experts.view_appeal",
            "experts.decide_appeal",
            "tasks.view_*",
            "tasks.review_submission",
            "payments.view_timesheet",
            "payments.view_timeentry",
            "payments.view_overage",
            "payments.approve_timesheet",
            "payments.decide_overage",
        ),
        "finance_prepare": (
            "payments.view_*",
            "marketplace.view_lab",
            "experts.view_expert",
            "payments.adjust_pay",
            "payments.confirm_funding",
            "payments.decide_payout",
            "payments.handle_bankfile",
            "payments.issue_invoice",
            "payments.prepare_payrun",
            "payments.propose_credit",
            "payments.quote_fx",
            "payments.record_charge",
            "payments.refund_lab",
            "payments.verify_payoutmethod",
            "payments.confirm_vat",
            "payments.write_off_debt",
        ),
        "finance_release": (
            "payments.view_*",
            "marketplace.view_lab",
            "experts.view_expert",
            "payments.approve_credit",
            "payments.approve_adjustment",
            "payments.decide_payout",
            "payments.issue_invoice",
            "payments.approve_refund",
            "payments.reconcile",
            "payments.release_payrun",
            "payments.withhold_tax",
            "payments.file_tax_forms",
        ),
        "support": (
            "experts.view_*",
            "marketplace.view_*",
            "tasks.view_*",
            "payments.view_*",
            *_BUT_NO_PAPERS,
            "experts.decide_appeal",
            "experts.restrict_expert",
            "experts.set_tier",
            "marketplace.decide_application",
            "marketplace.issue_key",
            "marketplace.manage_contract",
            "marketplace.run_opening",
            "marketplace.run_project",
            "marketplace.withdraw_offer",
            "payments.approve_timesheet",
            "payments.correct_hours",
            "payments.decide_dispute",
            "payments.decide_overage",
        ),
        "auditor": _VIEW_ALL,
    }
)


def matching(patterns: Iterable[str], known: Iterable[str]) -> set[str]:
    """The known permissions that the patterns name, read in order. Raises LookupError for a pattern that names none."""
    names = set(known)
    found: set[str] = set()
    for pattern in patterns:
        wanted = pattern.removeprefix("-")
        hits = {name for name in names if fnmatchcase(name, wanted)}
        if not hits:
            raise LookupError(f"No model has a permission {wanted}.")
        found = found | hits if wanted == pattern else found - hits
    return found


@transaction.atomic
def bring_up_to_date() -> None:
    """Create the groups that are missing and give each exactly its permissions. Other groups are left alone."""
    rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    for name, patterns in GROUPS.items():
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.set(known[codename] for codename in matching(patterns, known))
