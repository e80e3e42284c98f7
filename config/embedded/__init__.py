"""PostgreSQL and Valkey without an installation: for development, the demo and the tests, never for production.

Both listen on the loopback address only, with passwords that are made once per instance.
"""

from __future__ import annotations

from config.embedded.binaries import ServerMissing
from config.embedded.postgres import PostgresServer, start_postgres
from config.embedded.processes import ServerFailed
from config.embedded.valkey import ValkeyServer, start_valkey

__all__ = ["PostgresServer", "ServerFailed", "ServerMissing", "ValkeyServer", "start_postgres", "start_valkey"]
