"""Labs, their people, projects and rate cards."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, staff
from marketplace.models import InstructionVersion, Lab, LabExpert, LabMember, Project, Rate, RateCard
from marketplace.operations import api_keys, projects


@admin.register(Lab)
class LabAdmin(CadreAdmin):
    """Labs: one row for the live tenant and one for its sandbox."""

    list_display = ("tenant", "alias", "country", "currency", "fee_bp", "approval_window_seconds", "holdback_bp")
    list_filter = ("currency", ("tenant__live", admin.EmptyFieldListFilter))
    search_fields = ("tenant__name", "tenant__public_id", "alias")
    list_select_related = ("tenant",)
    actions = ("issue_key",)

    @confirmed(
        description=_("Issue an API key with all rights"),
        effect=_(
            "For a lab that can make no key itself. The key has all rights of the lab; it stands on the next page and "
            "nowhere else, and the lab's admins are told."
        ),
        permission="marketplace.issue_key",
        reason=True,
    )
    def issue_key(self, request: HttpRequest, lab: Lab, *, reason: str) -> None:
        """For a lab that can make none itself; its admins hear of it. The secret is on the next page and nowhere else."""
        minted = api_keys.issue_in_need(lab=lab, by=staff(request), reason=reason, now=clock.now())
        messages.warning(request, _("%(lab)s: %(secret)s – shown this once.") % {"lab": lab, "secret": minted.secret})


@admin.register(LabMember)
class LabMemberAdmin(CadreAdmin):
    """Who acts for which lab."""

    list_display = ("user", "tenant", "role", "created_at")
    list_filter = ("role",)
    search_fields = ("public_id", "user__email", "tenant__name")
    list_select_related = ("user", "tenant")


@admin.register(LabExpert)
class LabExpertAdmin(CadreAdmin):
    """Which pseudonym stands for whom: operators only."""

    list_display = ("public_id", "expert", "tenant", "created_at")
    search_fields = ("public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("expert", "tenant")


class InstructionInline(ReadOnlyInline):
    """What experts read."""

    model = InstructionVersion
    fields = ("number", "published_at", "sha256")


@admin.register(Project)
class ProjectAdmin(CadreAdmin):
    """Projects of all labs."""

    list_display = ("name", "alias", "tenant", "status", "currency", "review_policy", "created_at")
    list_filter = ("status", "review_policy", "currency")
    search_fields = ("public_id", "name", "alias", "external_id", "tenant__name")
    list_select_related = ("tenant",)
    inlines = (InstructionInline,)
    actions = ("launch", "pause", "resume")

    @confirmed(
        description=_("Launch"),
        effect=_("Experts can claim the project's work from now on."),
        permission="marketplace.run_project",
    )
    def launch(self, request: HttpRequest, project: Project) -> None:
        """Let work begin."""
        projects.launch(project=project, now=clock.now())

    @confirmed(
        description=_("Pause"),
        effect=_(
            "Nobody can claim new work of the project; contracts stay, and work that is under way is finished and paid."
        ),
        permission="marketplace.run_project",
    )
    def pause(self, request: HttpRequest, project: Project) -> None:
        """Stop new work."""
        projects.pause(project=project, now=clock.now())

    @confirmed(
        description=_("Resume"),
        effect=_("Experts can claim the project's work again."),
        permission="marketplace.run_project",
    )
    def resume(self, request: HttpRequest, project: Project) -> None:
        """Let work go on."""
        projects.resume(project=project, now=clock.now())


class RateInline(ReadOnlyInline):
    """The lines of a card."""

    model = Rate
    fields = ("tier", "domain", "work_type", "band", "amount_minor", "currency", "valid")


@admin.register(RateCard)
class RateCardAdmin(CadreAdmin):
    """What an hour costs. Published cards do not change."""

    list_display = ("title", "version", "tenant", "published_at")
    list_filter = (("tenant", admin.EmptyFieldListFilter),)
    search_fields = ("public_id", "title", "tenant__name")
    list_select_related = ("tenant",)
    inlines = (RateInline,)
