"""From a project to a contract, over HTTP, as a lab and an expert go through it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock, ids, long_work
from core.money import Money
from core.principal import Principal
from core.public import Operation
from experts.public import Expert
from marketplace.models import Exposure, Lab, LabExpert, OpeningListing
from payments.operations.labs import funding
from tests.core.api.conftest import Caller, pointers, problem
from tests.marketplace.world import (
    NOW,
    admin_of,
    balance,
    expert_caller,
    lab_caller,
    make_expert,
    make_lab,
    platform,
    sandbox_caller,
)

V1 = "/api/v1"
PROJECT: dict[str, Any] = {
    "name": "Cardiology rubrics",
    "alias": "Heart",
    "task_types": ["rubric_authoring"],
    "review_policy": "platform",
    "currency": "USD",
    "weekly_budget": {"amount": "20000.00", "currency": "USD"},
    "ai_assistance": "disclosed",
    "pay_policy": {"meeting": {"pay": "unpaid"}, "instructions": {"pay": "capped", "cap": "PT30M"}},
    "external_id": "R-17",
    "metadata": {"cost_centre": "9"},
}
OPENING: dict[str, Any] = {
    "title": "Cardiologist",
    "seats": 2,
    "requirement": {"domain": "medicine.cardiology", "min_level": 3, "languages": ["en"]},
    "tier": "expert",
    "weekly_cap": "PT10H",
    "daily_cap": "PT3H30M",
    "rate_ceiling": {"amount": "150.00", "currency": "USD", "per": "hour"},
}


LAB_LISTS = [
    f"{V1}/projects",
    f"{V1}/projects/{{project}}/openings",
    f"{V1}/applications",
    f"{V1}/offers",
    f"{V1}/contracts",
    f"{V1}/events",
    f"{V1}/lab/members",
    f"{V1}/rate-cards",
]
EXPERT_LISTS = [f"{V1}/expert/{noun}" for noun in ("openings", "applications", "offers", "contracts")]


def ok(response: Any, status: int = 200) -> Any:
    """The body of a success."""
    assert response.status_code == status, response.content
    return response.json() if status != 204 else None


def run_long_work() -> None:
    """What a worker would do, in this test's transaction."""
    for pk in Operation.objects.filter(finished_at=None).values_list("pk", flat=True):
        long_work.run(pk, now=clock.now())


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def lab(db: None) -> Lab:
    return make_lab()


@pytest.fixture
def api(lab: Lab) -> Caller:
    return lab_caller(lab)


@pytest.fixture
def opening(api: Caller) -> Any:
    project = ok(api("POST", f"{V1}/projects", PROJECT), 201)
    ok(api("POST", f"{V1}/projects/{project['id']}/launch"))
    made = ok(api("POST", f"{V1}/projects/{project['id']}/openings", OPENING), 201)
    return ok(api("POST", f"{V1}/openings/{made['id']}/open"))


