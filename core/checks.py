"""System checks: a process that could see over the walls, or that lacks an answer, does not start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

from core import ports


@register()
def every_port_is_answered(**_options: Any) -> list[CheckMessage]:
    """Each declared port has an implementation."""
    return [
        Error(f"Nobody answers the port {port.name}.", id="core.E001", hint="Register it in AppConfig.ready().")
        for port in ports.declared
        if not port.is_registered
    ]


@register(Tags.database)
def the_role_cannot_see_over_the_walls(
    *, databases: Sequence[str] | None = None, **_options: Any
) -> list[CheckMessage]:
    """The log-in role is no superuser, bypasses no policy, inherits nothing and owns nothing."""
    if not databases:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, pg_has_role(current_user, 'cadre_admin', 'USAGE'),"
            " EXISTS (SELECT 1 FROM pg_class WHERE relowner = pg_roles.oid AND relnamespace = 'public'::regnamespace)"
            " FROM pg_roles WHERE rolname = session_user"
        )
        findings = zip(
            ("is a superuser", "bypasses row-level security", "inherits cadre_admin", "owns tables"),
            cursor.fetchone(),
            strict=True,
        )
    return [
        Error(f"The database role {what}: the walls would be open.", id="core.E002", hint="manage.py bootstrap_roles")
        for what, found in findings
        if found
    ]
