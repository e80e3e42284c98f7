"""How things are measured: warm, interleaved, medians of rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.aims import Aim
from config import heap

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Result:
    """Ours against the other way, in seconds per unit; the ratio says how many times faster ours is."""

    what: str
    unit: str
    ours: float
    other: float
    other_name: str
    floor: float | None = None

    @property
    def ratio(self) -> float:
        """Times faster than the other way."""
        return self.other / self.ours

    def aims(self) -> list[Aim]:
        """The ratio and its floor, where it has one."""
        what = f"{self.what} against {self.other_name}"
        return [] if self.floor is None else [Aim(what, self.ratio, self.floor, "×", at_least=True)]


def compare(
    what: str,
    *,
    ours: Callable[[], object],
    other: Callable[[], object],
    other_name: str,
    units: int = 1,
    unit: str = "request",
    repeat: int = 1,
    floor: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Run both by turns, after one warm-up each; the median of seven rounds of ``repeat`` calls, per unit.

    ``clock`` is ``time.process_time`` where the server's own work is asked for, whatever else the machine is doing.
    """
    ours()
    other()
    heap.settle()  # what was made before, for other measurements, is no part of this one
    timed: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for way, seconds in zip((ours, other), timed, strict=True):
            start = clock()
            for _ in range(repeat):
                way()
            seconds.append((clock() - start) / repeat / units)
    return Result(what, unit, statistics.median(timed[0]), statistics.median(timed[1]), other_name, floor)


def table(results: list[Result]) -> str:
    """The results as lines of text."""
    lines = [f"{'':34} {'ours':>12} {'the other':>12} {'ratio':>8}  compared with"]
    lines += [
        f"{r.what:34} {r.ours * 1000:9.3f} ms {r.other * 1000:9.3f} ms {r.ratio:7.1f}×  {r.other_name} (per {r.unit})"
        for r in results
    ]
    return "\n".join(lines)
