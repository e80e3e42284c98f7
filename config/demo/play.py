"""The whole story, act by act, in order."""

from __future__ import annotations

from config.demo.acts import balances, deliveries, hiring, hours, papers, paying, people, reviews, waiting, work
from config.demo.cast import HELIOS, NORTHWIND
from config.demo.stage import Stage


def whole(stage: Stage) -> None:
    """Play everything. Raises Unexpected, TooSlow or Refused where the site does something else than the story."""
    for act in (engage, produce, settle, take_home, hand_over):
        act(stage)


def was_played(stage: Stage) -> bool:
    """Whether the projects of the story are there already."""
    return any(stage.lab(NORTHWIND).pages("/projects", external_id=hiring.external_id(NORTHWIND)))


def engage(stage: Stage) -> None:
    """People, money, contracts."""
    people.introduce(stage)
    people.prove(stage)
    hiring.fund(stage)
    hiring.post_projects(stage)
    hiring.apply_and_match(stage)
    hiring.offer_and_sign(stage, NORTHWIND)
    hiring.rivals_stay_apart(stage)
    hiring.offer_and_sign(stage, HELIOS)
    paying.name_accounts(stage)


def produce(stage: Stage) -> None:
    """One week of work and its reviews."""
    work.post_batches(stage)
    hiring.next_monday(stage)
    work.read_and_meet(stage)
    work.empty_the_queue(stage)
    reviews.review_by_the_lab(stage)
    reviews.consensus_and_conflict(stage)
    reviews.review_at_the_desk(stage)
    reviews.rework(stage)
    reviews.appeal(stage)
    hiring.raise_rate(stage)
    hours.enter_by_hand(stage)


def settle(stage: Stage) -> None:
    """The week becomes money, and the money arrives."""
    hours.hand_in(stage)
    hours.lab_decides(stage)
    hours.grant_bonus(stage)
    hours.grant_large_bonus(stage)
    hours.silence_approves(stage)
    balances.before_payday(stage)
    hours.contest_after_silence(stage)
    paying.pay(stage)
    paying.retry(stage)
    paying.statements(stage)
    papers.take_statement_home(stage)
    balances.after_payday(stage)
    balances.entry_by_entry(stage)


def take_home(stage: Stage) -> None:
    """The labs' data."""
    deliveries.deliver(stage)
    deliveries.score(stage)


def hand_over(stage: Stage) -> None:
    """Disputes are decided, the month is billed, another week begins, and everybody has something to do."""
    hours.decide_dispute(stage)
    hours.decide_late_dispute(stage)
    papers.bill_the_month(stage)
    waiting.another_week(stage)
    waiting.leave_something(stage)
    balances.at_the_end(stage)
    papers.finance_looks(stage)
    balances.the_books(stage)
