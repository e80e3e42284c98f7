"""The lines of a run: written from what `pay_run_judgement` finds, counted, and compared with what stands now."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy

from core import scope
from core.problems import Conflict
from experts.public import Restriction
from payments.models import PayRun
from payments.operations.runs.pay_run_judgement import FROZEN, LATEST, LIVE, watermarks
from payments.set_based import over_everybody

# Hours are a help for the eye of who signs: what was approved since the last run, and how long his weeks usually are.
_SIGNS = """, hours AS (
        SELECT expert_id, sum(fresh)::bigint AS seconds, max(seconds) FILTER (WHERE fresh > 0) AS busiest,
            count(*) FILTER (WHERE fresh = 0) AS known,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE fresh = 0) AS usual
        FROM (
            SELECT t.expert_id, t.iso_week, sum(t.seconds) AS seconds,
                COALESCE(sum(t.seconds) FILTER (WHERE t.approved_at >= %(since)s), 0) AS fresh
            FROM payments_timeentry t JOIN core_tenant lab ON lab.id = t.tenant_id AND lab.live_id IS NULL
            WHERE t.local_day >= %(weeks_from)s AND t.approved_at < %(cutoff)s AND t.currency = %(currency)s
                AND t.seconds > 0
            GROUP BY 1, 2
        ) weeks GROUP BY expert_id
    ), last AS (
        SELECT DISTINCT ON (p.expert_id) p.expert_id, p.amount_minor + p.withheld_minor AS gross, p.payout_method_id,
            s.upto_entry, r.cutoff
        FROM payments_payout p JOIN payments_statement s ON s.payout_id = p.id JOIN payments_payrun r ON r.id = p.run_id
        WHERE p.currency = %(currency)s AND p.status <> 'cancelled' ORDER BY p.expert_id, p.id DESC
    ), deducted AS (
        SELECT j.expert_id, -sum(p.amount)::bigint AS amount
        FROM judged j LEFT JOIN last ON last.expert_id = j.expert_id
        JOIN payments_posting p ON p.account_id = j.account_id AND p.amount < 0
            AND p.entry_id > COALESCE(last.upto_entry, 0) AND p.entry_id <= %(entries)s
        JOIN payments_journalentry e ON e.id = p.entry_id
            AND e.kind NOT IN ('payout_initiated', 'time_reversed', 'holdback_reversed')
        WHERE j.reason IS NULL GROUP BY j.expert_id
    ), exchanged AS (
        SELECT x.expert_id, sum(x.buy_minor)::bigint AS amount
        FROM payments_fxexchange x JOIN payments_fxquote q ON q.id = x.quote_id AND q.buy = %(currency)s
        LEFT JOIN last ON last.expert_id = x.expert_id
        WHERE x.made_at < %(cutoff)s AND x.made_at >= COALESCE(last.cutoff, '-infinity') GROUP BY x.expert_id
    )
"""

_LINES = """
    , excluded AS (
        INSERT INTO payments_payrunexclusion (created_at, run_id, expert_id, amount_minor, reason)
        SELECT %(now)s, %(run)s, expert_id, amount, reason FROM judged WHERE reason IS NOT NULL ORDER BY expert_id
    )
    INSERT INTO payments_payrunline (created_at, run_id, expert_id, payout_method_id, amount_minor, withheld_minor,
        deducted_minor, exchanged_minor, previous_minor, is_new_payee, method_changed, is_unusual, seconds,
        usual_seconds, unusual_hours, held_reason, hold_id)
    SELECT %(now)s, %(run)s, j.expert_id, j.method_id, j.amount - j.withheld, j.withheld,
        COALESCE(d.amount, 0), COALESCE(f.amount, 0), last.gross, last.gross IS NULL,
        COALESCE(last.payout_method_id <> j.method_id, false), COALESCE(j.amount > 2 * last.gross, false),
        COALESCE(h.seconds, 0), h.usual,
        COALESCE(h.busiest > %(long_week)s OR (h.known >= 3 AND h.busiest > 2 * h.usual), false), '', ''
    FROM judged j LEFT JOIN last USING (expert_id) LEFT JOIN hours h USING (expert_id)
    LEFT JOIN deducted d USING (expert_id) LEFT JOIN exchanged f USING (expert_id)
    WHERE j.reason IS NULL ORDER BY j.expert_id
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

