"""PostgreSQL, the history that it keeps, and Valkey."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pghistory

from config.settings.mode import env

# --- Database: the application's role works, the owner migrates -----------------------------------------------------


def _database(url: str) -> dict[str, Any]:
    """Django's settings for ``postgres://user:password@host:port/name``; a socket directory is written %2Fso."""
    parts = urlsplit(url)
    return {
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }


DATABASE_URL: str = env.str("DATABASE_URL", "postgres://cadre_app@localhost/cadre")
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **_database(DATABASE_URL),
        "ATOMIC_REQUESTS": True,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # else the first requests after a restart of PostgreSQL are errors
        "OPTIONS": {"pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL", 8), "timeout": 10}},
    }
}
_owner = _database(env.str("DATABASE_OWNER_URL", DATABASE_URL))
DATABASE_OWNER = {"USER": _owner["USER"], "PASSWORD": _owner["PASSWORD"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()  # the default context table is mutable and has no tenant
PGHISTORY_BASE_MODEL = "core.models.base.HistoryRow"

# --- Valkey and Celery ----------------------------------------------------------------------------------------------
REDIS_URL: str = env.str("REDIS_URL", "redis://localhost:6379/0")
# Shared by all processes: allauth counts failed log-ins in it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cadre",
        "TIMEOUT": 300,
    }
}