def test_a_project_is_answered_as_it_was_made(api: Caller) -> None:
    made = ok(api("POST", f"{V1}/projects", PROJECT), 201)
    assert {name: made[name] for name in ("name", "alias", "currency", "external_id", "metadata", "weekly_budget")} == {
        name: PROJECT[name] for name in ("name", "alias", "currency", "external_id", "metadata", "weekly_budget")
    }
    assert (made["status"], made["overlap"]) == ("draft", 1)
    paid = {line["activity"]: (line["pay"], line["cap"]) for line in made["paid_activities"]}
    assert paid["meeting"] == ("unpaid", None)
    assert paid["instructions"] == ("capped", "PT30M")
    assert paid["task"] == ("paid", None)
    assert ok(api("GET", f"{V1}/projects?external_id=R-17&status=draft"))["results"] == [made]
    assert ok(api("GET", f"{V1}/projects?status=active"))["results"] == []
    assert ok(api("PATCH", f"{V1}/projects/{made['id']}", {"name": "Second"}))["name"] == "Second"
    problem(api("POST", f"{V1}/projects", PROJECT), 409, "external_id_taken")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"task_types": []}, "/task_types"),
        ({"task_types": [7]}, "/task_types/0"),
        ({"task_types": ["rubric_authoring", "rubric_guessing"]}, "/task_types/1"),
        ({"currency": "XXX"}, "/currency"),
        ({"weekly_budget": {"amount": "1.00", "currency": "EUR"}}, "/weekly_budget/currency"),
        ({"overlap": 4}, "/overlap"),
        ({"pay_policy": {"task": {"pay": "unpaid"}}}, "/pay_policy/task"),
        ({"pay_policy": {"lunch": {"pay": "paid"}}}, "/pay_policy/lunch"),
        ({"pay_policy": {"meeting": {"pay": "paid", "cap": "PT1H"}}}, "/pay_policy/meeting"),
        ({"review_policy": "nobody"}, "/review_policy"),
    ],
)
def test_a_bad_project_names_the_field_and_leaves_nothing(api: Caller, change: dict[str, Any], pointer: str) -> None:
    refused = problem(api("POST", f"{V1}/projects", {**PROJECT, **change}), 400, "invalid")
    assert pointer in pointers(refused)
    assert ok(api("GET", f"{V1}/projects"))["results"] == []


def test_a_project_asks_for_types_that_exist(api: Caller) -> None:
    made = ok(api("POST", f"{V1}/projects", PROJECT), 201)
    change = {"name": "Second", "task_types": ["juggling", "rubric_authoring"]}
    refused = problem(api("PATCH", f"{V1}/projects/{made['id']}", change), 400, "invalid")
    assert [(error["pointer"], error["code"]) for error in refused["errors"]] == [("/task_types/0", "unknown_type")]
    assert "rubric_authoring, rubric_grading" in refused["errors"][0]["detail"]
    assert ok(api("GET", f"{V1}/projects/{made['id']}")) == made
    known = [kind["type"] for kind in ok(api("GET", f"{V1}/task-types"))["results"]]
    assert ok(api("PATCH", f"{V1}/projects/{made['id']}", {"task_types": known}))["task_types"] == known


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"seats": 0}, "/seats"),
        ({"requirement": {"domain": "medicine.astrology"}}, "/requirement/domain"),
        ({"requirement": {"min_level": 2}}, "/requirement/domain"),
        ({"requirement": {"domain": "medicine", "licences": [{"jurisdiction": "US"}]}}, "/requirement/licences/0/kind"),
        ({"requirement": {"domain": "medicine", "countries": {"allow": ["XX"]}}}, "/requirement/countries/allow/0"),
        ({"weekly_cap": "PT200H"}, "/weekly_cap"),
        ({"weekly_cap": "PT2H", "daily_cap": "PT3H"}, "/daily_cap"),
        ({"rate_ceiling": {"amount": "150.00", "currency": "EUR", "per": "hour"}}, "/rate_ceiling/currency"),
        ({"tier": "wizard"}, "/tier"),
    ],
)
def test_a_bad_opening_names_the_field_and_leaves_nothing(api: Caller, change: dict[str, Any], pointer: str) -> None:
    project = ok(api("POST", f"{V1}/projects", PROJECT), 201)
    path = f"{V1}/projects/{project['id']}/openings"
    assert pointer in pointers(problem(api("POST", path, {**OPENING, **change}), 400, "invalid"))
    assert ok(api("GET", path))["results"] == []


