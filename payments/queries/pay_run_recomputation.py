"""A pay run calculated again from the journal and the histories, as of its own watermarks, and held against its lines."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass

from core.problems import Conflict
from payments.models import PayRun
from payments.operations.runs.pay_run_calculation import JUDGED, STORED, canonical, frozen_values
from payments.operations.runs.pay_run_judgement import FROM_SCRATCH


class NotCalculated(Conflict):
    """The run was never calculated, or by a release that did not keep what it was calculated from."""

    code = "pay_run_not_calculated"


@dataclass(frozen=True, slots=True)
class Recomputation:
    """The calculation found anew, the one that is stored, and the digest frozen when it was made."""

    found: str
    stored: str
    frozen_digest: str

    @property
    def digest(self) -> str:
        """SHA-256 of what was found."""
        return hashlib.sha256(self.found.encode()).hexdigest()

    @property
    def differences(self) -> list[str]:
        """Lines that are stored (``-``) and were not found, and found (``+``) and are not stored."""
        delta = difflib.ndiff(self.stored.splitlines(), self.found.splitlines()) if self.stored != self.found else ()
        return [line for line in delta if line[0] in "+-"]

    @property
    def is_the_same(self) -> bool:
        """Byte by byte: the lines as they stand, and the text that was frozen."""
        return self.found == self.stored and self.digest == self.frozen_digest


def recompute(run: PayRun) -> Recomputation:
    """Calculate the run again. Reads every leg of its currency up to the watermark. Raises NotCalculated."""
    if not run.inputs:
        raise NotCalculated
    values = {**frozen_values(run), "run": run.pk}
    return Recomputation(
        found=canonical(run, FROM_SCRATCH + JUDGED, values),
        stored=canonical(run, STORED, values),
        frozen_digest=run.calculation_digest,
    )
