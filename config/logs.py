"""Structured logs: one line per event, JSON in production, readable in development."""

from __future__ import annotations

from typing import Any

import structlog

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.StackInfoRenderer(),
]


def logging_settings(shape: str) -> dict[str, Any]:
    """Django's LOGGING for ``shape`` "json" or "console"; configures structlog on the way."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # A rich traceback would print every local variable: keys and account numbers, on a page for each 403.
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = structlog.processors.JSONRenderer() if shape == "json" else console
    processors: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if shape == "json":
        processors.append(structlog.processors.format_exc_info)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [*processors, renderer],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        # fontTools tells of every glyph that it puts into a PDF.
        "loggers": {name: {"level": "WARNING"} for name in ("django_structlog", "django.server", "fontTools")},
    }
