"""An operator at the desk: logs in through the real forms and works the real admin pages, as a browser would."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from config.demo import forms
from config.demo.api import Unexpected
from config.demo.forms import Page
from config.demo.transport import Answer, Transport
from config.supervisor.logins import totp

LOGIN = "/accounts/login/"
REAUTHENTICATE = "/accounts/reauthenticate/"
_CODE_PERIOD = 30  # seconds, as RFC 6238 has it
_CODE_MARGIN = 1.5
_CODE_ATTEMPTS = 2
_MOST_REDIRECTS = 8
DONE = re.compile(r"\d+ (?:done|proposed)[.,]")
"""What the desk says when something was done, or waits for another person."""


class Refused(RuntimeError):
    """The desk did not do what the operator asked; the message is what the page says."""


@dataclass
class Desk:
    """One browser session of one member of staff."""

    transport: Transport
    email: str
    password: str
    totp_secret: str
    _cookies: SimpleCookie = field(default_factory=SimpleCookie, repr=False)
    _logged_in: bool = False
    _used_code: str = ""

    def open(self, path: str) -> Page:
        """A page of the desk; logs in first where that is needed."""
        if not self._logged_in:
            self._log_in()
        return forms.read(self._follow(self._send("GET", path)).text)

    def find(self, change_list: str, search: str) -> str:
        """The key of the one row that a change list shows for ``search``. Raises Refused."""
        page = self.open(f"{change_list}?{urlencode({'q': search})}")
        if len(page.rows) != 1:
            raise Refused(f"{self.email}: {change_list} shows {len(page.rows)} rows for {search}.\n{page.text[:1500]}")
        return page.rows[0]

    def act(self, change_list: str, action: str, keys: Sequence[str], *, reason: str = "", choice: str = "") -> str:
        """Tick rows, choose an action, read the confirmation, confirm; the text of the page that follows.

        Raises Refused when the desk does not offer the action, or says that something could not be done.
        """
        asked = self._choose(change_list, action, keys)
        if urlsplit(asked[0]).path.startswith(REAUTHENTICATE):
            self._prove(asked[0], asked[1])
            asked = self._choose(change_list, action, keys)
        where, page = asked
        try:
            form = page.form_with("confirmed")
        except forms.NoSuchForm as error:
            raise Refused(f"{self.email}: {action} on {change_list} asks for no confirmation.\n{error}") from error
        filled = {**form.fields, "_selected_action": list(keys)}
        if "reason" in form.fields:
            filled["reason"] = reason
        if "choice" in form.choices:
            filled["choice"] = choice or next(filter(None, form.choices["choice"]))
        answer = self._follow(self._submit(where, filled))
        done = forms.read(answer.text)
        if answer.status != 200 or DONE.search(done.text) is None:
            raise Refused(f"{self.email}: {action} on {change_list} was not done.\n{done.text[:2000]}")
        return done.text

    def on(self, change_list: str, action: str, public_id: str, *, reason: str = "", choice: str = "") -> str:
        """The same on the one row that is found by its public id."""
        return self.act(change_list, action, [self.find(change_list, public_id)], reason=reason, choice=choice)

    def submit(self, path: str, marker: str, **filled: str) -> Page:
        """Open a page, fill in the form that has the field ``marker``, send it; the page that follows."""
        form = self.open(path).form_with(marker)
        answer = self._follow(self._submit(urljoin(path, form.action or path), {**form.fields, **filled}))
        return forms.read(answer.text)

    def prove_again(self, next_path: str) -> None:
        """The step-up before money moves: the password once more, through the site's own form. Raises Refused."""
        path = f"{REAUTHENTICATE}?{urlencode({'next': next_path})}"
        self._prove(path, self.open(path))

    def status(self, method: str, path: str, **filled: str) -> int:
        """What the site answers to a request that no page offers: its status."""
        self.open("/admin/")
        crafted = {**filled, "csrfmiddlewaretoken": self._cookies["csrftoken"].value}
        body = urlencode(crafted).encode() if method == "POST" else b""
        return self._send(method, path, body).status

    def _choose(self, change_list: str, action: str, keys: Sequence[str]) -> tuple[str, Page]:
        page = self.open(change_list)
        form = page.form_with("action")
        if action not in form.choices["action"]:
            raise Refused(f"{self.email}: {change_list} offers {form.choices['action']}, not {action}.")
        chosen = {**form.fields, "action": action, "_selected_action": list(keys), "index": "0"}
        answer, where = self._trace(self._submit(change_list, chosen), change_list)
        return where, forms.read(answer.text)

    def _log_in(self) -> None:
        self._logged_in = True
        page = forms.read(self._follow(self._send("GET", f"{LOGIN}?next=/admin/")).text)
        filled = {**page.form_with("password").fields, "login": self.email, "password": self.password}
        answer, where = self._trace(self._submit(LOGIN, filled), LOGIN)
        for _attempt in range(_CODE_ATTEMPTS):
            form = forms.read(answer.text).form_with("code")
            answer, path = self._trace(self._submit(where, {**form.fields, "code": self._fresh_code()}), where)
            if answer.status == 200 and urlsplit(path).path.startswith("/admin/"):
                return
        raise Refused(f"{self.email} could not log in.\n{forms.read(answer.text).text[:1500]}")

    def _prove(self, where: str, page: Page) -> None:
        form = page.form_with("password")
        answer = self._follow(self._submit(where, {**form.fields, "password": self.password}))
        if answer.status >= 400:
            raise Refused(f"{self.email} could not prove himself again.\n{forms.read(answer.text).text[:1500]}")

    def _fresh_code(self) -> str:
        """A code that was not used yet, since each is accepted once, and that does not run out on its way."""
        while True:
            left = _CODE_PERIOD - time.time() % _CODE_PERIOD
            code = totp(self.totp_secret, at=int(time.time()))
            if code != self._used_code and left > _CODE_MARGIN:
                self._used_code = code
                return code
            time.sleep(left + 0.05)

    def _submit(self, path: str, filled: Mapping[str, str | Sequence[str]]) -> Answer:
        return self._send("POST", path, urlencode(filled, doseq=True).encode())

    def _follow(self, answer: Answer) -> Answer:
        return self._trace(answer, "/")[0]

    def _trace(self, answer: Answer, path: str) -> tuple[Answer, str]:
        """Follow redirects; the last answer and where it came from."""
        for _ in range(_MOST_REDIRECTS):
            if answer.status not in {301, 302, 303}:
                if answer.status >= 500:
                    raise Unexpected("GET", path, answer)
                return answer, path
            path = urljoin(path, answer.headers["location"])
            answer = self._send("GET", path)
        raise Unexpected("GET", path, answer)

    def _send(self, method: str, path: str, body: bytes = b"") -> Answer:
        headers = {"Accept": "text/html", "Referer": self.transport.origin + "/", "Origin": self.transport.origin}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = self.transport.send(method, path, headers, body)
        for line in answer.headers.get("set-cookie", "").split("\n"):
            self._cookies.load(line)
        return answer