def test_an_opening_appears_on_the_board_with_pay_and_fit(opening: Any) -> None:
    ada = expert_caller(make_expert())
    (listing,) = ok(ada("GET", f"{V1}/expert/openings?domain=medicine&tier=expert"))["results"]
    assert listing["id"] == opening["id"]
    assert listing["lab"] == "Acme (alias)"
    assert listing["project"] == "Heart"
    assert listing["pay"] == {"amount": "143.00", "currency": "USD", "per": "hour"}
    terms = listing["terms"]
    assert (terms["weekly_cap"], terms["daily_cap"], terms["approval_window"]) == ("PT10H", "PT3H30M", "PT72H")
    assert terms["holdback"] == {"share_bp": 0, "released_after_days": 30, "first_release_on": None}
    # 20 h, of which 30 min of meetings and 30 min of reading beyond the cap are unpaid: 143.00 × 19/20.
    assert terms["planned_hourly_rate"]["amount"] == "135.85"
    assert listing["fit"]["eligible"] is True
    assert listing["fit"]["score"] == sum(part["points"] for part in listing["fit"]["why"])
    assert listing["fit"]["why_not"] == []
    assert ok(ada("GET", f"{V1}/expert/openings?domain=law"))["results"] == []


def test_why_not_names_every_failing_requirement(opening: Any) -> None:
    eve = expert_caller(make_expert(level=1, tier="skilled", languages=["fr"]))
    fit = ok(eve("GET", f"{V1}/expert/openings/{opening['id']}"))["fit"]
    assert (fit["eligible"], fit["score"]) == (False, None)
    assert [(miss["code"], miss["needed"], miss["has"]) for miss in fit["why_not"]] == [
        ("tier_too_low", "expert", "skilled"),
        ("level_too_low", "3", "1"),
        ("language_missing", "en", "fr"),
    ]
    assert all(miss["text"] for miss in fit["why_not"])


@pytest.fixture
def ada(db: None) -> Caller:
    return expert_caller(make_expert())


@pytest.fixture
def application(api: Caller, ada: Caller, opening: Any) -> Any:
    """Ada's, as the lab sees it."""
    ok(ada("POST", f"{V1}/expert/applications", {"opening": opening["id"], "note": "Me."}), 201)
    (seen,) = ok(api("GET", f"{V1}/applications?opening={opening['id']}&status=submitted"))["results"]
    return seen


@pytest.fixture
def offered(api: Caller, opening: Any, application: Any) -> Any:
    """The offer that Ada got for it, as the lab sees it."""
    body = {"applications": [application["id"]], "message": "Welcome."}
    (made,) = ok(api("POST", f"{V1}/openings/{opening['id']}/offers", body), 201)["offers"]
    return made


def test_a_lab_sees_an_application_under_a_pseudonym(ada: Caller, opening: Any, application: Any) -> None:
    (mine,) = ok(ada("GET", f"{V1}/expert/applications"))["results"]
    assert (application["id"], application["note"]) == (mine["id"], "Me.")
    problem(ada("POST", f"{V1}/expert/applications", {"opening": opening["id"]}), 409, "already_applied")
    assert application["candidate"].startswith("pex_")
    with platform():
        assert Expert.objects.get().public_id not in str(application)
    assert "Lovelace" not in str(application)


def test_an_offer_says_what_it_costs_what_it_pays_and_when(ada: Caller, application: Any, offered: Any) -> None:
    assert offered["rate"]["amount"] == "143.00"
    assert offered["cost_per_hour"]["amount"] == "185.90"
    assert offered["reserve"]["amount"] == "3718.00"
    assert offered["expires_at"] == "2026-11-09T09:00:00Z"
    assert ok(ada("GET", f"{V1}/expert/applications/{application['id']}"))["status"] == "offered"

    (offer,) = ok(ada("GET", f"{V1}/expert/invitations"))["results"]
    assert offer == ok(ada("GET", f"{V1}/expert/offers/{offered['id']}"))
    assert offer["terms"]["notice_days"] == 7
    first = offer["first_payday"]
    assert first["link"] == "/api/v1/expert/pay-calendar?currency=USD"
    # Its week ends with the cutoff of the 9th; silence approves it on the 14th.
    promised = {"cutoff": "2026-11-16T00:00:00Z", "pays_on": "2026-11-18", "arrives_by": "2026-11-20"}
    assert (first["week"], first["earliest"], first["latest"]) == ("2026-W45", promised, promised)
    assert [document["signed"] for document in offer["documents"]] == [False, False]
    for document in offer["documents"]:
        assert "#" in ok(ada("GET", document["link"]))["body"]


