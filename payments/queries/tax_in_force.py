"""The tax papers that a payout was calculated from, which the history of tax profiles keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import connection

from core import scope
from payments import tax
from payments.models import Payout

# Runs say up to which row of the history they were calculated; those of the first release do not.
PAPERS: Final = """
    SELECT h.form, h.country, h.withholding_bp FROM payments_taxprofilehistoryrow h
    WHERE h.expert_id = p.expert_id AND CASE WHEN r.inputs ->> 'taxes' IS NULL THEN h.signed_at <= r.released_at
        ELSE h.pgh_id <= (r.inputs ->> 'taxes')::bigint END
    ORDER BY h.pgh_id DESC LIMIT 1
"""
"""SQL: the papers of a payout ``p`` (of whatever has its ``expert_id``) of a run ``r``."""

_OF_PAYOUT: Final = f"""
    SELECT papers.* FROM payments_payout p JOIN payments_payrun r ON r.id = p.run_id
    CROSS JOIN LATERAL ({PAPERS}) papers WHERE p.id = %s
"""  # noqa: S608  # our own text


@dataclass(frozen=True, slots=True)
class TaxPapers:
    """What pay depends on, and what is reported of it: which paper, of which country, and basis points of the gross."""

    form: str
    country: str
    withholding_bp: int

    @property
    def is_us_person(self) -> bool:
        """Whether what is paid under them is reported to the tax authority of the United States."""
        return self.country == tax.UNITED_STATES


def at_calculation(payout: Payout) -> TaxPapers | None:
    """Those that the payout's run was calculated from; None when nothing is known of them."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_OF_PAYOUT, [payout.pk])
        found = cursor.fetchone()
    return None if found is None else TaxPapers(*found)
