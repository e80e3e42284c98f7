"""The two views that matching reads. What stands unproven counts for level 2 and two years at most (experts/tiers.py)."""

from django.db import migrations

SKILLS = """
CREATE VIEW experts_skill_facts WITH (security_invoker = true) AS
SELECT claim.expert_id || ':' || branch.code AS id,
       claim.expert_id,
       claim.expert_id AS facts_id,
       branch.code AS domain_code,
       max(CASE WHEN proof.given THEN claim.level ELSE least(claim.level, 2) END)::smallint AS level,
       max(CASE WHEN proof.given THEN claim.years ELSE least(claim.years, 2) END)::smallint AS years,
       bool_or(proof.given) AS proven,
       max(quality.score_ppm)::integer AS quality_ppm,
       coalesce(max(quality.observations), 0)::integer AS observations
FROM experts_expertdomain AS claim
JOIN experts_domain AS leaf ON leaf.id = claim.domain_id
JOIN experts_domain AS branch ON branch.code = leaf.code OR starts_with(leaf.code, branch.code || '.')
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT 1
        FROM experts_credential AS credential
        JOIN experts_domain AS field ON field.id = credential.domain_id
        WHERE credential.expert_id = claim.expert_id
          AND credential.status = 'verified'
          AND (field.code = leaf.code
               OR starts_with(field.code, leaf.code || '.')
               OR starts_with(leaf.code, field.code || '.'))
    ) AS given
) AS proof
LEFT JOIN experts_qualityscore AS quality
       ON quality.expert_id = claim.expert_id AND quality.domain_id = branch.id
GROUP BY claim.expert_id, branch.code
"""

FACTS = """
CREATE VIEW experts_facts WITH (security_invoker = true) AS
SELECT expert.id AS expert_id,
       expert.public_id,
       expert.user_id,
       expert.tier,
       expert.country,
       expert.zone,
       expert.languages,
       coalesce(availability.weekly_seconds, 0) AS weekly_seconds,
       availability.daily_cap_seconds,
       coalesce(availability.open_to_offers, true) AS open_to_offers,
       (ARRAY['none', 'secondary', 'short_cycle', 'bachelor', 'master', 'doctorate'])[held.degree_rank + 1] AS degree,
       held.degree_rank::smallint AS degree_rank,
       held.licences,
       (SELECT coalesce(jsonb_object_agg(grant_.code, grant_.expires_at), '{}')
          FROM experts_qualification AS grant_ WHERE grant_.expert_id = expert.id) AS qualifications,
       (SELECT coalesce(jsonb_object_agg(skill.domain_code, jsonb_build_object(
                   'level', skill.level, 'years', skill.years, 'proven', skill.proven)), '{}')
          FROM experts_skill_facts AS skill WHERE skill.expert_id = expert.id) AS skills,
       (SELECT coalesce(jsonb_object_agg(domain.code, jsonb_build_object(
                   'score_ppm', quality.score_ppm, 'observations', quality.observations)), '{}')
          FROM experts_qualityscore AS quality
          JOIN experts_domain AS domain ON domain.id = quality.domain_id
         WHERE quality.expert_id = expert.id) AS quality,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'kind', restriction.kind, 'tenant_id', restriction.tenant_id,
                   'starts_at', restriction.starts_at, 'ends_at', restriction.ends_at)), '[]')
          FROM experts_restriction AS restriction WHERE restriction.expert_id = expert.id) AS restrictions
FROM experts_expert AS expert
LEFT JOIN experts_availability AS availability ON availability.expert_id = expert.id
CROSS JOIN LATERAL (
    SELECT coalesce(max(array_position(ARRAY['secondary', 'short_cycle', 'bachelor', 'master', 'doctorate'],
                   credential.award::text))
               FILTER (WHERE credential.kind = 'degree' AND credential.status = 'verified'), 0) AS degree_rank,
           coalesce(jsonb_agg(jsonb_build_object('kind', credential.award, 'jurisdiction', credential.jurisdiction,
                   'expires_on', credential.expires_on))
               FILTER (WHERE credential.kind = 'licence' AND credential.status IN ('verified', 'expired')), '[]')
               AS licences
    FROM experts_credential AS credential
    WHERE credential.expert_id = expert.id
) AS held
"""

GRANTS = "GRANT SELECT ON experts_facts, experts_skill_facts TO cadre_app, cadre_admin"
CLOSE = "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON experts_facts, experts_skill_facts FROM cadre_app, cadre_admin"


class Migration(migrations.Migration):
    dependencies = [("experts", "0002_taxonomy")]
    operations = [
        migrations.RunSQL(SKILLS, "DROP VIEW experts_skill_facts"),
        migrations.RunSQL(FACTS, "DROP VIEW experts_facts"),
        migrations.RunSQL([GRANTS, CLOSE], migrations.RunSQL.noop),
    ]