def test_signing_all_documents_accepts(api: Caller, ada: Caller, lab: Lab, application: Any, offered: Any) -> None:
    link = f"{V1}/expert/offers/{offered['id']}"
    documents = ok(ada("GET", link))["documents"]
    signatures = [
        {"agreement_version": document["agreement_version"], "typed_name": "Ada Lovelace"} for document in documents
    ]
    problem(ada("POST", f"{link}/accept", {"signatures": signatures}), 400, "idempotency_key_required")
    refused = problem(
        ada("POST", f"{link}/accept", {"signatures": signatures[:1]}, Idempotency_Key=ids.new_id("key")),
        403,
        "agreement_required",
    )
    assert refused["remedy"]["href"] == documents[1]["link"]
    contract = ok(ada("POST", f"{link}/accept", {"signatures": signatures}, Idempotency_Key=ids.new_id("key")), 201)
    assert contract["status"] == "active"
    assert balance(lab).reserved_minor == 371_800
    (shown,) = ok(api("GET", f"{V1}/lab"))["balances"]
    assert shown["reserved"] == {"amount": "3718.00", "currency": "USD"}

    (seen,) = ok(api("GET", f"{V1}/contracts?status=active"))["results"]
    assert (seen["id"], seen["candidate"]) == (contract["id"], application["candidate"])
    assert ok(ada("GET", f"{V1}/expert/contracts/{contract['id']}"))["rate"]["amount"] == "143.00"
    assert ok(ada("GET", f"{V1}/expert/invitations"))["results"] == []
    signed = ok(ada("GET", link))
    assert [document["signed"] for document in signed["documents"]] == [True, True]
    assert signed["first_payday"] is None
    names = [event["type"] for event in ok(api("GET", f"{V1}/events"))["results"]]
    assert {"application.submitted", "offer.extended", "offer.accepted", "contract.activated"} <= set(names)
    assert ok(api("GET", f"{V1}/events?type=offer.accepted"))["results"][0]["subject"] == offered["id"]


def test_match_ranks_candidates_with_reasons_under_pseudonyms(api: Caller, lab: Lab, opening: Any) -> None:
    best, second = make_expert("best@example.org", level=5, years=15), make_expert("second@example.org", level=3)
    make_expert("lawyer@example.org", domain="law")
    make_expert("french@example.org", languages=["fr"])
    accepted = api("POST", f"{V1}/openings/{opening['id']}/match")
    assert accepted.status_code == 202
    run_long_work()
    operation = ok(api("GET", accepted["Location"]))
    assert (operation["state"], operation["done"]) == ("succeeded", 2)

    rows = ok(api("GET", f"{V1}/openings/{opening['id']}/candidates"))["results"]
    with platform():
        known = dict(LabExpert.objects.values_list("public_id", "expert_id"))
    assert [known[row["candidate"]] for row in rows] == [best.pk, second.pk]
    assert [row["rank"] for row in rows] == [1, 2]
    assert rows[0]["margin"] == rows[0]["score"] - rows[1]["score"]
    assert rows[0]["score"] == sum(reason["points"] for reason in rows[0]["reasons"])
    assert {reason["component"] for reason in rows[0]["reasons"]} >= {"level", "years", "rate_slack"}

    body = {"candidates": [rows[0]["candidate"]]}
    ok(api("POST", f"{V1}/openings/{opening['id']}/offers", body), 201)
    problem(api("POST", f"{V1}/openings/{opening['id']}/offers", body), 409, "offer_stands")
    api("POST", f"{V1}/openings/{opening['id']}/match")
    run_long_work()
    left = ok(api("GET", f"{V1}/openings/{opening['id']}/candidates"))["results"]
    assert [known[row["candidate"]] for row in left] == [second.pk]


