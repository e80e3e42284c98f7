"""Bind a caller's reach to the running transaction, so that PostgreSQL shows him his rows and no others.

The reach lives in two settings that end with the transaction: the role (``cadre_admin`` for the platform, else none)
and ``app.tenant_ids``. No shadow of them is kept in Python: what the database has is the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from psycopg.pq import TransactionStatus

from core.principal import Principal

PLATFORM_ROLE = "cadre_admin"


class ScopeError(RuntimeError):
    """A scope was bound outside a transaction, where it would be lost at the next statement."""


def bind(principal: Principal) -> None:
    """Show the open transaction the rows that ``principal`` may reach. Raises ScopeError outside a transaction."""
    role = PLATFORM_ROLE if principal.is_platform else "none"
    _set(role, ",".join(str(tenant_id) for tenant_id in principal.tenant_ids))


def extend(tenant_id: int) -> None:
    """Add one tenant to the bound reach: an expert who applies to a lab for the first time."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.tenant_ids',"
            " concat_ws(',', NULLIF(current_setting('app.tenant_ids', true), ''), %s::text), true)",
            [tenant_id],
        )


@contextmanager
def as_platform() -> Iterator[None]:
    """Take the platform's role for a few statements, then give it back.

    For what crosses tenants by its nature: writing the ledger, ranking candidates, reading another lab's exposures.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), set_config('role', %s, true)", [PLATFORM_ROLE])
        role = cursor.fetchone()[0]
    try:
        yield
    finally:
        if not _is_broken():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('role', %s, true)", [role])


@contextmanager
def restored() -> Iterator[None]:
    """Give the outer scope back afterwards: for a unit of work nested in another transaction."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('app.tenant_ids', true)")
        role, tenant_ids = cursor.fetchone()
    try:
        yield
    finally:
        if not _is_broken():
            _set(role, tenant_ids or "")


def _set(role: str, tenant_ids: str) -> None:
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('role', %s, true), set_config('app.tenant_ids', %s, true)",
            [role, tenant_ids],
        )


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise ScopeError("A scope belongs to a transaction: open a unit of work first.")


def _is_broken() -> bool:
    """After a failed statement nothing more can be said; the rollback takes the scope back anyway."""
    raw = connection.connection
    return (
        raw is None
        or raw.closed
        or connection.needs_rollback  # refused before it was sent, such as text with U+0000
        or raw.info.transaction_status == TransactionStatus.INERROR
    )
