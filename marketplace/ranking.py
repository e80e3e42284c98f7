"""Who fits an opening, ranked in SQL, with the reasons of whoever does not.

One statement computes, for everybody who has the domain, which requirements fail and the components of the score, by
the law in ``marketplace.matching`` (a property test holds both to the same answers). It reads the experts' published
views, and crosses the walls: it runs as the platform and returns nothing that tells one lab about another.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from core import scope
from marketplace import eligibility, rates
from marketplace.matching import DEGREES
from marketplace.models import Opening
from marketplace.operations import rate_cards

COMPONENTS = ("level", "years", "quality", "cold_start", "rate_slack", "hours_slack", "text")

POOL = """
WITH pool AS (
    SELECT facts.expert_id, facts.public_id, facts.weekly_seconds / 3600 AS hours_week,
        skill.level, skill.years, coalesce(skill.observations, 0) AS n_obs,
        (coalesce(skill.observations, 0) * (coalesce(skill.quality_ppm, 0) / 1000) + 10 * 720)
            / (coalesce(skill.observations, 0) + 10) AS quality_milli,
        coalesce((%(rates)s::jsonb ->> facts.country)::bigint, %(high_rate)s) AS rate_minor,
        facts.tier, facts.degree, facts.country, facts.languages, facts.licences, facts.qualifications,
        facts.restrictions
    FROM experts_skill_facts AS skill
    JOIN experts_facts AS facts ON facts.expert_id = skill.expert_id
    WHERE skill.domain_code = %(domain)s
        AND facts.open_to_offers
        AND EXISTS (
            SELECT FROM marketplace_labmember AS member
            WHERE member.user_id = facts.user_id AND member.tenant_id = %(members_of)s
        ) = %(members_play)s
        AND NOT EXISTS (
            SELECT FROM marketplace_offer AS offer
            WHERE offer.opening_id = %(opening)s AND offer.expert_id = facts.expert_id
                AND (offer.status = 'extended' OR EXISTS (
                    SELECT FROM marketplace_contract AS contract
                    WHERE contract.offer_id = offer.id AND contract.status <> 'ended'))
        )
), judged AS (
    SELECT pool.*,
        array_remove(ARRAY[
            CASE WHEN NOT pool.tier = ANY (%(tiers)s) THEN 'tier_too_low' END,
            CASE WHEN level < %(min_level)s THEN 'level_too_low' END,
            CASE WHEN years < %(min_years)s THEN 'years_too_few' END,
            CASE WHEN NOT degree = ANY (%(degrees)s) THEN 'degree_too_low' END,
            CASE WHEN EXISTS (
                SELECT FROM jsonb_to_recordset(%(licences)s::jsonb) AS need (kind text, jurisdiction text)
                WHERE NOT EXISTS (
                    SELECT FROM jsonb_to_recordset(pool.licences) AS held (kind text, jurisdiction text)
                    WHERE held.kind = need.kind AND (need.jurisdiction IS NULL OR held.jurisdiction = need.jurisdiction
                        OR starts_with(held.jurisdiction, need.jurisdiction || '-')))
            ) THEN 'licence_missing' END,
            CASE WHEN EXISTS (
                SELECT FROM jsonb_to_recordset(%(licences)s::jsonb) AS need (kind text, jurisdiction text)
                CROSS JOIN LATERAL (
                    SELECT bool_or(held.expires_on IS NULL OR held.expires_on >= %(on)s) AS is_valid
                    FROM jsonb_to_recordset(pool.licences) AS held (kind text, jurisdiction text, expires_on date)
                    WHERE held.kind = need.kind AND (need.jurisdiction IS NULL OR held.jurisdiction = need.jurisdiction
                        OR starts_with(held.jurisdiction, need.jurisdiction || '-'))
                ) AS answer
                WHERE NOT answer.is_valid
            ) THEN 'licence_expired' END,
            CASE WHEN NOT %(languages)s::text[] <@ pool.languages::text[] THEN 'language_missing' END,
            CASE WHEN %(allow)s::text[] IS NOT NULL AND NOT country = ANY (%(allow)s::text[])
                THEN 'country_not_allowed' END,
            CASE WHEN country = ANY (%(block)s::text[]) THEN 'country_blocked' END,
            CASE WHEN NOT pool.qualifications ?& %(qualifications)s::text[] THEN 'qualification_missing' END,
            CASE WHEN EXISTS (
                SELECT FROM unnest(%(qualifications)s::text[]) AS code
                WHERE ((pool.qualifications ->> code)::timestamptz AT TIME ZONE 'UTC')::date < %(on)s
            ) THEN 'qualification_expired' END,
            CASE WHEN rate_minor > %(ceiling)s::bigint THEN 'rate_above_ceiling' END,
            CASE WHEN hours_week < %(hours)s THEN 'hours_too_few' END,
            CASE WHEN EXISTS (
                SELECT FROM marketplace_exposure AS exposure
                JOIN marketplace_conflictedge AS edge
                    ON edge.tenant_low_id = least(exposure.tenant_seen_id, %(tenant)s)
                    AND edge.tenant_high_id = greatest(exposure.tenant_seen_id, %(tenant)s)
                    AND edge.starts_on <= %(on)s AND (edge.ends_on IS NULL OR edge.ends_on >= %(on)s)
                WHERE exposure.expert_id = pool.expert_id AND exposure.starts_at <= %(now)s
                    AND (exposure.ends_at IS NULL
                        OR exposure.ends_at + make_interval(days => edge.cooling_off_days) > %(now)s)
            ) THEN 'conflict_wall' END,
            CASE WHEN EXISTS (
                SELECT FROM jsonb_to_recordset(pool.restrictions)
                    AS stop (kind text, tenant_id bigint, starts_at timestamptz, ends_at timestamptz)
                WHERE stop.kind = ANY (%(stopped)s) AND (stop.tenant_id IS NULL OR stop.tenant_id = %(tenant)s)
                    AND stop.starts_at <= %(now)s AND (stop.ends_at IS NULL OR stop.ends_at > %(now)s)
            ) THEN 'restricted' END
        ], NULL) AS failures
    FROM pool
), scored AS (
    SELECT judged.*,
        380 * (600 * least(greatest(level, 0), 5) / 5) AS c_level,
        380 * (400 * least(greatest(years, 0), 15) / 15) AS c_years,
        270 * least(greatest(quality_milli, 0), 1000) AS c_quality,
        80 * (1000 / (1 + n_obs)) / 4 AS c_cold_start,
        CASE WHEN coalesce(%(ceiling)s::bigint, 0) = 0 THEN 0
            ELSE 120 * greatest(0, 1000 * (%(ceiling)s::bigint - rate_minor) / %(ceiling)s::bigint) END AS c_rate_slack,
        70 * (1000 * least(greatest(hours_week - %(hours)s, 0), 20) / 20) AS c_hours_slack,
        0 AS c_text
    FROM judged
), totalled AS (
    SELECT scored.*,
        greatest(1, c_level + c_years + c_quality + c_cold_start + c_rate_slack + c_hours_slack + c_text) AS score
    FROM scored
)
"""

RANKED = """
SELECT expert_id, rate_minor, score, score - lead(score, 1, 0) OVER best_first AS margin,
    c_level, c_years, c_quality, c_cold_start, c_rate_slack, c_hours_slack, c_text
