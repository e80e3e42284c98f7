"""The institution: accounts, balances, transfers, payouts, and what it says about them."""

from __future__ import annotations

import copy
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from tests.stripe_fake.idempotency import Refusal

PLATFORM = ""
Thing = dict[str, Any]
_INVALID = "invalid_request_error"


class Books:
    """Everything it remembers. ``shapes`` are example objects, of which every object is a copy."""

    def __init__(self, shapes: Mapping[str, Thing]) -> None:
        self._shapes = shapes
        self._numbers = count(1)
        self._offset = 0.0
        self.lock = threading.RLock()
        self.accounts: dict[str, Thing] = {}
        self.transfers: dict[str, Thing] = {}
        self.payouts: dict[str, Thing] = {}
        self.owners: dict[str, str] = {}
        self.lines: list[Thing] = []
        self.balances: dict[tuple[str, str], int] = defaultdict(int)
        self.events: list[Thing] = []
        self.fee = 0
        self.heard: Callable[[Thing], None] = lambda _event: None

    def now(self) -> float:
        """Its own clock."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Let time pass here."""
        self._offset += seconds

    # --- What the API does ---

    def create_account(self, params: Thing) -> Thing:
        """A connected account, which still has to say who it is."""
        account = self._new("account", "acct", metadata=params.get("metadata", {}), email=params.get("email"))
        account |= {
            "type": params["type"],
            "country": params["country"],
            "default_currency": params["default_currency"],
            "capabilities": dict.fromkeys(params.get("capabilities", {}), "inactive"),
            "payouts_enabled": False,
        }
        account["settings"]["payouts"]["schedule"] |= params["settings"]["payouts"]["schedule"]
        account["requirements"] |= {"disabled_reason": "requirements.past_due", "currently_due": ["external_account"]}
        self.accounts[account["id"]] = account
        return account

    def account(self, account_id: str) -> Thing:
        """One account."""
        if account_id not in self.accounts:
            raise Refusal(403, _INVALID, "account_invalid")
        return self.accounts[account_id]

    def create_link(self, params: Thing, base: str) -> Thing:
        """A link to its own pages, good for five minutes."""
        self.account(params["account"])
        url = f"{base}/setup/{params['account']}/{next(self._numbers)}"
        return {**self._shape("account_link"), "url": url, "created": self._stamp(), "expires_at": self._stamp() + 300}

    def create_transfer(self, params: Thing) -> Thing:
        """From the platform's balance to an account."""
        destination, amount, currency = params["destination"], params["amount"], params["currency"]
        if destination not in self.accounts:
            raise Refusal(400, _INVALID, "resource_missing", f"No such destination: '{destination}'", "destination")
        if self.accounts[destination]["capabilities"].get("transfers") != "active":
            raise Refusal(400, _INVALID, "insufficient_capabilities_for_transfer")
        if amount < 1:
            raise Refusal(400, _INVALID, "parameter_invalid_integer", param="amount")
        self._take(PLATFORM, currency, amount)
        self.balances[destination, currency] += amount
        transfer = self._new("transfer", "tr", **_given(params, "amount", "currency", "destination", "metadata"))
        transfer |= {"transfer_group": params.get("transfer_group"), "description": params.get("description")}
        transfer["reversals"] = {**transfer["reversals"], "data": []}
        transfer["balance_transaction"] = self._line("transfer", transfer, -amount, self.fee)
        self.transfers[transfer["id"]] = transfer
        self.emit("transfer.created", transfer)
        return transfer

    def reverse(self, transfer_id: str, params: Thing) -> Thing:
        """Back to the platform, as far as it was not reversed before."""
        transfer = self.transfers[transfer_id]
        amount = params.get("amount", transfer["amount"] - transfer["amount_reversed"])
        if amount > transfer["amount"] - transfer["amount_reversed"]:
            raise Refusal(400, _INVALID, "amount_too_large", param="amount")
        self._take(transfer["destination"], transfer["currency"], amount)
        self.balances[PLATFORM, transfer["currency"]] += amount
        reversal = self._new("transfer_reversal", "trr", amount=amount, currency=transfer["currency"])
        reversal |= {"transfer": transfer_id, "metadata": params.get("metadata", {})}
        reversal["balance_transaction"] = self._line("transfer_refund", reversal, amount, 0)
        transfer["reversals"]["data"].insert(0, reversal)
        transfer["amount_reversed"] += amount
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
        self.emit("transfer.reversed", transfer)
        return reversal

    def create_payout(self, owner: str, params: Thing) -> Thing:
        """From an account's balance to its bank."""
        account = self.account(owner)
        if not account["payouts_enabled"]:
            raise Refusal(400, _INVALID, "payouts_not_allowed")
        self._take(owner, params["currency"], params["amount"])
        payout = self._new("payout", "po", **_given(params, "amount", "currency", "metadata"))
        payout |= {"automatic": False, "status": "pending", "failure_code": None}
        self.payouts[payout["id"]] = payout
        self.owners[payout["id"]] = owner
        self.emit("payout.created", payout, account=owner)
        return payout

    # --- What happens by itself ---

    def finish_onboarding(self, account_id: str) -> None:
        """The owner told everything."""
        account = self.accounts[account_id]
        account["requirements"] |= {"disabled_reason": None, "currently_due": [], "past_due": []}
        account |= {"payouts_enabled": True, "details_submitted": True}
        account["capabilities"] = dict.fromkeys(account["capabilities"], "active")
        self.emit("account.updated", account, account=account_id)

    def restrict(self, account_id: str, reason: str) -> None:
        """It pays the account out no more."""
        account = self.accounts[account_id]
        account["payouts_enabled"] = False
        account["requirements"] |= {"disabled_reason": reason, "currently_due": ["individual.id_number"]}
        self.emit("account.updated", account, account=account_id)

    def settle(self) -> None:
        """The banks took every payout that was on its way."""
        for payout in self.payouts.values():
            if payout["status"] in {"pending", "in_transit"}:
                payout["status"] = "paid"
                self.emit("payout.paid", payout, account=self.owners[payout["id"]])

    def fail_payout(self, payout_id: str, code: str, *, keep_money: bool = False) -> None:
        """A bank sent it back, paid or not; the money is in the account's balance again (later, with ``keep_money``)."""
        payout = self.payouts[payout_id]
        payout |= {"status": "failed", "failure_code": code}
        if not keep_money:
            self.balances[self.owners[payout_id], payout["currency"]] += payout["amount"]
        self.emit("payout.failed", payout, account=self.owners[payout_id])

    def emit(self, kind: str, about: Thing, *, account: str = PLATFORM) -> Thing:
        """Say that something happened."""
        event = self._new("event", "evt", type=kind, data={"object": copy.deepcopy(about)})
        event |= {"account": account} if account else {}
        self.events.append(event)
        self.heard(event)
        return event

    # --- Parts ---

    def _take(self, owner: str, currency: str, amount: int) -> None:
        if self.balances[owner, currency] < amount:
            raise Refusal(400, _INVALID, "balance_insufficient", "You have insufficient funds in your account.")
        self.balances[owner, currency] -= amount

    def _line(self, kind: str, source: Thing, amount: int, fee: int) -> str:
        line = self._new("balance_transaction", "txn", type=kind, amount=amount, fee=fee, net=amount - fee)
        line |= {"source": source["id"], "currency": source["currency"]}
        self.balances[PLATFORM, source["currency"]] -= fee
        self.lines.append(line)
        return str(line["id"])

    def _new(self, shape: str, prefix: str, **values: Any) -> Thing:
        made = {**self._shape(shape), "id": f"{prefix}_{next(self._numbers):06d}", "created": self._stamp()}
        return made | values

    def _shape(self, name: str) -> Thing:
        return copy.deepcopy(dict(self._shapes[name]))

    def _stamp(self) -> int:
        return int(self.now())


def _given(params: Thing, *names: str) -> Thing:
    return {name: params[name] for name in names if name in params}
