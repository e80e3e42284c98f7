"""Rank the experts for an opening and keep the ranking, with what every score is made of."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from core import long_work
from core.public import Operation, Principal, unit_of_work
from marketplace import ranking
from marketplace.models import Match, Opening
from marketplace.operations import openings, pseudonyms

MATCH = "marketplace.match_opening"
KEPT = 200


def start(*, opening: Opening, by: Principal, now: dt.datetime) -> Operation:
    """Have the opening's ranking made anew."""
    return long_work.start(kind=MATCH, params={"opening": opening.public_id}, principal=by, now=now)


@long_work.runner(MATCH)
def _run(operation: Operation, now: dt.datetime) -> None:
    with unit_of_work(Principal.system(MATCH), reason=operation.public_id):
        matches = rank(opening=Opening.objects.get(public_id=operation.params["opening"]), now=now)
        results = [{"index": match.rank - 1, "id": match.lab_expert.public_id} for match in matches]
    long_work.finish(operation, now=now, results=results)


@transaction.atomic
def rank(*, opening: Opening, now: dt.datetime) -> list[Match]:
    """Replace the opening's ranking by that of now: the best ``KEPT`` eligible experts, under their pseudonyms."""
    locked = openings.lock(opening)
    found = ranking.rank(locked, now=now, limit=KEPT)
    known = pseudonyms.know(tenant_id=locked.tenant_id, expert_ids=[row.expert_id for row in found])
    Match.objects.filter(opening=locked).delete()
    return Match.objects.bulk_create(
        Match(
            tenant_id=locked.tenant_id,
            opening=locked,
            expert_id=row.expert_id,
            lab_expert=known[row.expert_id],
            rank=place,
            score=row.score,
            margin=row.margin,
            components=row.components,
            rate_minor=row.rate_minor,
            matched_at=now,
        )
        for place, row in enumerate(found, start=1)
    )
