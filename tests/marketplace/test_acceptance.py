"""Accepting an offer: everything holds, or nothing happened."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from core.problems import InvalidInput
from core.public import Event, unit_of_work
from core.states import InvalidTransition
from experts.models import Signature
from experts.operations import agreements
from marketplace import rivals
from marketplace.models import ConflictEdge, Contract, Exposure, Lab, Offer, Opening, RateSnapshot
from marketplace.operations import acceptance, contracts, instructions, offers, openings
from marketplace.operations.acceptance import OfferExpired, TypedName
from marketplace.operations.constraints import NotEligible
from marketplace.operations.openings import NotHiring, OpeningFull
from marketplace.operations.permits import AgreementRequired
from marketplace.ports import InsufficientFunds
from tests.marketplace.world import (
    NOW,
    again,
    balance,
    expert_principal,
    fund,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
    signatures_for,
)

DAY = dt.timedelta(days=1)


def accept(offer: Offer, signatures: list[TypedName], *, now: dt.datetime = NOW) -> Contract:
    """As the expert himself, with his reach and no more."""
    with platform():
        lab, expert = Lab.objects.get(tenant_id=offer.tenant_id), offer.expert
    with unit_of_work(expert_principal(expert, lab)):
        mine = Offer.objects.visible_to(expert_principal(expert, lab)).get(pk=offer.pk)
        return acceptance.accept(offer=mine, signatures=signatures, now=now, ip="192.0.2.7", user_agent="tests")


def nothing_happened(offer: Offer) -> None:
    with platform():
        assert Offer.objects.get(pk=offer.pk).status == Offer.Status.EXTENDED
        assert Opening.objects.get(pk=offer.opening_id).seats_taken == 0
        assert not Contract.objects.exists()
        assert not RateSnapshot.objects.exists()
        assert not Signature.objects.exists()
        assert not Exposure.objects.exists()
        assert not Event.objects.filter(name__in=("offer.accepted", "contract.created")).exists()


@pytest.fixture
def offer(db: None) -> Offer:
    return make_offer(make_opening(make_project(make_lab())), make_expert())


def test_accepting_signs_freezes_seats_and_reserves(offer: Offer) -> None:
    contract = accept(offer, signatures_for(offer))
    with platform():
        contract.refresh_from_db()
        assert contract.status == Contract.Status.ACTIVE
        assert contract.activated_at == NOW
        snapshot = contract.snapshots.get()
        # Tier expert 110.00 × medicine 1.3; a week of 10 h twice, with 30 % fee.
        assert (snapshot.rate_minor, snapshot.currency, snapshot.fee_bp) == (14_300, "USD", 3000)
        assert (snapshot.valid.lower, snapshot.valid.upper) == (NOW, None)
        assert (snapshot.week_cap_seconds, snapshot.holdback_bp) == (36_000, 0)
        assert balance(Lab.objects.get(tenant_id=offer.tenant_id)).reserved_minor == 2 * (143_000 + 42_900)
        assert Opening.objects.get(pk=offer.opening_id).seats_taken == 1
        signed = Signature.objects.order_by("pk")
        assert {row.agreement_version.agreement.code for row in signed} == {"expert-terms", "lab-nda"}
        assert {(row.ip, row.subject) for row in signed} == {("192.0.2.7", offer.public_id)}
        assert Exposure.objects.get().subject == contract.public_id
        names = set(Event.objects.filter(tenant_id=offer.tenant_id).values_list("name", flat=True))
        assert {"offer.accepted", "contract.created", "contract.activated"} <= names


def test_without_every_signature_nothing_happens(offer: Offer) -> None:
    with pytest.raises(AgreementRequired) as refused:
        accept(offer, signatures_for(offer)[:1])
    assert len(refused.value.extra["agreement_versions"]) == 1
    nothing_happened(offer)


def test_a_wrong_name_points_to_its_signature(offer: Offer) -> None:
    signatures = signatures_for(offer)
    signatures[1] = TypedName(signatures[1].agreement_version, "Somebody Else")
    with pytest.raises(agreements.NameMismatch) as refused:
        accept(offer, signatures)
    assert [error.pointer for error in refused.value.errors] == ["/signatures/1/typed_name"]
    nothing_happened(offer)


def test_a_document_that_the_offer_does_not_list_is_refused(offer: Offer) -> None:
    stranger = TypedName("agv_01k9w3v6z8f2qr5t4h7xnm0ceg", "Ada Lovelace")
    with pytest.raises(InvalidInput) as refused:
        accept(offer, [*signatures_for(offer), stranger])
    assert [error.pointer for error in refused.value.errors] == ["/signatures/2/agreement_version"]
    nothing_happened(offer)


def test_without_the_labs_money_nothing_happens(db: None) -> None:
    lab = make_lab(funds=371_799)
    offer = make_offer(make_opening(make_project(lab)), make_expert())
    with pytest.raises(InsufficientFunds):
        accept(offer, signatures_for(offer))
    nothing_happened(offer)
    assert balance(lab).available_minor == 371_799
    fund(lab, 1)
    accept(offer, signatures_for(offer))
    assert (balance(lab).available_minor, balance(lab).reserved_minor) == (0, 371_800)


def test_an_offer_expires_on_the_dot(offer: Offer) -> None:
    with pytest.raises(OfferExpired):
        accept(offer, signatures_for(offer), now=offer.expires_at)
    nothing_happened(offer)
    accept(offer, signatures_for(offer), now=offer.expires_at - dt.timedelta(seconds=1))


@pytest.mark.parametrize("verb", [offers.withdraw, offers.decline])
def test_what_was_withdrawn_or_declined_cannot_be_accepted(offer: Offer, verb: Any) -> None:
    signatures = signatures_for(offer)
    with platform():
        verb(offer=offer, now=NOW)
    with pytest.raises(InvalidTransition):
        accept(offer, signatures)
    with platform():
        assert not Contract.objects.exists()


def test_an_offer_is_accepted_once(offer: Offer) -> None:
    signatures = signatures_for(offer)
    accept(offer, signatures)
    with pytest.raises(InvalidTransition):
        accept(offer, signatures)
    with platform():
        assert Contract.objects.count() == 1
        assert Opening.objects.get(pk=offer.opening_id).seats_taken == 1


def test_a_paused_opening_takes_nobody(offer: Offer) -> None:
    with platform():
        openings.pause(opening=offer.opening, now=NOW)
    with pytest.raises(NotHiring):
        accept(offer, signatures_for(offer))
    nothing_happened(offer)


def test_requirements_are_checked_again(offer: Offer) -> None:
    with platform():
        opening = openings.lock(offer.opening)
        openings.update(opening=opening, requirement={"domain": "medicine.cardiology", "languages": ["de"]}, now=NOW)
    with pytest.raises(NotEligible) as refused:
        accept(offer, signatures_for(offer))
    assert refused.value.extra["reasons"] == [{"code": "language_missing", "needed": "de", "has": "en"}]
    nothing_happened(offer)


def test_the_last_seat_fills_the_opening_and_giving_it_up_reopens_it(db: None) -> None:
    opening = make_opening(make_project(make_lab()), seats=1)
    second = make_offer(opening, make_expert("grace@example.org"))
    contract = make_contract(opening, make_expert())
    assert again(opening).status == Opening.Status.FILLED
    with pytest.raises(OpeningFull):
        accept(second, signatures_for(second))
    with platform():
        contracts.leave(contract=contract, now=NOW)
    assert (again(opening).status, again(opening).seats_taken) == (Opening.Status.OPEN, 0)
    accept(second, signatures_for(second))


class TestRivals:
    """Whoever saw one side's work is kept from the other until the cooling-off is over."""

    @pytest.fixture
    def labs(self, db: None) -> tuple[Lab, Lab]:
        ours, rival = make_lab("Ours"), make_lab("Rival")
        low, high = sorted((ours.tenant_id, rival.tenant_id))
        with platform():
            ConflictEdge.objects.create(
                tenant_low_id=low, tenant_high_id=high, starts_on=NOW.date() - DAY, cooling_off_days=90
            )
        return ours, rival

    def test_a_contract_walls_the_rival_off_until_the_cooling_off_ends(self, labs: tuple[Lab, Lab]) -> None:
        ours, rival = labs
        expert = make_expert()
        offer = make_offer(make_opening(make_project(rival)), expert, stands_for=365 * DAY)
        contract = make_contract(make_opening(make_project(ours)), expert)
        with pytest.raises(NotEligible) as refused:
            accept(offer, signatures_for(offer))
        assert refused.value.extra["reasons"] == [{"code": "conflict_wall", "needed": "", "has": ""}]
        with platform():
            contracts.leave(contract=contract, now=NOW)
        with pytest.raises(NotEligible):
            accept(offer, signatures_for(offer), now=NOW + 90 * DAY - dt.timedelta(seconds=1))
        accept(offer, signatures_for(offer), now=NOW + 90 * DAY)

    def test_an_edge_that_ended_walls_nobody(self, labs: tuple[Lab, Lab]) -> None:
        ours, rival = labs
        expert = make_expert()
        make_contract(make_opening(make_project(ours)), expert)
        with platform():
            assert rivals.walled_tenants(expert_id=expert.pk, now=NOW) == {rival.tenant_id}
            ConflictEdge.objects.update(ends_on=NOW.date())
            assert rivals.walled_tenants(expert_id=expert.pk, now=NOW) == {rival.tenant_id}
            assert rivals.walled_tenants(expert_id=expert.pk, now=NOW + DAY) == set()
        make_contract(make_opening(make_project(rival)), expert, now=NOW + DAY)


