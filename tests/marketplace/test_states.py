"""Every arrow of every state table can be walked, and nothing else can."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core import clock, outbox, states
from core.problems import InvalidInput
from core.public import Event, User
from core.unit_of_work import unit_of_work
from experts.models import Decision, Notice
from experts.operations import appeals, restrictions
from marketplace import jobs, ports
from marketplace.models import Application, Contract, Offer, Opening, OpeningListing, Project
from marketplace.operations import (
    applications,
    closing,
    conflicts,
    contracts,
    offers,
    openings,
    permits,
    projects,
)
from marketplace.operations.contracts import EndReasonReserved
from marketplace.operations.projects import ProjectInUse
from tests.marketplace.test_acceptance import accept
from tests.marketplace.world import (
    NOW,
    admin_of,
    again,
    expert_principal,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
    signatures_for,
)

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def apply_for(opening: Opening, email: str = "ada@example.org") -> Application:
    """An application by a new expert."""
    expert = make_expert(email)
    with platform():
        listing = OpeningListing.objects.get(opening_public_id=opening.public_id)
    with unit_of_work(expert_principal(expert)):
        return applications.submit(listing=listing, expert=expert, now=NOW)


class TestProjects:
    """draft → calibration → active ⇄ paused → winding_down → completed; cancelled."""

    def test_through_calibration_and_a_break_to_its_end(self) -> None:
        lab = make_lab()
        project = make_project(lab, launched=False)
        with platform():
            assert projects.launch(project=project, calibration=True, now=NOW).status == "calibration"
            assert projects.launch(project=project, now=NOW).status == "active"
            assert projects.pause(project=project, now=NOW).status == "paused"
            assert projects.resume(project=project, now=NOW).status == "active"
            with pytest.raises(states.InvalidTransition):
                projects.resume(project=project, now=NOW)
            with pytest.raises(states.InvalidTransition):
                projects.launch(project=project, calibration=True, now=NOW)

    def test_a_project_completes_when_nothing_is_open_any_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class StillOpen:
            """Something above is open."""

            def blockers(self, *, project: Project) -> list[str]:
                """One thing."""
                return ["A pay run is under way."]

        lab = make_lab()
        project = make_project(lab)
        contract = make_contract(make_opening(project), make_expert())
        with platform():
            Project.objects.filter(pk=project.pk).update(status=Project.Status.WINDING_DOWN)
            contracts.end_with_project(contract=contract, now=NOW)
            assert projects.complete_due(now=NOW) == 0
            assert contracts.finish_due(now=NOW + 7 * DAY) == 1
            assert projects.blockers(project=project) == []
            with monkeypatch.context() as patch:
                patch.setattr(ports.completion, "_answers", [*ports.completion._answers, StillOpen()])
                assert projects.complete_due(now=NOW + 7 * DAY) == 0
            assert projects.complete_due(now=NOW + 7 * DAY) == 1
        assert again(project).status == Project.Status.COMPLETED

    def test_nobody_engaged_is_dropped_by_cancelling(self) -> None:
        project = make_project(make_lab())
        opening = make_opening(project)
        offer = make_offer(opening, make_expert("b@example.org"))
        contract = make_contract(opening, make_expert())
        with platform():
            with pytest.raises(ProjectInUse):
                projects.cancel(project=project, now=NOW)
            assert again(offer).status == Offer.Status.EXTENDED
            contracts.leave(contract=contract, now=NOW)
            assert projects.cancel(project=project, now=NOW).status == "cancelled"
        assert again(offer).status == Offer.Status.WITHDRAWN
        assert again(opening).status == Opening.Status.CLOSED


class TestOpenings:
    """draft → open ⇄ paused; filled → open; closed."""

    def test_there_and_back_and_closed_for_good(self) -> None:
        opening = make_opening(make_project(make_lab()), is_open=False)
        with platform():
            assert not OpeningListing.objects.exists()
            openings.open_(opening=opening, now=NOW)
            assert OpeningListing.objects.get().opening_public_id == opening.public_id
            openings.pause(opening=opening, now=NOW)
            assert not OpeningListing.objects.exists()
            openings.open_(opening=opening, now=NOW)
            closing.close_opening(opening=opening, now=NOW)
            with pytest.raises(states.InvalidTransition):
                openings.open_(opening=opening, now=NOW)

    def test_a_draft_project_opens_nothing(self) -> None:
        opening = make_opening(make_project(make_lab(), launched=False), is_open=False)
        with platform(), pytest.raises(openings.NotHiring):
            openings.open_(opening=opening, now=NOW)
        assert again(opening).status == Opening.Status.DRAFT

    def test_more_seats_reopen_and_fewer_fill(self) -> None:
        opening = make_opening(make_project(make_lab()), seats=1)
        make_contract(opening, make_expert())
        with platform():
            assert again(opening).status == Opening.Status.FILLED
            assert openings.update(opening=opening, seats=2, now=NOW).status == Opening.Status.OPEN
            assert openings.update(opening=opening, seats=1, now=NOW).status == Opening.Status.FILLED
            with pytest.raises(InvalidInput):
                openings.update(opening=opening, seats=0, now=NOW)

    def test_postgresql_refuses_a_seat_too_many(self) -> None:
        opening = make_opening(make_project(make_lab()), seats=1)
        with platform(), pytest.raises(IntegrityError, match="marketplace_opening_seats"), transaction.atomic():
            Opening.objects.filter(pk=opening.pk).update(seats_taken=2)


class TestApplications:
    """submitted → in_review → (waitlisted) → offered | rejected | withdrawn."""

    def test_reviewed_waitlisted_and_offered(self) -> None:
        application = apply_for(make_opening(make_project(make_lab())))
        with platform():
            applications.start_review(application=application, now=NOW)
            applications.waitlist(application=application, now=NOW)
            assert Notice.objects.filter(kind="application.waitlisted", expert=application.expert).count() == 1
            offer = make_offer(application.opening, application.expert, application=application)
            assert again(application).status == "offered"
            with pytest.raises(states.InvalidTransition):
                applications.withdraw(application=application, now=NOW)
            offers.decline(offer=offer, now=NOW)
        assert again(application).status == Application.Status.WITHDRAWN

    def test_an_offer_that_ran_out_puts_it_back_in_review(self) -> None:
        application = apply_for(make_opening(make_project(make_lab())))
        offer = make_offer(application.opening, application.expert, application=application)
        with platform():
            assert offers.expire_due(now=offer.expires_at - dt.timedelta(seconds=1)) == 0
            with clock.frozen(offer.expires_at):
                jobs.expire_offers()
                jobs.expire_offers()
            assert Event.objects.filter(name="offer.expired").count() == 1
        assert again(offer).status == Offer.Status.EXPIRED
        assert again(application).status == Application.Status.IN_REVIEW

    def test_an_appeal_that_succeeds_puts_a_rejection_back_in_review(self) -> None:
        lab = make_lab()
        application = apply_for(make_opening(make_project(lab)))
        with platform():
            applications.reject(
                application=application, decided_by=admin_of(lab), reason_code="other", explanation="No.", now=NOW
            )
            decision = Decision.objects.get(subject=application.public_id)
            assert decision.evidence == {"failing_requirements": []}
            assert (decision.decided_by, decision.tenant_id) == (admin_of(lab), lab.tenant_id)
        win_appeal(application.expert, application.public_id)
        assert again(application).status == Application.Status.IN_REVIEW


def win_appeal(expert: Any, subject: str) -> None:
    """Contest, be told right by somebody else, and have the news delivered."""
    judge = User.objects.create_user("judge@example.org", is_staff=True)
    with platform():
        appeal = appeals.file_appeal(expert=expert, subject=subject, reason="I was right.", now=NOW)
        appeals.decide(appeal=appeal, outcome="overturned", note="He was.", by=judge, now=NOW)
        pending = list(Event.objects.filter(name="appeal.decided").values_list("pk", flat=True))
        assert len(pending) == 1
    outbox.drain(now=NOW)


class TestContracts:
    """onboarding → active ⇄ paused → ending → ended."""

    def make(self) -> tuple[Contract, User]:
        lab = make_lab()
        return make_contract(make_opening(make_project(lab)), make_expert()), admin_of(lab)

    def test_a_pause_stops_new_work_and_is_a_decision(self) -> None:
        contract, admin = self.make()
        with platform():
            permits.require_active_contract(contract=again(contract))
            contracts.pause(contract=contract, decided_by=admin, reason_code="quality", explanation="So.", now=NOW)
            with pytest.raises(permits.ContractNotActive) as refused:
                permits.require_active_contract(contract=again(contract))
            assert refused.value.extra == {"contract_status": "paused", "project_status": "active"}
            assert Decision.objects.get(subject=contract.public_id).act == "pause_contract"
            contracts.resume(contract=contract, now=NOW)
            permits.require_active_contract(contract=again(contract))

    def test_the_notice_runs_and_can_be_taken_back(self) -> None:
        contract, admin = self.make()
        end = partial(contracts.end, decided_by=admin, reason="performance", explanation="So.", now=NOW)
        with platform():
            assert end(contract=contract).status == Contract.Status.ENDING
            assert contracts.finish_due(now=NOW + 7 * DAY - dt.timedelta(seconds=1)) == 0
            assert contracts.resume(contract=contract, now=NOW).end_reason == ""
            end(contract=contract)
            assert contracts.finish_due(now=NOW + 7 * DAY) == 1
            assert contracts.finish_due(now=NOW + 7 * DAY) == 0
            assert Event.objects.filter(name="contract.ended").count() == 1
        assert again(contract).ended_at == NOW + 7 * DAY

    def test_a_violation_ends_at_once_and_some_reasons_are_not_the_labs(self) -> None:
        contract, admin = self.make()
        with platform():
            for reason in ("expert_left", "project_ended"):
                with pytest.raises(EndReasonReserved):
                    contracts.end(contract=contract, decided_by=admin, reason=reason, explanation="So.", now=NOW)
            ended = contracts.end(
                contract=contract, decided_by=admin, reason="policy_violation", explanation="So.", now=NOW
            )
        assert (ended.status, ended.ended_at) == (Contract.Status.ENDED, NOW)

    def test_an_appeal_that_succeeds_gives_access_back(self) -> None:
        contract, admin = self.make()
        with platform():
            contracts.pause(contract=contract, decided_by=admin, reason_code="quality", explanation="So.", now=NOW)
        win_appeal(contract.expert, contract.public_id)
        assert again(contract).status == Contract.Status.ACTIVE

    def test_an_appeal_against_an_end_that_is_over_brings_a_new_offer(self) -> None:
        contract, admin = self.make()
        with platform():
            contracts.end(contract=contract, decided_by=admin, reason="policy_violation", explanation="So.", now=NOW)
        win_appeal(contract.expert, contract.public_id)
        with platform():
            offer = Offer.objects.get(status=Offer.Status.EXTENDED)
            assert (offer.expert_id, offer.opening_id) == (contract.expert_id, contract.opening_id)
        assert again(contract).status == Contract.Status.ENDED
        assert accept(offer, signatures_for(offer)).status == Contract.Status.ACTIVE

    def test_an_onboarding_contract_is_not_resumed_into_work(self) -> None:
        contract, _ = self.make()
        with platform():
            Contract.objects.filter(pk=contract.pk).update(status=Contract.Status.ONBOARDING)
            with pytest.raises(states.InvalidTransition):
                contracts.resume(contract=contract, now=NOW)

    def test_a_restriction_stops_new_work_and_not_the_contract(self) -> None:
        contract, _ = self.make()
        with platform():
            permits.require_new_work(contract=again(contract), now=NOW)
            staff = User.objects.create_user("staff@example.org", is_staff=True)
            restrictions.impose(expert=contract.expert, kind="no_new_claims", reason="Wait.", by=staff, now=NOW)
            with pytest.raises(permits.NewWorkRefused) as refused:
                permits.require_new_work(contract=again(contract), now=NOW)
            assert refused.value.extra == {"reason": "restricted"}
            permits.require_active_contract(contract=again(contract))

    def test_an_edge_declared_later_stops_new_work_of_both_sides(self) -> None:
        ours, rival, ada = make_lab("Ours"), make_lab("Rival"), make_expert()
        held = [make_contract(make_opening(make_project(lab)), ada) for lab in (ours, rival)]
        with platform():
            for contract in held:
                permits.require_new_work(contract=again(contract), now=NOW)
            conflicts.declare(one=rival.tenant, other=ours.tenant, starts_on=NOW.date(), cooling_off_days=30)
            for contract in held:
                with pytest.raises(permits.NewWorkRefused) as refused:
                    permits.require_new_work(contract=again(contract), now=NOW)
                assert refused.value.extra == {"reason": "conflict_wall"}

    def test_a_paused_project_begins_no_work(self) -> None:
        contract, _ = self.make()
        with platform():
            projects.pause(project=contract.project, now=NOW)
            with pytest.raises(permits.ContractNotActive):
                permits.require_active_contract(contract=again(contract))


@pytest.mark.parametrize("job", [jobs.expire_offers, jobs.finish_contracts, jobs.complete_projects])
def test_every_job_may_find_nothing_to_do(job: Callable[[], None]) -> None:
    job()
    with platform():
        assert not Event.objects.exists()