def test_feasibility_counts_near_misses_and_what_would_help(api: Caller, opening: Any) -> None:
    make_expert("fits@example.org")
    make_expert("junior@example.org", level=2)
    make_expert("beginner@example.org", level=1)
    make_expert("french@example.org", languages=["fr"])
    make_expert("both@example.org", languages=["fr"], level=1)
    path = f"{V1}/openings/{opening['id']}/feasibility"
    assert ok(api("GET", path)) == {
        "seats_left": 2,
        "eligible": 1,
        "feasible": False,
        "near_misses": [
            {"requirement": "level_too_low", "experts": 2},
            {"requirement": "language_missing", "experts": 1},
        ],
        "relaxations": [
            {"requirement": "min_level", "value": "2", "more": 1},
            {"requirement": "min_level", "value": "1", "more": 2},
        ],
    }
    ok(api("PATCH", f"{V1}/openings/{opening['id']}", {"rate_ceiling": {"amount": "100.00", "currency": "USD"}}))
    tight = ok(api("GET", path))
    assert tight["eligible"] == 0
    assert tight["relaxations"] == [{"requirement": "rate_ceiling", "value": "143.00 USD", "more": 1}]


def test_a_quote_counts_every_free_seat_with_the_fee(api: Caller, lab: Lab, opening: Any) -> None:
    quote = ok(api("GET", f"{V1}/projects/{opening['project']}/quote"))
    (line,) = quote["openings"]
    assert (line["lowest_rate"]["amount"], line["highest_rate"]["amount"]) == ("143.00", "143.00")
    assert quote["weekly"] == {"amount": "3718.00", "currency": "USD"}
    assert quote["reserve"] == {"amount": "7436.00", "currency": "USD"}
    assert quote["shortfall"] == {"amount": "0.00", "currency": "USD"}
    ok(api("PATCH", f"{V1}/openings/{opening['id']}", {"seats": 3000}))
    poor = ok(api("GET", f"{V1}/projects/{opening['project']}/quote"))
    assert (poor["reserve"]["amount"], poor["shortfall"]["amount"]) == ("11154000.00", "1154000.00")


def test_instructions_are_read_and_acknowledged(api: Caller, lab: Lab, opening: Any) -> None:
    path = f"{V1}/projects/{opening['project']}/instructions"
    first = ok(api("POST", path, {"body": "# One"}), 201)
    assert ok(api("POST", path, {"body": "# One"}), 201) == first
    expert = make_expert()
    ada = expert_caller(expert)
    contract = _contract_over_http(api, ada, opening)
    assert contract["status"] == "onboarding"
    mine = f"{V1}/expert/contracts/{contract['id']}"
    read = ok(ada("GET", f"{mine}/instructions"))["instructions"]
    assert (read["id"], read["body"], read["acknowledged_at"]) == (first["id"], "# One", None)
    second = ok(api("POST", path, {"body": "# Two"}), 201)
    problem(ada("POST", f"{mine}/instructions/acknowledge", {"version": first["id"]}), 409, "instructions_outdated")
    done = ok(ada("POST", f"{mine}/instructions/acknowledge", {"version": second["id"]}))
    assert done["status"] == "active"
    assert ok(ada("GET", f"{mine}/instructions"))["instructions"]["acknowledged_at"] == "2026-11-02T09:00:00Z"


