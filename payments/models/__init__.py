"""Tables of hours, earnings, the ledger and payouts."""

from __future__ import annotations

from payments.models.adjustment import Adjustment
from payments.models.bank import BankFile, BankMessage, BankTransfer
from payments.models.credit_limit import CreditLimit
from payments.models.dispute import Dispute
from payments.models.document_series import DocumentSeries
from payments.models.exchange_instruction import ExchangeInstruction
from payments.models.funding import Funding, Refund
from payments.models.fx import BankCharge, FxConversion, FxQuote
from payments.models.fx_exchange import FxExchange
from payments.models.inbound_event import InboundEvent
from payments.models.invoice import CreditNote, Invoice, LabBillingProfile
from payments.models.ledger import Account, AccountBalance, JournalEntry, Posting
from payments.models.lone_act import LoneAct
from payments.models.milestone import Milestone, MilestoneAward
from payments.models.overage import Cap, Overage
from payments.models.owed_invoice import OwedInvoice
from payments.models.pay_run import PayRun, PayRunExclusion, PayRunLine
from payments.models.payee import PayoutMethod
from payments.models.payee_account import PayeeAccount
from payments.models.payout import Payout, PayoutAttempt
from payments.models.payout_decision import PayoutDecision
from payments.models.platform_pay import Debt, Payee, PlatformPay, WriteOff
from payments.models.proposal import AdjustmentProposal
from payments.models.reconciliation import BankStatement, DayClose, ProviderEntry, ReconciliationItem
from payments.models.referral import Referral
from payments.models.reservation import FundsReservation
from payments.models.sandbox_provider import ProviderFault, ProviderMovement
from payments.models.self_billing import SelfBillingInvoice
from payments.models.sending_latch import SendingLatch
from payments.models.settlement_round import SettlementRound
from payments.models.statement import Statement
from payments.models.tax import BackupWithholding, TaxProfile
from payments.models.time_entry import Activity, TimeEntry
from payments.models.timesheet import Timesheet
from payments.models.true_up import FloorCheck, TrueUp

__all__ = [
    "Account",
    "AccountBalance",
    "Activity",
    "Adjustment",
    "AdjustmentProposal",
    "BackupWithholding",
    "BankCharge",
    "BankFile",
    "BankMessage",
    "BankStatement",
    "BankTransfer",
    "Cap",
    "CreditLimit",
    "CreditNote",
    "DayClose",
    "Debt",
    "Dispute",
    "DocumentSeries",
    "ExchangeInstruction",
    "FloorCheck",
    "Funding",
    "FundsReservation",
    "FxConversion",
    "FxExchange",
    "FxQuote",
    "InboundEvent",
    "Invoice",
    "JournalEntry",
    "LabBillingProfile",
    "LoneAct",
    "Milestone",
    "MilestoneAward",
    "Overage",
    "OwedInvoice",
    "PayRun",
    "PayRunExclusion",
    "PayRunLine",
    "Payee",
    "PayeeAccount",
    "Payout",
    "PayoutAttempt",
    "PayoutDecision",
    "PayoutMethod",
    "PlatformPay",
    "Posting",
    "ProviderEntry",
    "ProviderFault",
    "ProviderMovement",
    "ReconciliationItem",
    "Referral",
    "Refund",
    "SelfBillingInvoice",
    "SendingLatch",
    "SettlementRound",
    "Statement",
    "TaxProfile",
    "TimeEntry",
    "Timesheet",
    "TrueUp",
    "WriteOff",
]
