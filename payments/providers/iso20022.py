"""Reading what banks send: pain.002 status reports, camt.053 statements, camt.054 notifications. No Django.

Namespaces are left out of account, so that every version of a message reads the same; entities and DTDs are refused
by `defusedxml`. Amounts become whole minor units, money in is positive.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from core.money import exponent_of

STATUS_REPORT, STATEMENT, NOTIFICATION = "pain.002", "camt.053", "camt.054"
_ROOTS: Final = {
    "CstmrPmtStsRpt": STATUS_REPORT,
    "BkToCstmrStmt": STATEMENT,
    "BkToCstmrDbtCdtNtfctn": NOTIFICATION,
    "BkToCstmrAcctRpt": "camt.052",
    "PmtRtr": "pacs.004",
}
MOST_ENTRIES: Final = 200_000
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,5})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
DUPLICATE: Final = frozenset({"DUPL", "AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})
"""Reasons by which a bank refuses a second copy: they prove nothing of the first."""
_CHARGES: Final = frozenset({"CHRG", "COMM", "FEES", "COMT"})
"""Sub-families of bank transaction codes that are a price, whatever they are charged for."""


_NO_REFERENCE: Final = frozenset({"", "NONREF", "NOTPROVIDED", "NOREF"})
"""What banks write where they have no reference. (``NtryRef`` is none either: many count anew in each message.)"""


class Unreadable(ValueError):
    """The file cannot be read as a message; ``code`` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """The bank's word about one transfer: a status code (ACCP, RJCT, …) and why."""

    end_to_end_id: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The bank's word about a file of ours. ``status`` is the group's, or "" when it speaks of transfers alone."""

    original_message_id: str
    status: str
    reason: str
    transfers: list[TransferStatus] = field(default_factory=list)

    @property
    def is_duplicate(self) -> bool:
        """Whether only a second copy of the file is refused."""
        return self.status == "RJCT" and self.reason in DUPLICATE

    def words(self, end_to_end_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Status and reason of each of these transfers: its own, or else the group's."""
        told = {tx.end_to_end_id: tx for tx in self.transfers}
        found = {}
        for one in end_to_end_ids:
            word = told.get(one)
            found[one] = (
                word.status if word else self.status,
                word.reason if word and word.reason else self.reason,
            )
        return found


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked movement; ``reference`` is the bank's own, or a fingerprint where it gives none."""

    reference: str
    end_to_end_id: str
    amount_minor: int
    currency: str
    booked_on: dt.date
    is_return: bool = False
    is_charge: bool = False
    code: str = ""
    counterparty: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Movements of one account: a statement with balances, or a notification without (``day`` is None)."""

    account: str
    statement_id: str
    entries: list[Entry]
    number: int | None = None
    day: dt.date | None = None
    currency: str = ""
    opening_minor: int = 0
    closing_minor: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One file. Kinds without status or reports are for information and change nothing."""

    kind: str
    message_id: str
    status: StatusReport | None = None
    reports: list[Report] = field(default_factory=list)


def read(content: bytes) -> Message:
    """The message in a file. Raises Unreadable."""
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise Unreadable("forbidden_xml", f"DTDs and entities are refused ({type(error).__name__}).") from None
    except (ParseError, ValueError, LookupError) as error:
        raise Unreadable("malformed", f"Not well-formed XML: {error}") from None
    _strip(root)
    body = root[0] if root.tag == "Document" and len(root) else root
    kind = _ROOTS.get(body.tag)
    if kind is None:
        raise Unreadable("unknown_message", f"{body.tag} is not a message that is read here.")
    msg_id = _text(body, "GrpHdr/MsgId")
    if not msg_id:
        raise Unreadable("malformed", "The message has no MsgId.")
    if kind == STATUS_REPORT:
        return Message(kind, msg_id, status=_status_report(body))
    if kind in {STATEMENT, NOTIFICATION}:
        return Message(kind, msg_id, reports=[_report(node, kind) for node in _parts(body)])
    return Message(kind, msg_id)


def _strip(root: Element) -> None:
    for count, node in enumerate(root.iter()):
        if count > MOST_ENTRIES * 50:
            raise Unreadable("too_large", "The message has too many elements.")
        if isinstance(node.tag, str):
            node.tag = node.tag.rpartition("}")[2]


def _parts(body: Element) -> Iterator[Element]:
    yield from body.iterfind("Stmt")
    yield from body.iterfind("Ntfctn")


def _text(node: Element | None, path: str) -> str:
    found = node.findtext(path) if node is not None else None
    return (found or "").strip()


def _reason(node: Element) -> str:
    rsn = node.find("StsRsnInf/Rsn")
    return _text(rsn, "Cd") or _text(rsn, "Prtry")


def _status_report(body: Element) -> StatusReport:
    group = body.find("OrgnlGrpInfAndSts")
    if group is None:
        raise Unreadable("malformed", "The status report names no file.")
    transfers = [
        TransferStatus(_text(tx, "OrgnlEndToEndId"), _text(tx, "TxSts"), _reason(tx)) for tx in body.iter("TxInfAndSts")
    ]
    status, reason = _text(group, "GrpSts"), _reason(group)
    for part in body.iterfind("OrgnlPmtInfAndSts"):  # one part per file of ours
        part_status = _text(part, "PmtInfSts")
        if not status or (part_status == "RJCT" and part.find("TxInfAndSts") is None):
            status, reason = part_status or status, _reason(part) or reason
    return StatusReport(_text(group, "OrgnlMsgId"), status, reason, transfers)


