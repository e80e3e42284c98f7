"""What matching may know of an expert, as two views of the database (see migration 0003 for their SQL).

Ranking filters and joins them in SQL; explanations read one row and have everything. Facts cross the walls by nature:
the platform ranks with them, and labs see only what matching tells them.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.public import OwnedQuerySet, Wall


class ExpertFacts(models.Model):
    """One row per expert.

    ``degree`` is the highest verified one ("none" without). ``licences`` is a list of ``{"kind", "jurisdiction",
    "expires_on"}`` of verified and expired licences; ``qualifications`` maps code → last valid instant or null;
    ``skills`` maps domain code (ancestors included) → ``{"level", "years", "proven"}``; ``quality`` maps domain code →
    ``{"score_ppm", "observations"}``; ``restrictions`` lists those without an end in the past as ``{"kind",
    "tenant_id", "starts_at", "ends_at"}``.
    """

    wall = Wall.EXPERT

    expert = models.OneToOneField("experts.Expert", on_delete=models.DO_NOTHING, primary_key=True, related_name="facts")
    public_id = models.CharField(max_length=40)
    user_id = models.BigIntegerField()
    tier = models.CharField(max_length=20)
    country = models.CharField(max_length=2)
    zone = models.CharField(max_length=64)
    languages = ArrayField(models.CharField(max_length=20))
    weekly_seconds = models.IntegerField()
    daily_cap_seconds = models.IntegerField(null=True)
    open_to_offers = models.BooleanField()
    degree = models.CharField(max_length=20)
    degree_rank = models.SmallIntegerField()
    licences = models.JSONField()
    qualifications = models.JSONField()
    skills = models.JSONField()
    quality = models.JSONField()
    restrictions = models.JSONField()

    objects = OwnedQuerySet["ExpertFacts"].as_manager()

    class Meta:
        managed = False
        db_table = "experts_facts"

    def __str__(self) -> str:
        return self.public_id


class SkillFacts(models.Model):
    """One row per expert and domain, ancestors included: what a search by domain and level starts from."""

    wall = Wall.EXPERT

    id = models.CharField(max_length=40, primary_key=True)
    expert = models.ForeignKey("experts.Expert", on_delete=models.DO_NOTHING, related_name="skill_facts")
    facts = models.ForeignKey(ExpertFacts, on_delete=models.DO_NOTHING, related_name="skill_rows")
    domain_code = models.CharField(max_length=80)
    level = models.SmallIntegerField()
    years = models.SmallIntegerField()
    proven = models.BooleanField()
    quality_ppm = models.IntegerField(null=True)
    observations = models.IntegerField()

    objects = OwnedQuerySet["SkillFacts"].as_manager()

    class Meta:
        managed = False
        db_table = "experts_skill_facts"

    def __str__(self) -> str:
        return f"{self.expert_id}: {self.domain_code}"
