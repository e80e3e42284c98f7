"""Who is calling: one value that every edge makes and every gate reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The five kinds of caller."""

    LAB = "lab"
    EXPERT = "expert"
    STAFF = "staff"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller with what the walls need to know about him.

    ``label`` names him in the history ("key:key_…", "user:usr_…", "job:payments.pay").
    ``tenant_ids`` is his reach: the tenants whose rows the database shows him. A lab reaches its own tenant,
    an expert every tenant he ever had to do with, staff and jobs need none because they switch the role.
    ``only_member_id`` is the user whom alone a lab's key may name as who decides; None for a key of nobody in particular.
    ``subject_id`` is the key of the person on the experts' floor; the kernel does not know what it means.
    """

    kind: Kind
    label: str
    user_id: int | None = None
    tenant_id: int | None = None
    tenant_ids: tuple[int, ...] = ()
    subject_id: int | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    token_id: int | None = None
    only_member_id: int | None = None
    sandbox: bool = False

    def can(self, scope: str) -> bool:
        """Whether the caller's key carries ``scope``; "noun:write" includes "noun:read"."""
        if scope in self.scopes:
            return True
        noun, _, verb = scope.partition(":")
        return verb == "read" and f"{noun}:write" in self.scopes

    @property
    def is_platform(self) -> bool:
        """Whether the caller works for the platform and therefore sees every tenant."""
        return self.kind in {Kind.STAFF, Kind.SYSTEM}

    @classmethod
    def system(cls, name: str) -> Principal:
        """The platform itself, in the job or command called ``name``."""
        return cls(kind=Kind.SYSTEM, label=f"job:{name}")

    @classmethod
    def anonymous(cls) -> Principal:
        """Somebody without credentials: sees public pages only."""
        return cls(kind=Kind.ANONYMOUS, label="anonymous")
