"""The operators' pages of this floor: the review queue with its three acts, and nothing editable."""

from __future__ import annotations

import pytest

from core import clock
from core.public import User
from experts.models import Decision
from tasks.models import Review, Rubric, Submission
from tests import browser
from tests.experts.test_desk import Desk as Operator
from tests.marketplace.world import again, platform
from tests.tasks.world import (
    NOW,
    authoring,
    grading,
    make_batch,
    make_desk,
    make_rubric,
    make_staff,
    make_worker,
    rubric_body,
    submission,
    task_of,
    trial_grades,
)

pytestmark = pytest.mark.django_db
ADMIN = "/admin/tasks"
MODELS = (
    "submission",
    "task",
    "batch",
    "claim",
    "review",
    "rubric",
    "delivery",
    "storedfile",
    "adjudication",
    "taskreport",
)
VIEWS = [f"view_{model}" for model in MODELS]


class Tasks(Operator):
    """A member of staff with a second factor, on this floor's pages."""

    def act(self, model: str, action: str, pk: int, **fields: str) -> str:
        """Choose an action for one row; what the page says afterwards."""
        body = {"action": action, "_selected_action": [pk], **fields}
        answer = browser.press(self.client, f"{ADMIN}/{model}/", body, follow=True)
        found: str = answer.content.decode()
        return found


@pytest.fixture
def staff() -> User:
    return make_staff()


@pytest.fixture
def reviewer(staff: User) -> Tasks:
    return Tasks(staff, *VIEWS, "review_submission")


def handed_in() -> Submission:
    desk = make_desk()
    holder = make_worker(desk, "holder@example.org")
    make_batch(desk)
    return submission(holder.do(rubric_body()))


def test_a_reviewer_reads_confirms_and_accepts(reviewer: Tasks, staff: User) -> None:
    work = handed_in()
    assert "Work to review" in reviewer.client.get("/admin/").content.decode()
    listed = reviewer.client.get(f"{ADMIN}/submission/?awaits=platform").content.decode()
    assert work.public_id in listed
    page = reviewer.client.get(f"{ADMIN}/submission/{work.pk}/change/").content.decode()
    assert "Names the risk of bleeding as the reason to ask." in page
    assert "holder@example.org" not in page
    asked = reviewer.act("submission", "accept", work.pk)
    assert "This concerns 1 submission" in asked
    assert again(work).status == "submitted"
    reviewer.act("submission", "accept", work.pk, confirmed="yes")
    done = submission(work.public_id)
    assert (done.status, done.is_final, done.decided_by_id) == ("accepted", True, staff.pk)
    assert work.public_id not in reviewer.client.get(f"{ADMIN}/submission/?awaits=platform").content.decode()


def test_a_rejection_needs_words_and_becomes_a_decision(reviewer: Tasks) -> None:
    work = handed_in()
    reviewer.act("submission", "reject", work.pk, confirmed="yes", choice="low_effort", reason="")
    assert submission(work.public_id).status == "submitted"
    reviewer.act("submission", "reject", work.pk, confirmed="yes", choice="low_effort", reason="Four lines.")
    assert submission(work.public_id).status == "rejected"
    with platform():
        assert Decision.objects.get().explanation == "Four lines."


def test_rework_is_asked_for(reviewer: Tasks) -> None:
    work = handed_in()
    reviewer.act("submission", "request_rework", work.pk, confirmed="yes", choice="incomplete", reason="More.")
    assert submission(work.public_id).status == "rework_requested"
    told = reviewer.act("submission", "accept", work.pk, confirmed="yes")
    assert "not under review" in told


def test_a_crafted_post_does_nothing_without_the_permission(staff: User) -> None:
    work = handed_in()
    Tasks(staff, *VIEWS).act("submission", "accept", work.pk, confirmed="yes")
    assert submission(work.public_id).status == "submitted"
    with platform():
        assert not Review.objects.exists()


def test_nobody_accepts_his_own_by_a_crafted_post() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    work = submission(worker.do(rubric_body()))
    user = worker.expert.user
    user.is_staff = True
    user.save()
    told = Tasks(user, *VIEWS, "review_submission").act("submission", "accept", work.pk, confirmed="yes")
    assert "somebody else has to decide" in told
    assert submission(work.public_id).status == "submitted"


def test_every_page_opens_and_nothing_is_editable(reviewer: Tasks) -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk, [authoring(samples=True)], overlap=2)
    make_batch(desk, [grading(make_rubric(desk))])
    work = submission(ada.do(rubric_body(samples=True)))
    bob.do({"grades": trial_grades(verdict=False)})
    with platform():
        rubric = Rubric.objects.get(submission=work)
    for model in MODELS:
        assert reviewer.client.get(f"{ADMIN}/{model}/").status_code == 200, model
    for path in (f"submission/{work.pk}", f"task/{task_of(batch).pk}", f"batch/{batch.pk}", f"rubric/{rubric.pk}"):
        page = reviewer.client.get(f"{ADMIN}/{path}/change/")
        assert page.status_code == 200, path
        assert 'name="_save"' not in page.content.decode()
        assert reviewer.client.post(f"{ADMIN}/{path}/change/", {"status": "accepted"}).status_code == 403
        assert reviewer.client.post(f"{ADMIN}/{path}/delete/", {"post": "yes"}).status_code == 403
    with clock.frozen(NOW):
        assert submission(work.public_id).status == "submitted"