def _report(node: Element, kind: str) -> Report:
    account = _text(node, "Acct/Id/IBAN") or _text(node, "Acct/Id/Othr/Id")
    entries = _told_apart([entry for part in node.iterfind("Ntry") for entry in _entries(part)])
    statement_id = _text(node, "Id")
    if kind == NOTIFICATION:
        return Report(account, statement_id, entries)
    balances = {_balance_code(bal): bal for bal in node.iterfind("Bal")}
    opening = balances.get("OPBD") if "OPBD" in balances else balances.get("PRCD")
    closing = balances.get("CLBD")
    if opening is None or closing is None:
        raise Unreadable("malformed", "The statement has no opening and closing booked balance.")
    number = _text(node, "ElctrncSeqNb") or _text(node, "LglSeqNb")
    return Report(
        account=account,
        statement_id=statement_id,
        entries=entries,
        number=int(number) if _NUMBER.fullmatch(number) else None,
        day=_date(closing.find("Dt")),
        currency=_currency(closing),
        opening_minor=_signed(opening),
        closing_minor=_signed(closing),
    )


def _told_apart(entries: list[Entry]) -> list[Entry]:
    """Movements that share a reference are counted, so that two equal ones stay two."""
    seen: Counter[str] = Counter()
    apart = []
    for entry in entries:
        seen[entry.reference] += 1
        times = seen[entry.reference]
        apart.append(entry if times == 1 else replace(entry, reference=f"{entry.reference[:95]}#{times}"))
    return apart


def _balance_code(balance: Element) -> str:
    return _text(balance, "Tp/CdOrPrtry/Cd")


def _entries(node: Element) -> Iterator[Entry]:
    """The movements of one booking: one for each detail when these carry amounts that add up to it, else one.

    Nothing of nothing: banks book zeros too, such as the closing of an account's quarter.
    """
    status = _text(node, "Sts/Cd") or _text(node, "Sts")
    if status and status != "BOOK":
        return
    details = node.findall("NtryDtls/TxDtls")
    amounts = [_detail_amount(detail) for detail in details]
    total = _signed(node)
    whole = sum(amount for amount in amounts if amount is not None)
    if len(details) > 1 and None not in amounts and whole == total:
        for number, (detail, amount) in enumerate(zip(details, amounts, strict=True), start=1):
            if amount:
                yield _entry(node, detail, amount, f"/{number}")
    elif total:
        yield _entry(node, details[0] if len(details) == 1 else None, total, "")


def _entry(node: Element, detail: Element | None, amount: int, suffix: str) -> Entry:
    code = _text(node, "BkTxCd/Domn/Fmly/SubFmlyCd")
    reason = _text(detail, "RtrInf/Rsn/Cd") or _text(detail, "RtrInf/Rsn/Prtry")
    e2e = _text(detail, "Refs/EndToEndId")
    booked_on = _date(node.find("BookgDt") if node.find("BookgDt") is not None else node.find("ValDt"))
    party = "Dbtr" if amount > 0 else "Cdtr"
    names = (f"RltdPties/{party}/Pty/Nm", f"RltdPties/{party}/Nm")
    text = "".join(part.text or "" for part in detail.iterfind("RmtInf/Ustrd")) if detail is not None else ""
    structured = _text(detail, "RmtInf/Strd/CdtrRefInf/Ref")
    entry = Entry(
        reference="",
        end_to_end_id="" if e2e == "NOTPROVIDED" else e2e,
        amount_minor=amount,
        currency=_currency(node),
        booked_on=booked_on,
        is_return=bool(reason) or (detail is not None and detail.find("RtrInf") is not None) or code == "RRTN",
        is_charge=code in _CHARGES,
        code=reason,
        counterparty=next((name for path in names if (name := _text(detail, path))), "")[:140],
        text=" ".join(part for part in (text.strip(), structured, _text(node, "AddtlNtryInf")) if part)[:500],
    )
    given = (_text(node, "AcctSvcrRef"), _text(detail, "Refs/AcctSvcrRef"))
    return _with_reference(entry, next((text for text in given if text not in _NO_REFERENCE), ""), suffix)


def _with_reference(entry: Entry, given: str, suffix: str) -> Entry:
    """Under the bank's reference; without one, under what it is: the same movement reads the same in every message."""
    made = f"{entry.booked_on}|{entry.amount_minor}|{entry.end_to_end_id or entry.counterparty + entry.text}"[:90]
    return replace(entry, reference=f"{given or made}{suffix}"[:100])


def _detail_amount(detail: Element) -> int | None:
    node = detail if detail.find("Amt") is not None else detail.find("AmtDtls/TxAmt")
    if node is None or node.find("Amt") is None:
        return None
    minor = _minor(node)
    side = _text(detail, "CdtDbtInd")
    return None if not side else minor if side == "CRDT" else -minor


def _signed(node: Element) -> int:
    side = _text(node, "CdtDbtInd")
    if side not in {"CRDT", "DBIT"}:
        raise Unreadable("malformed", "An amount says neither credit nor debit.")
    return _minor(node) if side == "CRDT" else -_minor(node)


def _minor(node: Element) -> int:
    text, currency = _text(node, "Amt"), _currency(node)
    if not _DECIMAL.fullmatch(text):
        raise Unreadable("malformed", f"{text[:30]!r} is not an amount.")
    try:
        scaled = Decimal(text).scaleb(exponent_of(currency))
    except ValueError:
        raise Unreadable("malformed", f"{currency[:3]!r} is not a currency.") from None
    if scaled != int(scaled):
        raise Unreadable("malformed", f"{text} {currency} has parts of the smallest unit.")
    return int(scaled)


def _currency(node: Element) -> str:
    amount = node.find("Amt")
    return (amount.get("Ccy") or "") if amount is not None else ""


def _date(node: Element | None) -> dt.date:
    text = (_text(node, "Dt") or _text(node, "DtTm"))[:10]
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Unreadable("malformed", f"{text!r} is not a date.") from None
