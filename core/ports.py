"""Questions that the kernel asks of the floors above, answered by whoever registers in ``AppConfig.ready()``."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


declared: list[Port[Any]] = []
"""Every slot of every app, for the system check."""


class MissingPort(RuntimeError):
    """A port was used before anybody registered for it; the system check names it at start-up."""


class Subjects(Protocol):
    """Who a signed-in user is on the experts' floor."""

    def subject_of(self, user_id: int) -> int | None:
        """The key of the user's expert profile, or None when he has none."""
        ...


class Port(Generic[T]):
    """One slot for one implementation; there is no silent default."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._implementation: T | None = None
        declared.append(self)

    def register(self, implementation: T) -> None:
        """Fill the slot."""
        self._implementation = implementation

    def get(self) -> T:
        """The implementation. Raises MissingPort when there is none."""
        if self._implementation is None:
            raise MissingPort(self.name)
        return self._implementation

    @property
    def is_registered(self) -> bool:
        """Whether somebody answers."""
        return self._implementation is not None


subjects: Port[Subjects] = Port("core.ports.Subjects")
