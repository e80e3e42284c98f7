"""What happened to a row, read from the guarded history tables, as pages of the desk show it."""

from __future__ import annotations

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