_FORECAST = """
    SELECT COALESCE(reason, ''), count(*), sum(amount - CASE WHEN reason IS NULL THEN withheld ELSE 0 END)::bigint
    FROM judged GROUP BY reason ORDER BY reason NULLS FIRST
"""

_TOTALS = """
    SELECT count(*) FILTER (WHERE held_reason = ''), COALESCE(sum(amount_minor) FILTER (WHERE held_reason = ''), 0)::bigint,
        encode(sha256(convert_to(COALESCE(string_agg(
            concat_ws(':', expert_id, payout_method_id, amount_minor, withheld_minor, held_reason <> ''),
            ';' ORDER BY expert_id), ''), 'UTF8')), 'hex')
    FROM payments_payrunline WHERE run_id = %(run)s
"""

# One text per expert, of ids and whole numbers only, so that nothing needs escaping and nothing can be spelled twice.
_AS_TEXT = """
    SELECT string_agg(CASE WHEN excluded IS NULL
        THEN format('{{"expert":"%%s","currency":"%%s","gross_minor":%%s,"withheld_minor":%%s,"amount_minor":%%s,"method":"%%s"}}',
            expert, %(currency)s::text, gross, withheld, gross - withheld, method)
        ELSE format('{{"expert":"%%s","currency":"%%s","gross_minor":%%s,"excluded":"%%s"}}',
            expert, %(currency)s::text, gross, excluded) END, E'\\n' ORDER BY expert_id)
    FROM ({rows}) rows
"""

STORED = """
    SELECT l.expert_id, x.public_id AS expert, l.amount_minor + l.withheld_minor AS gross, l.withheld_minor AS withheld,
        m.public_id AS method, NULL AS excluded
    FROM payments_payrunline l JOIN experts_expert x ON x.id = l.expert_id
    JOIN payments_payoutmethod m ON m.id = l.payout_method_id WHERE l.run_id = %(run)s
    UNION ALL
    SELECT e.expert_id, x.public_id, e.amount_minor, NULL, NULL, e.reason
    FROM payments_payrunexclusion e JOIN experts_expert x ON x.id = e.expert_id WHERE e.run_id = %(run)s
"""
"""What a run has written down: lines and exclusions, as rows for :func:`canonical`."""

JUDGED = """
    SELECT j.expert_id, x.public_id AS expert, j.amount AS gross, j.withheld, m.public_id AS method, j.reason AS excluded
    FROM judged j JOIN experts_expert x ON x.id = j.expert_id
    LEFT JOIN payments_payoutmethod m ON m.id = j.method_id
"""
"""The same rows as they are found; put after `pay_run_judgement.FROM_SCRATCH`."""


class PayRunChanged(Conflict):
    """The run is not what you looked at: lines were held, or what people are owed changed after it was calculated.

    `changed` counts the lines that would be calculated differently now. Send the run back to be calculated anew.
    """

    code = "pay_run_changed"
    title = gettext_lazy("The pay run changed")
    example_members: ClassVar[dict[str, Any]] = {"changed": 1}


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


@dataclass(frozen=True, slots=True)
class Forecast:
    """So many people who would be sent this much together; with a reason, those who would be left out and are owed it."""

    reason: str
    people: int
    amount_minor: int


def write_lines(run: PayRun, *, now: dt.datetime) -> Totals:
    """Write the lines and exclusions of a run anew, freeze what they were calculated from, return what they come to."""
    held = list(run.lines.exclude(held_reason="").values_list("expert_id", "hold_id", "held_reason", "held_by"))
    run.lines.all().delete()
    run.exclusions.all().delete()
    with over_everybody() as cursor:
        run.inputs = {**watermarks(), **_terms(run.currency, now=now), "now": now.isoformat()}
        values = {**frozen_values(run), **_signs(run), "run": run.pk}
        cursor.execute(FROZEN + _SIGNS + _LINES, values)
        for expert_id, hold_id, reason, by in held:
            run.lines.filter(expert=expert_id).update(hold_id=hold_id, held_reason=reason, held_by=by)
        run.calculation_digest = hashlib.sha256(canonical(run, STORED, values).encode()).hexdigest()
    return totals(run)


