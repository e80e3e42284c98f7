"""Questions the marketplace asks of the floors above it: is there money, what is work, is everything done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from django.utils.translation import gettext_lazy as _

from core.ports import MissingPort, Port
from core.problems import Conflict

if TYPE_CHECKING:
    from marketplace.models import Contract, Project, RateSnapshot


class InsufficientFunds(Conflict):
    """The lab's balance does not cover what this step sets aside.

    Accepting an offer reserves two weeks at the weekly cap, with the fee. The lab has to fund its balance first
    (`POST /api/v1/funding`); nothing was signed or changed, and the offer still stands. Labs are told `required` and
    `available`; experts are not, since it is not their balance.
    """

    code = "insufficient_funds"
    title = _("The lab's balance does not cover this")
    example_members: ClassVar[Mapping[str, Any]] = {
        "required": {"amount": "2860.00", "currency": "USD"},
        "available": {"amount": "500.00", "currency": "USD"},
    }


@dataclass(frozen=True, slots=True)
class BalanceView:
    """What a lab has in one currency, in minor units; available is prepaid and what is left of the credit."""

    currency: str
    available_minor: int
    reserved_minor: int
    receivable_minor: int
    prepaid_minor: int = 0
    credit_limit_minor: int = 0


class Funds(Protocol):
    """The lab's money."""

    def reserve_contract(self, *, contract: Contract, snapshot: RateSnapshot, now: dt.datetime) -> None:
        """Set aside two weeks at the cap for a contract, in the caller's transaction. Raises InsufficientFunds."""
        ...

    def follow_terms(self, *, contract: Contract, now: dt.datetime) -> None:
        """Set aside what the terms from now on ask for, in the caller's transaction. Raises InsufficientFunds."""
        ...

    def release_contract(self, *, contract: Contract, now: dt.datetime) -> None:
        """Give back what an ended contract has not used."""
        ...

    def balances(self, *, tenant_id: int) -> list[BalanceView]:
        """The lab's balances, one for each currency it ever had."""
        ...

    def may_claim(self, *, tenant_id: int) -> bool:
        """Whether the lab owes no more than its credit, so that new claims may come."""
        ...


@dataclass(frozen=True, slots=True)
class PayDate:
    """What is approved before ``cutoff`` is sent on ``pays_on``; ``usual`` is that day if no bank were closed.

    It is expected on accounts by ``arrives_by``; ``moved_because`` names the closing days that moved it, or is empty.
    """

    currency: str
    cutoff: dt.datetime
    pays_on: dt.date
    usual: dt.date
    arrives_by: dt.date
    moved_because: str = ""


@dataclass(frozen=True, slots=True)
class FirstPaydays:
    """When hours of an ISO week are paid: approved as soon as the week is over, or by nothing but silence."""

    week: str
    earliest: PayDate
    latest: PayDate


class Paydays(Protocol):
    """The pay calendar."""

    def first_paydays(
        self, *, currency: str, zone: str, approval_window_seconds: int, now: dt.datetime
    ) -> FirstPaydays:
        """When hours worked in the week of ``now`` in a zone are paid."""
        ...


class TaskTypes(Protocol):
    """The kinds of work a project can ask for."""

    def known(self) -> frozenset[str]:
        """Their codes, such as ``rubric_authoring``."""
        ...


class CompletionBlockers(Protocol):
    """What is still open in a project that winds down."""

    def blockers(self, *, project: Project) -> list[str]:
        """One sentence for each thing that has to be finished first."""
        ...


class Completion(Port[CompletionBlockers]):
    """A slot for several answers: work and money each may hold a project open."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._answers: list[CompletionBlockers] = []

    def register(self, implementation: CompletionBlockers) -> None:
        """Add one more that is asked."""
        self._answers.append(implementation)

    def get(self) -> CompletionBlockers:
        """All answers as one. Raises MissingPort when there is none."""
        if not self._answers:
            raise MissingPort(self.name)
        return self

    def blockers(self, *, project: Project) -> list[str]:
        """Everything that anybody names."""
        return [blocker for answer in self._answers for blocker in answer.blockers(project=project)]

    @property
    def is_registered(self) -> bool:
        """Whether anybody answers."""
        return bool(self._answers)


funds: Port[Funds] = Port("marketplace.ports.Funds")
paydays: Port[Paydays] = Port("marketplace.ports.Paydays")
task_types: Port[TaskTypes] = Port("marketplace.ports.TaskTypes")
completion = Completion("marketplace.ports.CompletionBlockers")
