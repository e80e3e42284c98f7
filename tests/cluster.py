"""A pytest plugin: one throw-away PostgreSQL and Valkey for the run, before pytest-django reads the settings.

It is named with ``-p`` in pyproject.toml, because conftest.py is loaded after the settings. Servers that the
environment names already (DATABASE_URL with DATABASE_OWNER_URL, REDIS_URL) are used instead. The processes of
pytest-xdist inherit the environment; each gets a Valkey database of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.embedded import start_postgres, start_valkey

_PREFIX = "cadre-tests-"
_resources = ExitStack()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    """Runs around the hook in which pytest-django loads the settings."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        server = urlsplit(os.environ["REDIS_URL"])
        os.environ["REDIS_URL"] = server._replace(path=f"/{1 + int(worker.removeprefix('gw')) % 15}").geturl()
    else:
        _start()
    return (yield)


def pytest_unconfigure() -> None:
    """Stop what was started, also after Ctrl-C. After kill -9 the kernel stops it."""
    _resources.close()


def _start() -> None:
    atexit.register(_resources.close)  # a usage error ends pytest before it is configured
    _remove_leftovers()
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    home.chmod(0o711)  # PostgreSQL runs as nobody where the tests run as root
    (home / "static").mkdir()
    _resources.callback(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(CADRE_MODE="development", CADRE_HOME=str(home))
    if "DATABASE_URL" not in os.environ:
        postgres = start_postgres(home, fsync=False)
        _resources.callback(postgres.stop)
        os.environ.update(DATABASE_URL=postgres.app_url, DATABASE_OWNER_URL=postgres.owner_url)
    elif "DATABASE_OWNER_URL" not in os.environ:
        raise pytest.UsageError(
            "DATABASE_URL is set and DATABASE_OWNER_URL is not. The tests work as cadre_app, and cadre_owner makes the "
            "test database; `manage.py bootstrap_roles` creates both."
        )
    if "REDIS_URL" not in os.environ:
        valkey = start_valkey(home)
        _resources.callback(valkey.stop)
        os.environ["REDIS_URL"] = valkey.url


def _remove_leftovers() -> None:
    """Folders of runs that were killed: their processes are gone, their files are not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