FROM totalled
WHERE failures = '{}'
WINDOW best_first AS (ORDER BY score DESC, public_id COLLATE "C")
ORDER BY score DESC, public_id COLLATE "C"
LIMIT %(limit)s
"""

JUDGED = "SELECT public_id, failures, score FROM totalled"

NEAR = """
SELECT failures, rate_minor, level, years, hours_week, count(*)
FROM totalled
WHERE cardinality(failures) <= 1
GROUP BY failures, rate_minor, level, years, hours_week
"""


@dataclass(frozen=True, slots=True)
class RankedExpert:
    """One eligible expert: score 1 to 1,000,000, what it is made of, and the lead over the next one."""

    expert_id: int
    rate_minor: int
    score: int
    margin: int
    components: dict[str, int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the statement says about one expert: all failing requirements (none means eligible) and the score."""

    public_id: str
    failures: frozenset[str]
    score: int


@dataclass(frozen=True, slots=True)
class NearGroup:
    """Experts who fail at most one requirement (``failure``, or "" for none), alike in what could be relaxed."""

    failure: str
    rate_minor: int
    level: int
    years: int
    hours_week: int
    count: int


def rank(opening: Opening, *, now: dt.datetime, limit: int) -> list[RankedExpert]:
    """The best eligible experts of an opening, best first; equal scores in the order of their ids."""
    rows = _rows(RANKED, {**parameters(opening, now=now), "limit": limit})
    return [
        RankedExpert(expert_id, rate, score, margin, dict(zip(COMPONENTS, parts, strict=True)))
        for expert_id, rate, score, margin, *parts in rows
    ]


def judge(opening: Opening, *, now: dt.datetime) -> list[Judgement]:
    """Everybody who has the opening's domain, with every requirement he fails."""
    return [
        Judgement(public_id, frozenset(failures), score)
        for public_id, failures, score in _rows(JUDGED, parameters(opening, now=now))
    ]


def near(opening: Opening, *, now: dt.datetime) -> list[NearGroup]:
    """Groups of experts who are eligible or one step away from it."""
    return [
        NearGroup(failures[0] if failures else "", rate, level, years, hours, count)
        for failures, rate, level, years, hours, count in _rows(NEAR, parameters(opening, now=now))
    ]


def _rows(select: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(POOL + select, values)
        return iter(cursor.fetchall())


def parameters(opening: Opening, *, now: dt.datetime) -> dict[str, Any]:
    """What the statement needs to know about the opening."""
    requirement = opening.requirement
    document = eligibility.render_requirement(requirement)
    by_band = rate_cards.rates_by_band(opening=opening, now=now)
    tenant = opening.tenant
    return {
        "opening": opening.pk,
        "tenant": opening.tenant_id,
        # In a sandbox nothing is real: the lab's own people play the experts. Elsewhere nobody hires himself.
        "members_of": tenant.live_id or tenant.pk,
        "members_play": tenant.is_sandbox,
        "domain": document["domain"],
        "rates": json.dumps({country: by_band[band] for country, band in rates.countries_in_bands().items()}),
        "high_rate": by_band["high"],
        "tiers": list(rates.TIERS[rates.TIERS.index(opening.tier) :]),
        "min_level": requirement.min_level,
        "min_years": requirement.min_years,
        "degrees": list(DEGREES[DEGREES.index(requirement.degree) :]),
        "licences": json.dumps(document["licences"]),
        "languages": document["languages"],
        "allow": document["countries"]["allow"],
        "block": document["countries"]["block"],
        "qualifications": document["qualifications"],
        "ceiling": opening.rate_ceiling_minor,
        "hours": requirement.hours_week,
        "stopped": sorted(eligibility.STOPPED),
        "on": now.astimezone(dt.UTC).date(),
        "now": now,
    }
