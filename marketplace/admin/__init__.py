"""The marketplace on the operators' desk: labs, hiring, contracts and the wall."""

from __future__ import annotations

from marketplace.admin import contracts, hiring, labs, wall

__all__ = ["contracts", "hiring", "labs", "wall"]
