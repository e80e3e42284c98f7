"""The API: how it answers, how it describes itself, and how often one caller may ask."""

from __future__ import annotations

from typing import Any

from config.settings.mode import DEVELOPMENT, env

REST_FRAMEWORK: dict[str, Any] = {
    "EXCEPTION_HANDLER": "core.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.EndpointSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # each audience's view names its own
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "URL_FORMAT_OVERRIDE": None,  # ?format= belongs to the endpoints that declare it
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Cadre",
    "DESCRIPTION": "A marketplace where AI labs buy expert judgement and experts are paid for it to the cent.",
    "VERSION": "1",
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["core.api.openapi.finish"],
}
# "requests/seconds", per caller; "closed" refuses while Valkey cannot be asked.
RATE_LIMITS: dict[str, str] = {
    "default": env.str("RATE_LIMIT", "1200/60"),
    "money": env.str("RATE_LIMIT_MONEY", "120/60 closed"),
    "login": env.str("RATE_LIMIT_LOGIN", "60/60 closed"),
    "events": env.str("RATE_LIMIT_EVENTS", "6000/60"),  # providers deliver a pay run's events in bursts
}
RATE_LIMITS_ENABLED: bool = env.bool("RATE_LIMITS_ENABLED", True)
# Measurements tell how busy an instance is and which of its doors are used: without a token nobody reads them.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")
METRICS_OPEN: bool = DEVELOPMENT
