"""What a bank (or whoever says so) leaves for us: read exactly, refused clearly, kept for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from core import ids
from payments.models import BankFile, BankMessage, ProviderEntry, SendingLatch
from payments.operations.bank import provider_books
from payments.providers import iso20022, pain001
from payments.providers.bank_channel import DirectoryChannel
from payments.providers.iso20022 import Unreadable
from payments.providers.port import Order, Verdict
from payments.providers.sepa_file import SepaFileProvider
from tests.payments import bank_world as world
from tests.payments.bank_world import GOOD, HOUR, Bank, paid_run, statuses, we_collect, we_send
from tests.payments.ledger_story import NOW

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]>
<Document><CstmrPmtStsRpt><GrpHdr><MsgId>&lol2;</MsgId></GrpHdr></CstmrPmtStsRpt></Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Document><BkToCstmrStmt><GrpHdr><MsgId>&x;</MsgId></GrpHdr></BkToCstmrStmt></Document>"""


def statement(
    *entries: str,
    account: str = world.OURS,
    number: int = 1,
    day: str = "2026-11-16",
    opening: str = "0.00",
    closing: str,
) -> bytes:
    """A camt.053 of the oldest version, as small as banks write it."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
<GrpHdr><MsgId>STMT-{number}-{day}</MsgId><CreDtTm>2026-11-16T20:00:00</CreDtTm></GrpHdr>
<Stmt><Id>S{number}-{day}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>
<Acct><Id><IBAN>{account}</IBAN></Id></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{opening}</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>{day}</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{closing}</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>{day}</Dt></Dt></Bal>
{"".join(entries)}
</Stmt></BkToCstmrStmt></Document>""".encode()


def entry(
    amount: str, *, side: str = "CRDT", text: str = "", reference: str = "", code: str = "ESCT", e2e: str = ""
) -> str:
    return f"""<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><Dt>2026-11-16</Dt></BookgDt>{f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""}
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>{code}</SubFmlyCd></Fmly></Domn></BkTxCd>
<NtryDtls><TxDtls><Refs><EndToEndId>{e2e or "NOTPROVIDED"}</EndToEndId></Refs>
<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"""


def report(status: str, *, original: str = "CDR-X", reason: str = "", transfers: str = "") -> bytes:
    rsn = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    group = f"<GrpSts>{status}</GrpSts>{rsn}" if status else ""
    return f"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>
<GrpHdr><MsgId>P2-{status}-{reason}-{len(transfers)}</MsgId></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>{original}</OrgnlMsgId>{group}</OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts>{transfers}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>""".encode()


def transfer(e2e: str, status: str, reason: str = "") -> str:
    rsn = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{e2e}</OrgnlEndToEndId><TxSts>{status}</TxSts>{rsn}</TxInfAndSts>"


class TestReading:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (BOMB, "forbidden_xml"),
            (OUTSIDE, "forbidden_xml"),
            (b"", "malformed"),
            (b"hello", "malformed"),
            (b"\xff\xfe\x00<", "malformed"),
            (b"<Document><CstmrPmtStsRpt/></Document>", "malformed"),
            (b"<Document><Something/></Document>", "unknown_message"),
            (statement(entry("1.00"), closing="1,00"), "malformed"),
            (statement(entry("1.001"), closing="1.00"), "malformed"),
            (statement(entry("-1.00"), closing="1.00"), "malformed"),
            (statement(entry("1e3"), closing="1.00"), "malformed"),
            (statement(entry("1" + "0" * 15), closing="1.00"), "malformed"),
            (statement(entry("1.00", side="BOTH"), closing="1.00"), "malformed"),
            (statement(day="2026-13-16", closing="1.00"), "malformed"),
        ],
    )
    def test_what_cannot_be_read_says_why(self, content: bytes, code: str) -> None:
        with pytest.raises(Unreadable) as refused:
            iso20022.read(content)
        assert refused.value.code == code

    def test_versions_read_alike(self) -> None:
        old = statement(entry("12.34", text="CDR-ABC", reference="B1"), closing="12.34")
        new = old.replace(b"camt.053.001.02", b"camt.053.001.08").replace(
            b"<Sts>BOOK</Sts>", b"<Sts><Cd>BOOK</Cd></Sts>"
        )
        assert iso20022.read(old) == iso20022.read(new)
        (found,) = iso20022.read(new).reports
        assert (found.opening_minor, found.closing_minor, found.number) == (0, 1234, 1)
        assert [(one.reference, one.amount_minor, one.text) for one in found.entries] == [("B1", 1234, "CDR-ABC")]

    def test_two_equal_movements_without_a_reference_stay_two(self) -> None:
        (found,) = iso20022.read(statement(entry("1.00"), entry("1.00"), closing="2.00")).reports
        assert len({one.reference for one in found.entries}) == 2

    def test_nothing_of_nothing_is_no_movement(self) -> None:
        """Banks book zeros: a quarter's closing without a fee."""
        zero, one = entry("0.00", text="Abschluss"), entry("1.00", reference="B1")
        (found,) = iso20022.read(statement(zero, one, number=10**4000, closing="1.00")).reports
        assert ([line.amount_minor for line in found.entries], found.number) == ([100], None)

    def test_what_is_only_expected_is_no_money(self) -> None:
        pending = entry("5.00").replace("<Sts>BOOK</Sts>", "<Sts>PDNG</Sts>")
        (found,) = iso20022.read(statement(pending, closing="0.00")).reports
        assert found.entries == []