def canonical(run: PayRun, rows: str, values: Mapping[str, Any]) -> str:
    """The calculation as text: what it was made from, then one JSON object per expert, in the order of their ids."""
    with over_everybody() as cursor:
        cursor.execute(_AS_TEXT.format(rows=rows), values)
        body: str | None = cursor.fetchone()[0]
    cutoff = run.cutoff.astimezone(dt.UTC).isoformat()
    head = json.dumps({"run": run.public_id, "cutoff": cutoff, **run.inputs}, sort_keys=True, separators=(",", ":"))
    return "\n".join([head, *([body] if body else [])]) + "\n"


def frozen_values(run: PayRun) -> dict[str, Any]:
    """The parameters under which a run was calculated."""
    by_the_gross = {"minimum_is_net": False}  # runs of former releases, which do not say
    return {**by_the_gross, **run.inputs, "now": dt.datetime.fromisoformat(run.inputs["now"]), **_subject(run)}


def totals(run: PayRun) -> Totals:
    """What the lines of a run come to now."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {"run": run.pk})
        return Totals(*cursor.fetchone())


def changed_experts(run: PayRun, *, now: dt.datetime) -> list[int]:
    """Experts whose line no longer is what would be calculated: paid by another run, clawed back, method changed."""
    values = {**LATEST, **_terms(run.currency, now=now), **_subject(run), "now": now, "run": run.pk}
    with over_everybody() as cursor:
        cursor.execute(LIVE + _CHANGED, values)
        return [expert_id for (expert_id,) in cursor.fetchall()]


def outlook(*, expert_id: int, currency: str, cutoff: dt.datetime, now: dt.datetime) -> Outlook:
    """What the expert would get in a run with this cutoff, judged by what is known now.

    No run is calculated before its cutoff: what holds today and will be over by then is in nobody's way.
    """
    then = max(now, cutoff)
    values = {**LATEST, **_terms(currency, now=now), "currency": currency, "cutoff": cutoff, "now": then}
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(LIVE + _ONE, {**values, "expert": expert_id})
        row = cursor.fetchone()
    return Outlook(*row) if row else Outlook(0, 0, "")


def forecast(*, currency: str, cutoff: dt.datetime, now: dt.datetime) -> list[Forecast]:
    """What a run with this cutoff would pay and leave out, by reason, judged by what is known now."""
    values = {**LATEST, **_terms(currency, now=now), "currency": currency, "cutoff": cutoff, "now": now}
    with over_everybody() as cursor:
        cursor.execute(LIVE + _FORECAST, {**values, "expert": None})
        return [Forecast(*row) for row in cursor.fetchall()]


def blocked_experts(*, now: dt.datetime) -> set[int]:
    """Experts whose payouts a decision holds."""
    in_force = Restriction.objects.in_force(now=now).filter(kind=Restriction.Kind.NO_PAYOUTS, tenant=None)
    return set(in_force.values_list("expert_id", flat=True))


def smallest_payout(currency: str) -> int:
    """The least that is sent, in minor units: what is owed less the tax withheld from it."""
    return settings.PAYOUT_MINIMUM_MINOR.get(currency, 1)


def _subject(run: PayRun) -> dict[str, Any]:
    return {"currency": run.currency, "cutoff": run.cutoff, "expert": None}


def _terms(currency: str, *, now: dt.datetime) -> dict[str, Any]:
    """What comes from settings and from the floor below, and is therefore kept with a run."""
    return {
        "minimum": smallest_payout(currency),
        "minimum_is_net": True,
        "blocked": sorted(blocked_experts(now=now)),
    }


def _signs(run: PayRun) -> dict[str, Any]:
    released = PayRun.objects.filter(currency=run.currency, released_at__isnull=False, cutoff__lt=run.cutoff)
    last = released.order_by("-cutoff").first()
    return {
        "since": last.cutoff if last else run.cutoff - dt.timedelta(weeks=settings.PAY_RUN_USUAL_WEEKS),
        "weeks_from": (run.cutoff - dt.timedelta(weeks=settings.PAY_RUN_USUAL_WEEKS)).date(),
        "long_week": settings.PAY_RUN_LONG_WEEK_HOURS * 3600,
    }
