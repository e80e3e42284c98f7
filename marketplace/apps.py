"""The floor ``marketplace`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    """Labs, projects, openings, offers and contracts."""

    name = "marketplace"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Subscribe to news, answer the experts' floor, and register who runs long work."""
        from experts.ports import appeal_subjects, lab_people
        from marketplace import subscribers  # noqa: F401  # importing it subscribes
        from marketplace.operations import matches, projects  # noqa: F401  # importing them registers their runners
        from marketplace.queries import PeopleOfLabs, contestable_application, contestable_contract

        appeal_subjects.register("app", contestable_application)
        appeal_subjects.register("ctr", contestable_contract)
        lab_people.register(PeopleOfLabs())