class TestWriting:
    ORDER = Order("pay_x-1", "pay_x", 1, "EUR", "Łucja & Ж", "iban", {"iban": GOOD}, "h")

    def test_names_are_written_in_what_every_bank_takes(self) -> None:
        assert pain001.plain("Zoë Łukasz & <Söhne>", 70) == "Zoe Lukasz Sohne"
        assert pain001.plain("Жанна 山田", 70).isascii()
        assert pain001.plain("🦊", 70) == ""

    @pytest.mark.parametrize("version", pain001.VERSIONS)
    def test_every_version_is_valid_and_the_same_batch_has_the_same_id(self, version: str) -> None:
        debtor = pain001.Debtor("Cadre", world.OURS, "MOCKNL2A")
        once = pain001.write([self.ORDER], debtor=debtor, version=version, execute_on=NOW.date(), now=NOW)
        again = pain001.write([self.ORDER], debtor=debtor, version=version, execute_on=NOW.date(), now=NOW)
        assert once == again
        assert len(once[0]) <= 35
        assert b'<InstdAmt Ccy="EUR">0.01</InstdAmt>' in once[1]
        assert b"<BtchBookg>false</BtchBookg>" in once[1]
        assert pain001.key_of(pain001.end_to_end_id(self.ORDER.key)) == self.ORDER.key

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"currency": "USD"}, "currency_not_served"),
            ({"details": {"iban": "NL00MOCK0000000001"}}, "AC01"),
            ({"details": {"iban": "BR1500000000000010932840814P2"}}, "country_not_served"),
            ({"amount_minor": 0}, "AM02"),
            ({"amount_minor": 10**11}, "AM02"),
            ({"holder": "🦊"}, "holder_unwritable"),
        ],
    )
    @pytest.mark.django_db(transaction=True)
    def test_what_no_file_can_carry_is_refused_before_there_is_one(self, change: dict[str, object], code: str) -> None:
        order = Order(**{name: getattr(self.ORDER, name) for name in Order.__slots__} | change)
        (answer,) = SepaFileProvider().submit([order], now=NOW)
        assert (answer.verdict, answer.code, BankFile.objects.count()) == (Verdict.REJECTED, code, 0)


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


def leave(bank: Bank, name: str, content: bytes) -> None:
    (bank.into / name).write_bytes(content)


def came() -> list[tuple[str, str, str]]:
    return list(BankMessage.objects.order_by("pk").values_list("name", "status", "problem"))


