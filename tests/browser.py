"""What a browser does with the desk's buttons: it asks, and sends the form of the page that it was shown."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

ASKING = ("action", "_selected_action", "select_across", "index")
SEAL = re.compile(r'name="figures" value="(\w{64})"')


def seal_in(page: str) -> str:
    """The seal of a page that asks; empty for every other page."""
    found = SEAL.search(page)
    return found[1] if found else ""


def press(client: Client, url: str, form: dict[str, Any], *, follow: bool = False) -> Any:
    """Choose rows and an action, and where that is confirmed, send the form with the seal of the page that asked.

    A form that brings ``figures`` is sent as it is: of a page that was shown before, or of none.
    """
    if form.get("confirmed") and "figures" not in form:
        shown = client.post(url, {name: form[name] for name in ASKING if name in form})
        form = {**form, "figures": seal_in(shown.content.decode())}
    return client.post(url, form, follow=follow)
