"""The floor ``payments`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """See the package's docstring."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Answer the marketplace's questions about money."""
        from marketplace import ports
        from payments.operations import completion, reservations

        ports.funds.register(reservations)
        ports.completion.register(completion)
