"""Rubrics as a reader wants them: one table of criteria."""

from __future__ import annotations

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.desk import CadreAdmin
from tasks import rubric_lint
from tasks.models import Rubric
from tasks.operations.rubrics import foreign_limits
from tasks.rubric_rows import content_of


@admin.register(Rubric)
class RubricAdmin(CadreAdmin):
    """Every version of every rubric."""

    list_display = (
        "__str__",
        "public_id",
        "tenant",
        "version",
        "status",
        "score_policy",
        "source_format",
        "created_at",
    )
    list_filter = ("status", "score_policy", "source_format")
    search_fields = ("public_id", "title", "external_id", "submission__public_id")
    list_select_related = ("tenant",)
    exclude = ("extra",)
    readonly_fields = ("table",)

    @admin.display(description=_("criteria"))
    def table(self, rubric: Rubric) -> SafeString:
        """The criteria, and what the linter says."""
        content = content_of(rubric)
        findings = rubric_lint.lint(content, limits=foreign_limits())
        return render_to_string("admin/tasks/criteria.html", {"criteria": content.criteria, "findings": findings})
