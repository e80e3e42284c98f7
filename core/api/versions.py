"""Conditional writes: whoever says what he has looked at is refused when it has changed since (RFC 9110, 13.1.1).

A GET answers with an `ETag`; a write that is sent with it as `If-Match` happens only if the same GET would still answer
the same. Without the header a write happens anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from core.api import wire
from core.api.call import Call
from core.problems import DomainError

HEADER: Final = "If-Match"
_ANY: Final = "*"


class StaleVersion(DomainError):
    """What you looked at has changed since: its `ETag` is another one than your `If-Match`. Nothing was done.

    Look at it again, and send the request with the new tag if you still mean it.
    """

    code = "stale_version"
    status = 412
    title = _("It has changed since you looked")


def _whole(shown: Any) -> Any:
    return shown


@dataclass(frozen=True, slots=True)
class Version:
    """What the version of a thing is made of.

    ``show`` gives what its GET answers; ``lock`` makes everybody wait who could change it; both take the call and the
    variables of the path. ``of`` picks the members that count, where some follow from the time of day.
    """

    show: Callable[..., Any]
    lock: Callable[..., None]
    of: Callable[[Any], Any] = _whole

    def tag(self, shown: Any) -> str:
        """The strong `ETag` of a representation."""
        return f'"{hashlib.sha256(wire.dumps(self.of(shown))).hexdigest()[:32]}"'

    def require(self, call: Call, wanted: str | None) -> None:
        """Hold a write to its `If-Match`, and what it is about still until the transaction ends. Raises StaleVersion."""
        if wanted is None:
            return
        self.lock(call, **call.path)
        present = self.tag(self.show(call, **call.path))
        if not {_ANY, present} & {part.strip() for part in wanted.split(",")}:
            raise StaleVersion
