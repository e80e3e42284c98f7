"""Hours and money on the operators' desk: queues to work off; everything that was settled only to look at."""

from payments.admin import adjustments, hours

__all__ = ["adjustments", "hours"]
