"""People at work: timers run side by side while the clock moves, and every running one gives its sign of life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from config.demo.api import Json
from config.demo.cast import ExpertRole
from config.demo.oracle import Stretch
from config.demo.stage import Stage, instant

STEP_MINUTES = 9  # below the grace after which a silent timer stops


@dataclass
class Sitting:
    """One person at one thing for some minutes; ``entry`` is his running timer."""

    role: ExpertRole
    contract: str
    minutes: int
    activity: str = "task"
    claim: str = ""
    entry: str = ""
    left: int = field(default=0)


def work(stage: Stage, sittings: Sequence[Sitting]) -> None:
    """Start all timers, let the time pass with heartbeats, stop each at its end, and note what was measured."""
    for sitting in sittings:
        _start(stage, sitting)
    running = list(sittings)
    while running:
        minutes = min([STEP_MINUTES, *(sitting.left for sitting in running)])
        stage.advance(f"PT{minutes}M")
        for sitting in list(running):
            sitting.left -= minutes
            api = stage.expert(sitting.role)
            if sitting.left > 0:
                api.post(f"/time-entries/{sitting.entry}/heartbeat")
            else:
                api.post(f"/time-entries/{sitting.entry}/stop")
                running.remove(sitting)
    for role in {sitting.role.email: sitting.role for sitting in sittings}.values():
        note_hours(stage, role)


def note_hours(stage: Stage, role: ExpertRole) -> list[Json]:
    """Read an expert's time entries into the books; the entries as the API shows them."""
    rows = [row for row in stage.expert(role).pages("/time-entries") if row["status"] not in {"void", "running"}]
    stage.books.worked(stretch(row) for row in rows)
    return rows


def stretch(row: Any) -> Stretch:
    """A time entry as a raw fact."""
    return Stretch(
        entry=row["id"],
        contract=row["contract"],
        week=row["week"],
        activity=row["activity"],
        started_at=instant(row["started_at"]),
        ended_at=instant(row["ended_at"]),
    )


def _start(stage: Stage, sitting: Sitting) -> None:
    body: Json = {"contract": sitting.contract, "activity": sitting.activity}
    if sitting.claim:
        body["claim"] = sitting.claim
    sitting.entry = stage.expert(sitting.role).post("/time-entries/start", body)["id"]
    sitting.left = sitting.minutes
