"""The operators' desk."""

from __future__ import annotations

from unfold.sites import UnfoldAdminSite


class CadreAdminSite(UnfoldAdminSite):
    """Django admin with our queues."""

    site_title = "Cadre"
    site_header = "Cadre"