def test_a_contract_waits_for_its_instructions(db: None) -> None:
    project = make_project(make_lab())
    with platform():
        version = instructions.publish(project=project, body="# Read me", now=NOW)
    contract = make_contract(make_opening(project), make_expert())
    assert contract.status == Contract.Status.ONBOARDING
    with platform():
        instructions.acknowledge(contract=contract, version_id=version.public_id, now=NOW + DAY)
    assert (again(contract).status, again(contract).activated_at) == (Contract.Status.ACTIVE, NOW + DAY)


class TestFrozenRates:
    """What was promised cannot be rewritten, by whatever means."""

    @pytest.mark.parametrize("change", ["rate_minor = 1", "valid = 'empty'", "fee_bp = fee_bp + 1"])
    def test_a_snapshot_does_not_change(self, db: None, change: str) -> None:
        make_contract(make_opening(make_project(make_lab())), make_expert())
        with platform(), connection.cursor() as cursor, pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute(f"UPDATE marketplace_ratesnapshot SET {change}")

    def test_a_snapshot_cannot_be_deleted_but_may_end(self, db: None) -> None:
        make_contract(make_opening(make_project(make_lab())), make_expert())
        with platform(), connection.cursor() as cursor:
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute("DELETE FROM marketplace_ratesnapshot")
            cursor.execute("UPDATE marketplace_ratesnapshot SET valid = tstzrange(lower(valid), %s)", [NOW + DAY])
            assert cursor.rowcount == 1
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute("UPDATE marketplace_ratesnapshot SET valid = tstzrange(lower(valid), NULL)")


@pytest.mark.django_db(transaction=True)
def test_thirty_two_experts_racing_for_five_seats_fill_exactly_five() -> None:
    """The race ends with real transactions: every one of the others is told that it is full."""
    lab = make_lab()
    opening = make_opening(make_project(lab), seats=5)
    ready = [make_offer(opening, make_expert(f"expert{n}@example.org")) for n in range(32)]
    signatures = {offer.pk: signatures_for(offer) for offer in ready}
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def race(mine: list[Offer]) -> None:
        try:
            start.wait(timeout=30)
            for offer in mine:
                try:
                    accept(offer, signatures[offer.pk])
                    outcomes.append("seated")
                except OpeningFull:
                    outcomes.append("full")
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(ready[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sorted(outcomes) == ["full"] * 27 + ["seated"] * 5
    with platform():
        now_is = Opening.objects.get(pk=opening.pk)
        assert (now_is.seats_taken, now_is.status) == (5, Opening.Status.FILLED)
        assert Contract.objects.count() == 5
        assert Offer.objects.filter(status=Offer.Status.EXTENDED).count() == 27
        assert Signature.objects.count() == 10
    assert balance(lab).reserved_minor == 5 * 371_800
