"""What the story ends with: a table for people, a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from config.demo import cast
from config.demo.oracle import ZERO, Earned
from config.demo.stage import Stage

HOURS_HEAD = ("expert", "tier", "activity", "hours", "rate", "gross", "fee", "state")
MONEY_HEAD = ("expert", "currency", "hours", "earned", "bonus", "paid")


def table(stage: Stage) -> str:
    """Steps, hours with rates and amounts, who was paid what, and whether everything agrees."""
    parts = ["", "Steps", *(f"{number:>4}  {text}" for number, text in enumerate(stage.steps, start=1))]
    parts += ["", "Hours, computed independently", _columns(HOURS_HEAD, _hours(stage))]
    parts += ["", "Pay", _columns(MONEY_HEAD, _pay(stage))]
    broken = [check for check in stage.checks if not check.holds]
    parts += ["", *(f"DIFFERS  {check.what}: expected {check.expected}, found {check.found}" for check in broken)]
    parts.append(f"{len(stage.checks) - len(broken)} of {len(stage.checks)} checks hold.")
    return "\n".join(parts)


def document(stage: Stage) -> dict[str, Any]:
    """The same as one JSON document; amounts are decimal strings."""
    return {
        "ok": all(check.holds for check in stage.checks),
        "steps": stage.steps,
        "hours": [dict(zip(HOURS_HEAD, row, strict=True)) for row in _hours(stage)],
        "pay": [dict(zip(MONEY_HEAD, row, strict=True)) for row in _pay(stage)],
        "labs": [_lab(stage, lab, currency) for lab, currency in stage.books.labs()],
        "checks": [
            {"what": check.what, "expected": str(check.expected), "found": str(check.found), "holds": check.holds}
            for check in stage.checks
        ],
        "notes": stage.notes,
    }


def _hours(stage: Stage) -> list[tuple[str, ...]]:
    settled = {line.stretch.entry for line in stage.books.settled()}
    rows: list[tuple[str, ...]] = []
    for line in sorted(stage.books.earned(), key=lambda row: (row.terms.expert, row.stretch.started_at)):
        role = next(role for role in cast.EXPERTS if role.email == line.terms.expert)
        rows.append(
            (
                role.name,
                role.tier,
                line.stretch.activity,
                _clock(line.seconds),
                f"{line.terms.rate} {line.terms.currency}",
                str(line.gross),
                str(line.fee),
                _state(line, settled),
            )
        )
    return rows


def _state(line: Earned, settled: set[str]) -> str:
    if line.stretch.is_held:
        return "disputed"
    if line.stretch.entry not in settled:
        return "waiting"
    return "decided" if line.stretch.counted is not None else "approved"


def _pay(stage: Stage) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for expert, currency in stage.books.experts():
        lines = [line for line in stage.books.settled() if line.terms.expert == expert]
        earned = sum((line.gross for line in lines), ZERO)
        bonus = stage.books.payable(expert, currency) - earned + sum((line.holdback for line in lines), ZERO)
        paid = stage.notes.get("paid", {}).get(expert, {}).get("amount", "")
        name = next(role.name for role in cast.EXPERTS if role.email == expert)
        hours = _clock(sum(line.seconds for line in lines))
        rows.append((name, currency, hours, str(earned), str(bonus), paid))
    return rows


def _lab(stage: Stage, lab: str, currency: str) -> dict[str, str]:
    books = stage.books
    found: dict[str, Decimal] = {
        "funded": books.funded[lab, currency],
        "spent": books.spent(lab, currency),
        "reserved": books.reserved(lab, currency),
        "available": books.available(lab, currency),
    }
    return {"lab": lab, "currency": currency, **{name: str(value) for name, value in found.items()}}


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [head, ["─" * width for width in widths], *rows]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
