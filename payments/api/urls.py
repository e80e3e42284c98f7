"""Addresses of the floor of hours and money."""

from __future__ import annotations

from django.urls import path

from payments.api import (
    balance,
    bonuses,
    disputes,
    earnings,
    funding,
    overages,
    payees,
    payouts,
    statements,
    tax,
    time_entries,
    timesheets,
)

expert_urlpatterns = [
    path("time-entries", time_entries.ExpertTimeEntryList.as_view()),
    path("time-entries/start", time_entries.ExpertTimeEntryStart.as_view()),
    path("time-entries/<str:entry_id>", time_entries.ExpertTimeEntryDetail.as_view()),
    path("time-entries/<str:entry_id>/stop", time_entries.ExpertTimeEntryStop.as_view()),
    path("time-entries/<str:entry_id>/heartbeat", time_entries.ExpertTimeEntryHeartbeat.as_view()),
    path("time-entries/<str:entry_id>/confirm", time_entries.ExpertTimeEntryConfirm.as_view()),
    path("timesheets", timesheets.ExpertTimesheetList.as_view()),
    path("timesheets/<str:timesheet_id>", timesheets.ExpertTimesheetDetail.as_view()),
    path("timesheets/<str:timesheet_id>/submit", timesheets.ExpertTimesheetSubmit.as_view()),
    path("overages", overages.ExpertOverageList.as_view()),
    path("disputes", disputes.ExpertDisputeList.as_view()),
    path("disputes/<str:dispute_id>", disputes.ExpertDisputeDetail.as_view()),
    path("disputes/<str:dispute_id>/answer", disputes.ExpertDisputeAnswer.as_view()),
    path("earnings", earnings.ExpertEarnings.as_view()),
    path("earnings/<str:earning_id>/explain", earnings.ExpertEarningExplain.as_view()),
    path("payouts", payouts.PayoutList.as_view()),
    path("payouts/<str:payout_id>", payouts.PayoutDetail.as_view()),
    path("statements", statements.StatementList.as_view()),
    path("statements/yearly", statements.StatementYearly.as_view()),
    path("statements/yearly/download", statements.StatementYearlyDownload.as_view()),
    path("statements/<str:statement_id>", statements.StatementDetail.as_view()),
    path("statements/<str:statement_id>/download", statements.StatementDownload.as_view()),
    path("payout-methods", payees.PayoutMethodList.as_view()),
    path("payout-methods/options", payees.PayoutMethodOptions.as_view()),
    path("payout-methods/<str:method_id>", payees.PayoutMethodDetail.as_view()),
    path("payout-methods/<str:method_id>/remove", payees.PayoutMethodRemove.as_view()),
    path("tax-profile", tax.TaxProfileDetail.as_view()),
    path("tax-forms/<int:year>", tax.TaxFormDetail.as_view()),
]

lab_urlpatterns = [
    path("time-entries", time_entries.LabTimeEntryList.as_view()),
    path("time-entries/<str:entry_id>", time_entries.LabTimeEntryDetail.as_view()),
    path("time-entries/<str:entry_id>/dispute", disputes.LabTimeEntryDispute.as_view()),
    path("timesheets", timesheets.LabTimesheetList.as_view()),
    path("timesheets/<str:timesheet_id>", timesheets.LabTimesheetDetail.as_view()),
    path("timesheets/<str:timesheet_id>/approve", timesheets.LabTimesheetApprove.as_view()),
    path("overages", overages.LabOverageList.as_view()),
    path("overages/<str:overage_id>/approve", overages.LabOverageApprove.as_view()),
    path("overages/<str:overage_id>/decline", overages.LabOverageDecline.as_view()),
    path("disputes", disputes.LabDisputeList.as_view()),
    path("disputes/<str:dispute_id>", disputes.LabDisputeDetail.as_view()),
    path("disputes/<str:dispute_id>/withdraw", disputes.LabDisputeWithdraw.as_view()),
    path("bonuses", bonuses.BonusList.as_view()),
    path("balance", balance.Balance.as_view()),
    path("balance/statement", balance.BalanceStatement.as_view()),
    path("balance/conversions", balance.ConversionList.as_view()),
    path("fx-quotes", balance.FxQuoteList.as_view()),
    path("funding", funding.FundingList.as_view()),
    path("funding/<str:funding_id>", funding.FundingDetail.as_view()),
    path("refunds", funding.RefundList.as_view()),
]
