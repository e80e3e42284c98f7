"""Tables of the kernel."""

from __future__ import annotations

from core.models.access_token import AccessToken
from core.models.clock_offset import ClockOffset
from core.models.event import Event, EventHandling
from core.models.idempotency import IdempotencyRecord
from core.models.operation import Operation
from core.models.tenant import Tenant, TenantAccess
from core.models.user import User, UserGroup, UserPermission

__all__ = [
    "AccessToken",
    "ClockOffset",
    "Event",
    "EventHandling",
    "IdempotencyRecord",
    "Operation",
    "Tenant",
    "TenantAccess",
    "User",
    "UserGroup",
    "UserPermission",
]