def _contract_over_http(api: Caller, expert: Caller, opening: Any) -> Any:
    applied = ok(expert("POST", f"{V1}/expert/applications", {"opening": opening["id"]}), 201)
    body = {"applications": [applied["id"]]}
    (offer,) = ok(api("POST", f"{V1}/openings/{opening['id']}/offers", body), 201)["offers"]
    documents = ok(expert("GET", f"{V1}/expert/offers/{offer['id']}"))["documents"]
    signatures = [
        {"agreement_version": document["agreement_version"], "typed_name": "Ada Lovelace"} for document in documents
    ]
    return ok(
        expert(
            "POST",
            f"{V1}/expert/offers/{offer['id']}/accept",
            {"signatures": signatures},
            Idempotency_Key=ids.new_id("key"),
        ),
        201,
    )


def test_rejections_are_decisions_by_a_named_member(api: Caller, lab: Lab, opening: Any) -> None:
    ada = expert_caller(make_expert())
    applied = ok(ada("POST", f"{V1}/expert/applications", {"opening": opening["id"]}), 201)
    path = f"{V1}/applications/{applied['id']}/reject"
    body = {"decided_by": "nobody@example.org", "reason_code": "other", "explanation": "Not now."}
    assert pointers(problem(api("POST", path, body), 400, "invalid")) == {"/decided_by": "unknown_member"}
    ok(api("POST", path, {**body, "decided_by": admin_of(lab).email}))
    assert ok(ada("GET", f"{V1}/expert/applications/{applied['id']}"))["status"] == "rejected"
    (decision,) = ok(ada("GET", f"{V1}/expert/decisions"))["results"]
    assert (decision["subject"], decision["explanation"]) == (applied["id"], "Not now.")
    problem(api("POST", path, {**body, "decided_by": admin_of(lab).email}), 409, "invalid_transition")
    ok(ada("POST", f"{V1}/expert/applications", {"opening": opening["id"]}), 201)


def test_ending_runs_the_notice_and_leaving_is_at_once(api: Caller, lab: Lab, opening: Any) -> None:
    ada = expert_caller(make_expert())
    contract = _contract_over_http(api, ada, opening)
    path = f"{V1}/contracts/{contract['id']}"
    body = {"decided_by": admin_of(lab).email, "explanation": "Because."}
    assert ok(api("POST", f"{path}/pause", {**body, "reason_code": "quality"}))["status"] == "paused"
    assert ok(api("POST", f"{path}/resume"))["status"] == "active"
    ending = ok(api("POST", f"{path}/end", {**body, "reason": "performance"}))
    assert (ending["status"], ending["notice_ends_at"]) == ("ending", "2026-11-09T09:00:00Z")
    assert len(ok(ada("GET", f"{V1}/expert/decisions"))["results"]) == 2
    assert ok(ada("POST", f"{V1}/expert/contracts/{contract['id']}/leave"))["status"] == "ended"
    assert balance(lab).reserved_minor == 0
    problem(ada("POST", f"{V1}/expert/contracts/{contract['id']}/leave"), 409, "invalid_transition")


