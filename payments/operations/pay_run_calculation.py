"""Who is owed what at a cutoff, and who of them can be paid: one SQL text, used to calculate, to check again at the
release, and to tell an expert what stands between him and his next payout."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from core import scope
from experts.public import Restriction
from payments.models import PayRun

# What was credited at or after the cutoff is left for the next run; what was taken away since counts at once.
_JUDGED = """
    WITH late AS (
        SELECT p.account_id, sum(p.amount)::bigint AS amount
        FROM payments_journalentry e JOIN payments_posting p ON p.entry_id = e.id
        WHERE e.effective_at >= %(cutoff)s AND p.amount > 0 GROUP BY p.account_id
    ), owed AS (
        SELECT a.expert_id, b.balance - COALESCE(late.amount, 0) AS amount
        FROM payments_account a
        JOIN payments_accountbalance b ON b.account_id = a.id
        LEFT JOIN late ON late.account_id = a.id
        WHERE a.kind = 'expert_payable' AND a.currency = %(currency)s AND a.detail = '' AND b.balance > 0
            AND (%(expert)s::bigint IS NULL OR a.expert_id = %(expert)s::bigint)
    ), judged AS (
        SELECT owed.expert_id, owed.amount, m.id AS method_id,
            round(owed.amount::numeric * COALESCE(t.withholding_bp, 0) / 10000)::bigint AS withheld,
            CASE
                WHEN owed.expert_id = ANY(%(blocked)s::bigint[]) THEN 'blocked'
                WHEN m.id IS NULL THEN 'no_payout_method'
                WHEN m.status <> 'active' THEN 'method_not_verified'
                WHEN m.usable_from > %(now)s THEN 'method_on_hold'
                WHEN t.id IS NULL THEN 'no_tax_profile'
                WHEN t.expires_at <= %(now)s THEN 'tax_profile_expired'
                WHEN owed.amount < %(minimum)s THEN 'below_minimum'
            END AS reason
        FROM owed
        LEFT JOIN payments_payoutmethod m ON m.expert_id = owed.expert_id AND m.currency = %(currency)s
            AND m.status IN ('pending', 'active')
        LEFT JOIN payments_taxprofile t ON t.expert_id = owed.expert_id
        WHERE owed.amount > 0
    )
"""

_LINES = """
    INSERT INTO payments_payrunline (created_at, run_id, expert_id, payout_method_id, amount_minor,
        withheld_minor, previous_minor,
        is_new_payee, method_changed, is_unusual, held_reason)
    SELECT %(now)s, %(run)s, j.expert_id, j.method_id, j.amount - j.withheld, j.withheld, last.amount_minor, last.amount_minor IS NULL,
        COALESCE(last.payout_method_id <> j.method_id, false), COALESCE(j.amount > 2 * (last.amount_minor + last.withheld_minor), false), ''
    FROM judged j LEFT JOIN LATERAL (
        SELECT amount_minor, withheld_minor, payout_method_id FROM payments_payout
        WHERE expert_id = j.expert_id AND currency = %(currency)s AND status <> 'cancelled' ORDER BY id DESC LIMIT 1
    ) last ON true
    WHERE j.reason IS NULL ORDER BY j.expert_id
"""

_EXCLUSIONS = """
    INSERT INTO payments_payrunexclusion (created_at, run_id, expert_id, amount_minor, reason)
    SELECT %(now)s, %(run)s, expert_id, amount, reason FROM judged WHERE reason IS NOT NULL ORDER BY expert_id
"""

_CHANGED = """
    SELECT l.expert_id FROM payments_payrunline l
    LEFT JOIN judged j ON j.expert_id = l.expert_id AND j.reason IS NULL
    WHERE l.run_id = %(run)s AND l.held_reason = ''
        AND (j.expert_id IS NULL OR j.amount - j.withheld <> l.amount_minor
            OR j.withheld <> l.withheld_minor OR j.method_id <> l.payout_method_id)
    ORDER BY l.expert_id
"""

_ONE = "SELECT amount - withheld, withheld, COALESCE(reason, '') FROM judged"

_TOTALS = """
    SELECT count(*) FILTER (WHERE held_reason = ''), COALESCE(sum(amount_minor) FILTER (WHERE held_reason = ''), 0)::bigint,
        encode(sha256(convert_to(COALESCE(string_agg(
            concat_ws(':', expert_id, payout_method_id, amount_minor, withheld_minor, held_reason <> ''), ';' ORDER BY expert_id), ''),
            'UTF8')), 'hex')
    FROM payments_payrunline WHERE run_id = %(run)s
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run would pay: lines that are not held, their sum in minor units, and a digest of all lines."""

    line_count: int
    total_minor: int
    digest: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an expert would be sent at a cutoff, the tax withheld from it, and what prevents it ("" when nothing does)."""

    amount_minor: int
    withheld_minor: int
    obstacle: str


def write_lines(run: PayRun, *, now: dt.datetime) -> Totals:
    """Write the lines and exclusions of a run anew, and return what they come to."""
    run.lines.all().delete()
    run.exclusions.all().delete()
    values = {**_values(run.currency, run.cutoff, now=now), "run": run.pk}
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_JUDGED + _LINES, values)
        cursor.execute(_JUDGED + _EXCLUSIONS, values)
    return totals(run)


def totals(run: PayRun) -> Totals:
    """What the lines of a run come to now."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {"run": run.pk})
        return Totals(*cursor.fetchone())


def changed_experts(run: PayRun, *, now: dt.datetime) -> list[int]:
    """Experts whose line no longer is what would be calculated: paid by another run, clawed back, method changed."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_JUDGED + _CHANGED, {**_values(run.currency, run.cutoff, now=now), "run": run.pk})
        return [expert_id for (expert_id,) in cursor.fetchall()]


def outlook(*, expert_id: int, currency: str, cutoff: dt.datetime, now: dt.datetime) -> Outlook:
    """What the expert would get in a run with this cutoff, judged by what is known now."""
    values = _values(currency, cutoff, now=now, expert_id=expert_id)
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_JUDGED + _ONE, values)
        row = cursor.fetchone()
    return Outlook(*row) if row else Outlook(0, 0, "")


def _values(currency: str, cutoff: dt.datetime, *, now: dt.datetime, expert_id: int | None = None) -> dict[str, Any]:
    return {
        "currency": currency,
        "cutoff": cutoff,
        "now": now,
        "expert": expert_id,
        "minimum": settings.PAYOUT_MINIMUM_MINOR.get(currency, 1),
        "blocked": list(blocked_experts(now=now)),
    }


def blocked_experts(*, now: dt.datetime) -> set[int]:
    """Experts whose payouts a decision holds."""
    in_force = Restriction.objects.in_force(now=now).filter(kind=Restriction.Kind.NO_PAYOUTS, tenant=None)
    return set(in_force.values_list("expert_id", flat=True))
