"""The HTTP side: one thread for each connection, faults on demand, webhooks on request.

`python -m tests.stripe_fake` runs it for development.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import stripe

from tests.stripe_fake.books import PLATFORM, Books, Thing
from tests.stripe_fake.idempotency import Answer, Keys, Refusal
from tests.stripe_fake.spec import Spec, Violation

HANG = 1.0
"""Seconds that it says nothing in a timeout; whoever calls it waits less."""


@dataclass
class Fault:
    """It misbehaves: ``kind`` for requests whose ``METHOD path`` matches, so many times.

    ``timeout_executed``, ``timeout_not_executed``, ``error_500_before``, ``error_500_after``, ``rate_limited``,
    ``lock_timeout``, ``dropped_executed`` (the connection breaks).
    """

    kind: str
    match: str = "POST /v1/transfers"
    times: int = 1


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    answer: int = 0
    is_replay: bool = False


@dataclass
class Fake:
    """The institution with its doors."""

    books: Books
    spec: Spec
    secret: str = "whsec_test"
    webhook_url: str = ""
    base: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = Keys(self.books.now)

    def answer(self, method: str, target: str, body: str, headers: Mapping[str, str]) -> Answer | None:
        """What is sent back; None breaks the connection."""
        parts = urlsplit(target)
        try:
            template, params = self.spec.check(method, parts.path, parts.query, body, headers)
        except Violation as violation:
            self.violations.append(str(violation))
            return Answer(400, Refusal(400, "invalid_request_error", "violation", str(violation)).body)
        asked = Asked(method, parts.path, params, dict(headers))
        self.asked.append(asked)
        answer = self._with_faults(asked, template)
        if answer is not None:
            asked.answer, asked.is_replay = answer.status, answer.is_replay
        return answer

    def _with_faults(self, asked: Asked, template: str) -> Answer | None:
        fault = self._fault(asked)
        try:
            if fault in {"rate_limited", "lock_timeout"}:
                raise Refusal(429, "invalid_request_error", "rate_limit" if fault == "rate_limited" else fault)
            if fault == "timeout_not_executed":
                time.sleep(HANG)
                return None
            answer = self._executed(asked, template, fault)
        except Refusal as refusal:
            return Answer(refusal.status, refusal.body)
        if fault == "timeout_executed":
            time.sleep(HANG)
        return None if fault in {"timeout_executed", "dropped_executed"} else answer

    def _executed(self, asked: Asked, template: str, fault: str) -> Answer:
        owner = asked.headers.get("Stripe-Account", PLATFORM)

        def execute() -> Answer:
            if owner:
                self.books.account(owner)
            if fault == "error_500_before":
                raise Refusal(500, "api_error")
            with self.books.lock:
                body = _ROUTES[asked.method, template](self, owner, asked)
            if fault == "error_500_after":
                raise Refusal(500, "api_error")
            return Answer(200, json.loads(json.dumps(body)))

        if asked.method != "POST":
            return execute()
        return self.keys.once(owner, asked.headers["Idempotency-Key"], asked.path, asked.params, execute)

    def _fault(self, asked: Asked) -> str:
        for fault in self.faults:
            if fault.times and re.fullmatch(fault.match, f"{asked.method} {asked.path}"):
                fault.times -= 1
                return fault.kind
        return ""

    def sign(self, event: Thing, *, secret: str = "", at: int | None = None) -> tuple[bytes, str]:
        """An event as it is delivered: bytes and `Stripe-Signature`."""
        raw = json.dumps(event)
        return raw.encode(), stripe.WebhookSignature.generate_signature_header(raw, secret or self.secret, at)

    def deliver(self, event: Thing, *, secret: str = "", at: int | None = None) -> int:
        """Send an event to the webhook's address; the status it answers."""
        raw, signature = self.sign(event, secret=secret, at=at)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
        request = urllib.request.Request(self.webhook_url, raw, headers, method="POST")  # noqa: S310  # our own address
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the same
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def posts(self, path: str) -> list[Asked]:
        """The POSTs that came to a path, in order."""
        return [asked for asked in self.asked if (asked.method, asked.path) == ("POST", path)]


