"""What is shipped around the code agrees with the code: variables, roles, the licence."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.architecture.source import ROOT, settings_text

EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ENTRYPOINT = (ROOT / "deploy" / "entrypoint").read_text()
PROCESSES = ("web", "worker", "payments-worker", "beat")


def test_every_variable_of_the_example_is_read_somewhere() -> None:
    read = settings_text() + ENTRYPOINT + (ROOT / "docker-compose.yml").read_text()
    names = re.findall(r"^([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE)
    assert names
    assert [name for name in names if name not in read] == []


@pytest.mark.parametrize("process", [*PROCESSES, "migrate"])
def test_every_process_of_compose_is_a_role_of_the_image(process: str) -> None:
    assert COMPOSE["services"][process]["command"] == [process]
    assert re.search(rf"^{process}\)$", ENTRYPOINT, flags=re.MULTILINE)


@pytest.mark.parametrize("process", PROCESSES)
def test_processes_wait_for_schema_and_servers_and_are_checked(process: str) -> None:
    service = COMPOSE["services"][process]
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert service["depends_on"]["postgres"] == service["depends_on"]["valkey"] == {"condition": "service_healthy"}
    assert service["healthcheck"]["test"][-1] == process


@pytest.mark.parametrize("process", PROCESSES)
def test_the_owners_password_stays_with_the_migrations(process: str) -> None:
    environment = COMPOSE["services"][process]["environment"]
    assert "DATABASE_OWNER_URL" not in environment
    assert "DATABASE_SUPERUSER_URL" not in environment
    assert environment["CADRE_OWNER_PASSWORD"] == environment["POSTGRES_PASSWORD"] == ""
    assert "cadre_app" in environment["DATABASE_URL"]


def test_the_image_runs_without_privileges() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.rindex("USER cadre") > dockerfile.rindex("FROM ")
    assert "requirements-dev.lock" not in dockerfile


def test_processes_check_their_log_in_and_keys_before_they_serve() -> None:
    [gate] = re.findall(r"in ([\w |-]+)\) python manage\.py check --database default", ENTRYPOINT)
    assert gate.split(" | ") == list(PROCESSES)
    assert re.search(r"^VAULT_KEYS=", EXAMPLE, flags=re.MULTILINE)


def test_the_entrypoint_is_a_valid_script() -> None:
    subprocess.run(["sh", "-n", ROOT / "deploy" / "entrypoint"], check=True)


def test_the_licence_is_apache_2() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "Version 2.0" in (ROOT / "LICENSE").read_text()
