"""What happened to a row, read from the guarded history tables, as pages of the desk show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

SHOWN = 100
"""So many history rows a page shows at most."""


def recent_history(obj: models.Model) -> list[dict[str, Any]]:
    """The last 100 history rows of an object, each with the fields that changed."""
    for relation in type(obj)._meta.related_objects:
        if hasattr(relation.related_model, "pgh_tracked_model") and relation.field.name == "pgh_obj":
            events = relation.related_model._default_manager.filter(pgh_obj_id=obj.pk).order_by("-pgh_id")
            # One more than is shown: the oldest is told by what changed in it, too.
            return _differences(list(events.values()[: SHOWN + 1])[::-1])[:SHOWN]
    return []


def recent_memberships(user_id: int, members: Mapping[type[models.Model], str]) -> list[dict[str, Any]]:
    """The last 100 times that somebody was put into something or taken out of it, newest first.

    ``members`` maps the history of a table of memberships → the field that says into what.
    """
    found = []
    for history, field in members.items():
        rows = list(history._default_manager.filter(user_id=user_id).order_by("-pgh_id").values()[:SHOWN])
        target: Any = history._meta.get_field(field).related_model
        names = {
            row.pk: str(row) for row in target._default_manager.filter(pk__in={row[f"{field}_id"] for row in rows})
        }
        found += [_membership(row, field, names) for row in rows]
    return sorted(found, key=lambda row: row["at"], reverse=True)[:SHOWN]


def _membership(row: dict[str, Any], field: str, names: Mapping[int, str]) -> dict[str, Any]:
    context = row["pgh_context"] or {}
    what = names.get(row[f"{field}_id"], str(row[f"{field}_id"]))
    gone = row["pgh_label"] == "delete"
    return {
        "at": row["pgh_created_at"],
        "what": row["pgh_label"],
        "who": context.get("actor", "–"),
        "why": context.get("reason", ""),
        "changes": [(field, what if gone else None, None if gone else what)],
    }


def _differences(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    former: dict[str, Any] = {}
    changes = []
    for row in rows:
        context = row["pgh_context"] or {}
        fields = {name: value for name, value in row.items() if not name.startswith("pgh_")}
        changes.append(
            {
                "at": row["pgh_created_at"],
                "what": row["pgh_label"],
                "who": context.get("actor", "–"),
                "why": context.get("reason", ""),
                "changes": [(n, former.get(n), v) for n, v in fields.items() if former.get(n) != v],
            }
        )
        former = fields
    return changes[::-1]