@pytest.mark.django_db(transaction=True)
class TestReceiving:
    def test_refused_files_are_kept_and_never_read_again(self, bank: Bank, settings: Settings) -> None:
        settings.BANK_FILE_MOST_BYTES = 10_000
        leave(bank, "a.xml", BOMB)
        leave(bank, "b.xml", b"<broken")
        leave(bank, "c.xml", statement(closing="0.00", account="NL14MOCK0000000002"))
        leave(bank, "d.xml", b" " * 10_001)
        leave(bank, "e.xml", report("ACCP", original="NOTOURS"))
        leave(bank, "f.xml.part", b"still being written")
        for _ in range(2):
            provider_books.read_bank(now=NOW)
        assert came() == [
            ("a.xml", "refused", "forbidden_xml"),
            ("b.xml", "refused", "malformed"),
            ("c.xml", "refused", "wrong_account"),
            ("d.xml", "refused", "too_large"),
            ("e.xml", "refused", "unknown_file"),
        ]
        assert sorted(path.name for path in (bank.into / "refused").iterdir()) == ["a.xml", "b.xml", "c.xml", "d.xml"]
        assert [path.name for path in bank.waiting()] == ["f.xml.part"]
        assert ProviderEntry.objects.count() == 0

    def test_the_same_file_and_the_same_message_id_count_once(self, bank: Bank) -> None:
        content = statement(entry("10.00", reference="B1", text="hello"), closing="10.00")
        leave(bank, "1.xml", content)
        leave(bank, "2.xml", content)
        leave(bank, "3.xml", content + b"\n")
        provider_books.read_bank(now=NOW)
        assert [status for _name, status, _why in came()] == ["applied", "refused", "refused"]
        assert list(ProviderEntry.objects.values_list("reference", "amount_minor")) == [("B1", 1_000)]

    def test_a_death_before_a_file_was_put_away_reads_it_once(
        self, bank: Bank, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leave(bank, "1.xml", statement(entry("10.00", reference="B1"), closing="10.00"))

        def die(*_args: object, **_kwargs: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(DirectoryChannel, "put_away", die)
        with pytest.raises(KeyboardInterrupt):
            provider_books.read_bank(now=NOW)
        monkeypatch.undo()
        provider_books.read_bank(now=NOW)
        assert (came(), bank.waiting()) == ([("1.xml", "applied", "")], [])
        assert ProviderEntry.objects.count() == 1

    def test_a_payout_that_a_restored_database_forgot_stops_all_sending(self, bank: Bank) -> None:
        forgotten = f"pay.{ids.new_id('pay').partition('_')[2]}-1"
        leave(bank, "1.xml", statement(entry("10.00", side="DBIT", reference="B1", e2e=forgotten), closing="0.00"))
        provider_books.read_bank(now=NOW)
        assert (SendingLatch.objects.get().is_open, world.open_items()[0]) == (False, "unknown_debit")
        paid_run(bank, ("Ada", GOOD, 20_000))
        we_send(NOW + HOUR)
        assert (statuses(), BankFile.objects.count()) == (["ready"], 0)

    def test_a_part_of_accounts_that_are_not_ours_is_left_out(self, bank: Bank) -> None:
        mine = statement(entry("10.00", reference="B1"), closing="10.00").decode()
        other = (
            mine.split("<Stmt>")[1].split("</Stmt>")[0].replace(world.OURS, "NL14MOCK0000000002").replace("B1", "X1")
        )
        leave(bank, "1.xml", mine.replace("</Stmt>", f"</Stmt><Stmt>{other}</Stmt>").encode())
        provider_books.read_bank(now=NOW)
        assert list(ProviderEntry.objects.values_list("reference", flat=True)) == ["B1"]
        assert "1 other" in BankMessage.objects.get().detail

    def test_a_second_copy_refused_transfer_by_transfer_proves_nothing_of_the_first(self, bank: Bank) -> None:
        paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        file = BankFile.objects.get()
        e2e = file.transfers.get().end_to_end_id
        leave(bank, "1.xml", report("RJCT", original=file.message_id, transfers=transfer(e2e, "RJCT", "AM05")))
        provider_books.read_bank(now=NOW)
        we_send(NOW + HOUR)
        assert statuses() == ["in_transit"]
        bank.read_our_files()
        we_collect(NOW + 2 * HOUR)
        assert (statuses(), len(bank.movements())) == (["paid"], 1)

    def test_a_late_refusal_after_acceptance_fails_the_payout_and_a_later_acceptance_does_not_revive_it(
        self, bank: Bank
    ) -> None:
        paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        for path in bank.out.glob("*.xml"):
            path.unlink()
        file = BankFile.objects.get()
        e2e = file.transfers.get().end_to_end_id
        for number, (status, reason) in enumerate([("ACTC", ""), ("RJCT", "AC04"), ("ACSP", "")]):
            transfers = transfer(e2e, status, reason)
            leave(bank, f"{number}.xml", report("", original=file.message_id, reason=str(number), transfers=transfers))
            content = (bank.into / f"{number}.xml").read_bytes()
            leave(bank, f"{number}.xml", content.replace(b"<MsgId>P2", f"<MsgId>P2{number}".encode()))
            we_collect(NOW + HOUR)
        assert (statuses(), world.transfers()) == (["failed"], ["rejected"])

    def test_a_payout_that_was_refused_and_then_booked_is_put_before_people(self, bank: Bank) -> None:
        paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        file = BankFile.objects.get()
        e2e = file.transfers.get().end_to_end_id
        leave(bank, "0.xml", report("", original=file.message_id, transfers=transfer(e2e, "RJCT", "AC04")))
        we_collect(NOW + HOUR)
        assert statuses() == ["failed"]
        bank.read_our_files()  # the bank executes it all the same
        we_collect(NOW + 2 * HOUR)
        assert (statuses(), world.open_items()) == (["failed"], ["conflict"])
