"""People at the desk and over the API at the same instant: each with a client of his own, each told what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from django.contrib.messages import get_messages

from core import clock
from core.problems import DomainError
from core.public import unit_of_work
from payments.models import PayRun
from tests import browser
from tests.payments.hours_world import Caller
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_desk import ADMIN, PREPARE, RELEASE, Desk

DONE = "done"
PROPOSED = "proposed"
TOLD: Final = {"success": DONE, "info": PROPOSED}
Act = Callable[[], str]


class Clerk(Desk):
    """A member of finance who clicks, and reads what the page says."""

    def __init__(self, *permissions: str) -> None:
        super().__init__(*(permissions or (*PREPARE, *RELEASE)))

    def click(self, path: str, *, at: dt.datetime = NOW, **fields: str) -> str:
        """One POST; "done", "proposed" where somebody else has to approve, or what the desk told instead."""
        with clock.frozen(at):
            answer = browser.press(self.client, f"{ADMIN}/{path}", fields)
        assert answer.status_code in {200, 302}, (answer.status_code, answer.content[:500])
        said = list(get_messages(answer.wsgi_request))
        if not said:  # a page that asks for something goes on without a word once it was done
            return DONE if answer.status_code == 302 else "not done"
        return TOLD.get(said[-1].level_tag, str(said[-1].message))

    def button(self, model: str, action: str, pk: int, *, at: dt.datetime = NOW, **fields: str) -> str:
        """A confirmed action upon one row."""
        chosen = {"action": action, "_selected_action": str(pk), "confirmed": "yes", "reason": "A reason."}
        return self.click(f"{model}/", at=at, **{**chosen, **fields})

    def release(self, run: PayRun, *, at: dt.datetime = NOW) -> str:
        """The last click of a pay run, with what was looked at."""
        return self.click(f"payrun/{run.pk}/release/", at=at, digest=run.lines_digest)


def asked(caller: Caller, path: str, body: Any = None, *, at: dt.datetime, key: str | None = None) -> str:
    """One POST over the API with a client of its own: "done", or the code of the problem."""
    answer = Caller(caller.secret)("POST", path, body, at=at, key=key)
    code: str = DONE if answer.status_code < 300 else answer.json()["code"]
    assert answer.status_code < 500, answer.content
    return code


def doing(act: Callable[[], object]) -> Act:
    """What a job or a command does, in a transaction of its own: "done", or the code of the refusal."""

    def run() -> str:
        try:
            with unit_of_work(SYSTEM):
                act()
        except DomainError as refusal:
            return refusal.code
        return DONE

    return run
