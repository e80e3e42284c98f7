"""The experts' floor on the operators' desk: queues to work off, and people with their whole history."""

from __future__ import annotations

from experts.admin import justice, people, proof

__all__ = ["justice", "people", "proof"]
