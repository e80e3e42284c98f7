"""Reading HTML as the story's operators do: forms with their hidden fields, the rows of a list, the messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


class NoSuchForm(LookupError):
    """The page has no form with the field that was looked for; the message holds what the page says."""


@dataclass
class Form:
    """One form: where it goes, and the fields it would send untouched."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Page:
    """The forms of a page, the keys of the rows that can be ticked, and its visible text."""

    forms: list[Form]
    rows: list[str]
    text: str

    def form_with(self, name: str) -> Form:
        """The form that has a field of this name. Raises NoSuchForm."""
        for form in self.forms:
            if name in form.fields or name in form.choices:
                return form
        raise NoSuchForm(f"No form with a field {name} on this page:\n{self.text[:2000]}")


def read(html: str) -> Page:
    """Parse one page."""
    reader = _Reader()
    reader.feed(html)
    return Page(reader.forms, reader.rows, " ".join(" ".join(reader.words).split()))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.rows: list[str] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag in {"script", "style"}:
            self._silent += 1
        elif tag == "select":
            self._select = given.get("name", "")
            if self._form is not None and self._select:
                self._form.choices[self._select] = []
        elif tag == "option" and self._form is not None and self._select:
            self._option(given)
        elif tag in {"input", "textarea"}:
            self._input(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag in {"script", "style"}:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    def _option(self, given: dict[str, str]) -> None:
        form, name = self._form, self._select
        if form is not None:
            form.choices[name].append(given.get("value", ""))
            if "selected" in given:
                form.fields[name] = given.get("value", "")

    def _input(self, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "text")
        if not name:
            return
        if name == "_selected_action" and kind == "checkbox":
            self.rows.append(given.get("value", ""))
        elif self._form is not None and _is_sent(kind, given):
            self._form.fields[name] = given.get("value", "")


def _is_sent(kind: str, given: dict[str, str]) -> bool:
    """Whether a browser would send the field untouched."""
    if kind in {"submit", "button", "image"}:
        return False
    return kind not in {"checkbox", "radio"} or "checked" in given
