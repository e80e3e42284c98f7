"""The kernel's door: what every floor may use."""

from __future__ import annotations

from core.models.access_token import AccessToken
from core.models.base import CadreModel, PublicIdField, TenantModel
from core.models.event import Event
from core.models.operation import Operation
from core.models.tenant import Tenant, TenantAccess
from core.models.user import User
from core.models.walled import OwnedQuerySet, WalledQuerySet
from core.principal import Kind, Principal
from core.unit_of_work import unit_of_work
from core.walls import Wall

__all__ = [
    "AccessToken",
    "CadreModel",
    "Event",
    "Kind",
    "Operation",
    "OwnedQuerySet",
    "Principal",
    "PublicIdField",
    "Tenant",
    "TenantAccess",
    "TenantModel",
    "User",
    "Wall",
    "WalledQuerySet",
    "unit_of_work",
]