def test_a_sandbox_is_not_on_the_board_and_only_the_labs_own_people_play_in_it(lab: Lab) -> None:
    test_key = sandbox_caller(lab)
    project = ok(test_key("POST", f"{V1}/projects", PROJECT), 201)
    ok(test_key("POST", f"{V1}/projects/{project['id']}/launch"))
    made = ok(test_key("POST", f"{V1}/projects/{project['id']}/openings", OPENING), 201)
    ok(test_key("POST", f"{V1}/openings/{made['id']}/open"))
    stranger = make_expert("stranger@example.org")
    player = make_expert(user=admin_of(lab))
    assert ok(expert_caller(stranger)("GET", f"{V1}/expert/openings"))["results"] == []
    assert not OpeningListing.objects.exists()
    test_key("POST", f"{V1}/openings/{made['id']}/match")
    run_long_work()
    (row,) = ok(test_key("GET", f"{V1}/openings/{made['id']}/candidates"))["results"]
    with platform():
        assert LabExpert.objects.get(public_id=row["candidate"]).expert_id == player.pk
    assert ok(lab_caller(lab)("GET", f"{V1}/projects"))["results"] == []

    with platform():
        funding.announce(
            tenant_id=lab.tenant.sandbox.pk, amount=Money(10**6, "USD"), by=Principal.system("tests"), now=NOW
        )
    body = {"candidates": [row["candidate"]]}
    (offer,) = ok(test_key("POST", f"{V1}/openings/{made['id']}/offers", body), 201)["offers"]
    play = expert_caller(player)
    documents = ok(play("GET", f"{V1}/expert/offers/{offer['id']}"))["documents"]
    signatures = [{"agreement_version": d["agreement_version"], "typed_name": "Ada Lovelace"} for d in documents]
    path, key = f"{V1}/expert/offers/{offer['id']}/accept", ids.new_id("key")
    contract = ok(play("POST", path, {"signatures": signatures}, Idempotency_Key=key), 201)
    ok(lab_caller(lab)("POST", f"{V1}/lab/members", {"email": "m@acme.example", "role": "manager"}), 201)
    why = {"decided_by": "m@acme.example", "reason_code": "other", "explanation": "To see what happens."}
    assert ok(test_key("POST", f"{V1}/contracts/{contract['id']}/pause", why))["status"] == "paused"
    with platform():
        assert not Exposure.objects.exists()


@pytest.mark.parametrize("pages", ["lab", "expert"])
def test_a_longer_list_costs_no_more_queries(api: Caller, opening: Any, pages: str) -> None:
    def count(caller: Caller, path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            ok(caller("GET", path))
        return len(queries)

    ada = expert_caller(make_expert())
    _contract_over_http(api, ada, opening)
    caller, paths = (api, LAB_LISTS) if pages == "lab" else (ada, EXPERT_LISTS)
    paths = [path.format(**opening) for path in paths]
    short = {path: count(caller, path) for path in paths}
    project = opening["project"]
    for number in range(2):
        more = ok(api("POST", f"{V1}/projects/{project}/openings", OPENING), 201)
        ok(api("POST", f"{V1}/openings/{more['id']}/open"))
        _contract_over_http(api, ada, more)
        other = expert_caller(make_expert(f"other{number}@example.org"))
        ok(other("POST", f"{V1}/expert/applications", {"opening": opening["id"]}), 201)
    assert {path: count(caller, path) for path in paths} == short
    assert max(short.values()) <= 14


def test_the_board_forgets_what_is_not_open(api: Caller, opening: Any) -> None:
    ada = expert_caller(make_expert())
    path = f"{V1}/openings/{opening['id']}"
    ok(api("POST", f"{path}/pause"))
    assert ok(ada("GET", f"{V1}/expert/openings"))["results"] == []
    problem(ada("POST", f"{V1}/expert/applications", {"opening": opening["id"]}), 404, "not_found")
    ok(api("POST", f"{path}/open"))
    assert len(ok(ada("GET", f"{V1}/expert/openings"))["results"]) == 1
    ok(api("POST", f"{path}/close"))
    assert ok(ada("GET", f"{V1}/expert/openings"))["results"] == []
    problem(api("POST", f"{path}/open"), 409, "invalid_transition")


def test_winding_down_gives_notice_and_completes(api: Caller, opening: Any) -> None:
    ada = expert_caller(make_expert())
    contract = _contract_over_http(api, ada, opening)
    path = f"{V1}/projects/{opening['project']}"
    assert problem(api("POST", f"{path}/cancel"), 409, "project_in_use")["contracts"] == 1
    assert api("POST", f"{path}/wind-down").status_code == 202
    run_long_work()
    assert ok(api("GET", f"{V1}/openings/{opening['id']}"))["status"] == "closed"
    seen = ok(ada("GET", f"{V1}/expert/contracts/{contract['id']}"))
    assert (seen["status"], seen["end_reason"], seen["project_status"]) == ("ending", "project_ended", "winding_down")
