"""The floor ``payments`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """See the package's docstring."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Answer the questions of the floors below about money and hours, and listen to their news."""
        from experts.ports import appeal_subjects
        from marketplace import ports
        from payments import checks, subscribers  # noqa: F401  # importing them registers and subscribes
        from payments.operations.hours import completion, hours_of_project
        from payments.operations.labs import reservations
        from payments.operations.pay import contests, true_ups
        from payments.operations.payee import backup_withholding
        from payments.operations.rails import payout_decisions
        from payments.operations.runs import pay_run_holds, pay_run_news
        from payments.queries import pay_calendar

        ports.funds.register(reservations)
        ports.paydays.register(pay_calendar)
        ports.completion.register(completion)
        ports.completion.register(hours_of_project)
        appeal_subjects.register(backup_withholding.PREFIX, backup_withholding.find)
        appeal_subjects.register(pay_run_holds.PREFIX, pay_run_holds.find)
        appeal_subjects.register(pay_run_news.PREFIX, pay_run_news.find)
        appeal_subjects.register(payout_decisions.PREFIX, payout_decisions.find)
        for prefix in contests.PREFIXES:
            appeal_subjects.register(prefix, contests.find)
        appeal_subjects.register("tru", true_ups.find)
