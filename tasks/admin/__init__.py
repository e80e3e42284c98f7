"""The floor ``tasks`` on the operators' desk: the review queue, and everything else to look at."""

from __future__ import annotations

from tasks.admin import batches, reviews, rubrics

__all__ = ["batches", "reviews", "rubrics"]
