"""The stage: who is here and with which key, what time it is, what has been found so far."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from typing import Any

from config.demo.api import PREFIX, Api, Json, wait_for
from config.demo.cast import ExpertRole, LabRole, StaffRole
from config.demo.credentials import Credentials
from config.demo.desk import Desk
from config.demo.oracle import Books, Check
from config.demo.transport import Transport

Say = Callable[[str], None]
USUAL_SITTINGS = 8
FEWEST_MINUTES = 3
SITTINGS = (36, 27, 18, 34, 25)  # minutes


@dataclass
class Stage:
    """Everything that the acts share. ``ids`` remembers public ids under names of the story."""

    connect: Callable[[], Transport]
    credentials: Credentials
    say: Say
    tasks: list[Json] | None = None
    books: Books = field(default_factory=Books)
    checks: list[Check] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    notes: Json = field(default_factory=dict)
    minutes: Iterator[int] = field(default_factory=lambda: cycle(SITTINGS), repr=False)
    _apis: dict[str, Api] = field(default_factory=dict, repr=False)
    _desks: dict[str, Desk] = field(default_factory=dict, repr=False)

    def step(self, text: str) -> None:
        """Tell that something has been done."""
        self.steps.append(text)
        self.say(text)

    def check(self, what: str, expected: object, found: object) -> None:
        """Note a comparison; the story goes on, and fails at its end if one did not hold."""
        check = Check(what, expected, found)
        self.checks.append(check)
        if not check.holds:
            self.say(f"  ✗ {what}: expected {expected}, found {found}")

    def set_pace(self, sittings: int) -> None:
        """Many tasks take less time each, so that nobody comes near the caps of his contract."""
        share = min(1.0, USUAL_SITTINGS / sittings)
        self.minutes = cycle([max(FEWEST_MINUTES, round(minutes * share)) for minutes in SITTINGS])

    def lab(self, role: LabRole) -> Api:
        """A lab's caller."""
        return self._api(role.slug, PREFIX, self.credentials.lab(role.name)["api_key"])

    def member(self, role: LabRole, member: str) -> Api:
        """The caller of one member of a lab, with his own key."""
        return self._api(role.address(member), PREFIX, self.credentials.lab(role.name)["member_keys"][member])

    def expert(self, role: ExpertRole) -> Api:
        """An expert's caller."""
        return self._api(role.email, f"{PREFIX}/expert", self.credentials.expert(role.email)["token"])

    def desk(self, role: StaffRole) -> Desk:
        """An operator's browser."""
        if role.email not in self._desks:
            known = self.credentials.member_of_staff(role.email)
            self._desks[role.email] = Desk(
                transport=self.connect(),
                email=role.email,
                password=known["password"],
                totp_secret=known["totp_secret"],
            )
        return self._desks[role.email]

    def decider(self, role: LabRole, member: str = "manager") -> str:
        """The e-mail address of somebody who decides for the lab by name."""
        return role.address(member)

    def wait(self, what: str, look: Callable[[], Any]) -> Any:
        """Wait for workers: until ``look`` gives something true. Raises TooSlow."""
        return wait_for(what, look)

    @property
    def sandbox(self) -> Api:
        """Development mode's own switches, which need no key."""
        return self._api("sandbox", PREFIX, "")

    def advance(self, by: str) -> dt.datetime:
        """Move the one clock, and wake every sweeper; the new now."""
        return instant(self.sandbox.post("/sandbox/clock/advance", {"by": by})["now"])

    def advance_to(self, target: dt.datetime) -> dt.datetime:
        """Move the clock to an instant; a second at least, so that one learns what time it is."""
        now = self.advance("PT1S")
        ahead = int((target - now).total_seconds())
        return self.advance(f"PT{ahead}S") if ahead > 0 else now

    def _api(self, name: str, base: str, key: str) -> Api:
        if name not in self._apis:
            self._apis[name] = Api(self.connect(), key, base)
        return self._apis[name]


def instant(text: str) -> dt.datetime:
    """An RFC 3339 timestamp."""
    return dt.datetime.fromisoformat(text)


def amount(money: Mapping[str, str]) -> Decimal:
    """The number in a money object."""
    return Decimal(money["amount"])


def duration(text: str) -> int:
    """Seconds of an ISO 8601 duration of hours, minutes and seconds, as the API writes them."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", text)
    if found is None:
        raise ValueError(f"Not a duration: {text}")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
