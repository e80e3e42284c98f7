"""Nobody at the desk judges the work of two rivals within a cooling-off."""

from __future__ import annotations

import datetime as dt

import pytest

from core.public import User
from marketplace.models import Exposure
from marketplace.operations import conflicts
from marketplace.operations.exposures import RivalSeen
from tasks.models import Review, Submission
from tasks.operations import reviews
from tests.marketplace.world import platform
from tests.tasks.world import NOW, Desk, make_batch, make_desk, make_staff, make_worker, rubric_body

pytestmark = pytest.mark.django_db
COOLING_OFF = dt.timedelta(days=30)


@pytest.fixture
def ours() -> Desk:
    return make_desk("Ours")


@pytest.fixture
def rival(ours: Desk) -> Desk:
    desk = make_desk("Rival")
    with platform():
        conflicts.declare(
            one=ours.lab.tenant, other=desk.lab.tenant, starts_on=NOW.date(), cooling_off_days=COOLING_OFF.days
        )
    return desk


def finished(desk: Desk, email: str) -> str:
    """A submission under review."""
    make_batch(desk)
    return make_worker(desk, email).do(rubric_body())


def accept(work_id: str, by: User, *, now: dt.datetime = NOW) -> None:
    """The platform's decision."""
    with platform():
        work = Submission.objects.get(public_id=work_id)
        reviews.decide(submission=work, outcome="accept", side="platform", decided_by=by, now=now)


def test_who_has_judged_one_labs_work_judges_no_rivals_until_it_is_forgotten(ours: Desk, rival: Desk) -> None:
    olga, otto = make_staff(), make_staff("otto@example.org")
    first, second = finished(ours, "ada@example.org"), finished(rival, "bob@example.org")
    accept(first, olga)
    with pytest.raises(RivalSeen):
        accept(second, olga, now=NOW + COOLING_OFF - dt.timedelta(seconds=1))
    with platform():
        assert Submission.objects.get(public_id=second).status == "submitted"
        assert Review.objects.count() == 1
        assert list(Exposure.objects.filter(user=olga).values_list("tenant_seen", flat=True)) == [ours.lab.tenant_id]
    accept(second, otto)
    with platform(), pytest.raises(RivalSeen):
        reviews.decide(
            submission=Submission.objects.get(public_id=finished(ours, "eve@example.org")),
            outcome="accept",
            side="platform",
            decided_by=otto,
            now=NOW,
        )


def test_after_the_cooling_off_and_for_labs_that_do_not_compete_nothing_is_refused(ours: Desk, rival: Desk) -> None:
    olga, other = make_staff(), make_desk("Other")
    accept(finished(ours, "ada@example.org"), olga)
    accept(finished(ours, "eve@example.org"), olga)
    accept(finished(other, "zoe@example.org"), olga)
    accept(finished(rival, "bob@example.org"), olga, now=NOW + COOLING_OFF)
    with platform():
        assert Exposure.objects.filter(user=olga).count() == 3


def test_what_an_expert_at_the_desk_saw_as_an_expert_counts_too(ours: Desk, rival: Desk) -> None:
    worker = make_worker(ours, "ada@example.org")
    with platform():
        User.objects.filter(pk=worker.expert.user_id).update(is_staff=True)
    work_id = finished(rival, "bob@example.org")
    with pytest.raises(RivalSeen):
        accept(work_id, User.objects.get(pk=worker.expert.user_id))
