"""`/expert/domains` and `/domains`: the taxonomy."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.types import Doc, Example
from core.api.views import ExpertView, LabView
from core.public import Principal
from experts.models import Domain

DomainCode = Annotated[str, Doc("Dotted code of the taxonomy."), Example("medicine.cardiology")]


class DomainOut(TypedDict):
    """One domain of the taxonomy."""

    code: DomainCode
    name: Annotated[str, Example("Cardiology")]
    parent: Annotated[str | None, Example("medicine")]
    isced: Annotated[str, Doc("Field of ISCED-F 2013."), Example("0912")]
    isced_name: Annotated[str, Example("Medicine")]


def domains(principal: Principal) -> Any:
    """All domains with what a row shows."""
    return Domain.objects.visible_to(principal).select_related("parent", "isced")


def render_domain(domain: Domain) -> DomainOut:
    """One row of the taxonomy."""
    return {
        "code": domain.code,
        "name": domain.name,
        "parent": domain.parent.code if domain.parent is not None else None,
        "isced": domain.isced.code,
        "isced_name": domain.isced.name,
    }


class ExpertDomains(ExpertView):
    """The taxonomy, for experts."""

    needs_profile = False

    @endpoint(summary="List domains", returns=DomainOut, paginated=True, render=render_domain, order="id")
    def get(self, call: Call) -> Any:
        """Everything an expert can claim and an opening can ask for."""
        return domains(call.principal)


class LabDomains(LabView):
    """The taxonomy, for labs."""

    @endpoint(summary="List domains", returns=DomainOut, paginated=True, render=render_domain, order="id")
    def get(self, call: Call) -> Any:
        """Everything an opening can ask for; a requirement of `medicine` is met by `medicine.cardiology`."""
        return domains(call.principal)