def _page(things: list[Thing], asked: Asked, kept: Callable[[Thing], bool]) -> Thing:
    """A list, newest first, from ``starting_after`` on."""
    rows = [thing for thing in reversed(things) if kept(thing) and _in_time(thing, asked)]
    if after := asked.params.get("starting_after"):
        rows = rows[[row["id"] for row in rows].index(after) + 1 :]
    limit = asked.params.get("limit", 10)
    return {"object": "list", "url": asked.path, "has_more": len(rows) > limit, "data": rows[:limit]}


def _in_time(thing: Thing, asked: Asked) -> bool:
    created = asked.params.get("created", {})
    return bool(thing["created"] >= created.get("gte", 0))


def _matches(asked: Asked, *names: str) -> Callable[[Thing], bool]:
    wanted = {name: asked.params[name] for name in names if name in asked.params}
    return lambda thing: all(thing[name] == value for name, value in wanted.items())


def _last(asked: Asked, index: int = -1) -> str:
    return asked.path.split("/")[index]


def _lines(fake: Fake, _owner: str, asked: Asked) -> Thing:
    page = _page(fake.books.lines, asked, _matches(asked, "type"))
    if "data.source" in asked.params.get("expand", []):
        sources = fake.books.transfers
        page["data"] = [{**line, "source": sources.get(line["source"], line["source"])} for line in page["data"]]
    return page


def _balance(fake: Fake, owner: str, _asked: Asked) -> Thing:
    available = [
        {"amount": amount, "currency": currency}
        for (whose, currency), amount in sorted(fake.books.balances.items())
        if whose == owner
    ]
    return {"object": "balance", "livemode": False, "available": available, "pending": []}


_ROUTES: dict[tuple[str, str], Callable[[Fake, str, Asked], Thing]] = {
    ("POST", "/v1/accounts"): lambda fake, _o, asked: fake.books.create_account(dict(asked.params)),
    ("GET", "/v1/accounts/{account}"): lambda fake, _o, asked: fake.books.account(_last(asked)),
    ("POST", "/v1/account_links"): lambda fake, _o, asked: fake.books.create_link(dict(asked.params), fake.base),
    ("POST", "/v1/transfers"): lambda fake, _o, asked: fake.books.create_transfer(dict(asked.params)),
    ("GET", "/v1/transfers"): lambda fake, _o, asked: _page(
        list(fake.books.transfers.values()), asked, _matches(asked, "transfer_group", "destination")
    ),
    ("POST", "/v1/transfers/{id}/reversals"): lambda fake, _o, asked: fake.books.reverse(
        _last(asked, -2), dict(asked.params)
    ),
    ("POST", "/v1/payouts"): lambda fake, owner, asked: fake.books.create_payout(owner, dict(asked.params)),
    ("GET", "/v1/payouts"): lambda fake, owner, asked: _page(
        list(fake.books.payouts.values()), asked, lambda payout: fake.books.owners[payout["id"]] == owner
    ),
    ("GET", "/v1/balance"): _balance,
    ("GET", "/v1/balance_transactions"): _lines,
    ("GET", "/v1/events"): lambda fake, _o, asked: _page(fake.books.events, asked, _matches(asked, "type")),
    ("POST", "/v1/tokens"): lambda _f, _o, asked: {"id": "tok_1", "object": "token", "type": "pii", "used": False},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    fake: Fake

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path.startswith("/setup/"):
            self.fake.books.finish_onboarding(self.path.split("/")[2])
            answer: Answer | None = Answer(200, {"done": True})
        else:
            answer = self.fake.answer(self.command, self.path, body, self.headers)  # type: ignore[arg-type]  # a Message
        if answer is None:
            self.close_connection = True
            return
        raw = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Request-Id", "req_fake")
        if answer.is_replay:
            self.send_header("Idempotent-Replayed", "true")
        self.end_headers()
        self.wfile.write(raw)
        self.wfile.flush()


@contextmanager
def serving(*, spec: Mapping[str, Any], shapes: Mapping[str, Thing], port: int = 0) -> Iterator[Fake]:
    """A fake on the loopback address, gone afterwards."""
    fake = Fake(Books(shapes), Spec(spec))
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    fake.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
