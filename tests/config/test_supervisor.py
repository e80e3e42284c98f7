"""The supervisor: refuses politely, prints what a person needs, stops in order, leaves nothing behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.processes import free_port
from config.supervisor import logins
from config.supervisor.__main__ import main
from config.supervisor.instance import ROOT, CannotStart, Instance


@pytest.fixture
def instance(home: Path) -> Iterator[Instance]:
    opened = Instance(home=home, port=free_port(), durable=False)
    opened.open()
    yield opened
    opened.resources.close()


def test_a_second_instance_in_the_same_folder_is_refused_with_a_way_out(instance: Instance) -> None:
    with pytest.raises(CannotStart, match="Set CADRE_HOME and PORT"):
        Instance(home=instance.home, port=free_port()).open()


def test_the_folder_is_free_again_once_the_first_instance_is_closed(instance: Instance) -> None:
    instance.resources.close()
    second = Instance(home=instance.home, port=free_port())
    second.open()
    second.resources.close()


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} is taken"):
            Instance(home=home, port=port).open()


def test_the_secret_key_outlives_a_restart_and_is_closed_to_others(home: Path) -> None:
    keys = set()
    for _ in range(2):
        instance = Instance(home=home, port=free_port(), env={})
        instance.open()
        keys.add(instance.env["SECRET_KEY"])
        instance.resources.close()
    assert len(keys) == 1
    assert (home / "secret-key").stat().st_mode & 0o777 == 0o600


def test_a_given_database_without_its_owner_is_refused(home: Path) -> None:
    instance = Instance(home=home, port=free_port(), env={"DATABASE_URL": "postgresql://cadre_app@db/cadre"})
    with pytest.raises(CannotStart, match="DATABASE_OWNER_URL is not"):
        instance.start_servers()
    assert not (home / "postgres").exists()


def test_given_servers_are_used_and_none_are_started(home: Path) -> None:
    given = {
        "DATABASE_URL": "postgresql://a@db/x",
        "DATABASE_OWNER_URL": "postgresql://o@db/x",
        "REDIS_URL": "redis://r",
    }
    instance = Instance(home=home, port=free_port(), env=dict(given))
    instance.start_servers()
    assert instance.env == given
    assert not (home / "postgres").exists()


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (2000000000, "279037")]
)
def test_codes_agree_with_rfc_6238(at: int, code: str) -> None:
    assert logins.totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", at=at) == code


def test_the_summary_names_every_log_in(tmp_path: Path) -> None:
    credentials = tmp_path / "demo-credentials.json"
    known = {
        "labs": [{"name": "Aster Lab", "api_key": "key-of-aster"}],
        "experts": [{"email": "ada@example.org", "password": "ada-secret", "token": "t", "domain": "medicine"}],
        "staff": [
            {"email": "ops@example.org", "password": "ops-secret", "role": "verifier", "totp_secret": "GEZDGNBV"}
        ],
    }
    credentials.write_text(json.dumps(known))
    text = logins.summary("http://127.0.0.1:8000", credentials)
    for expected in (
        "http://127.0.0.1:8000/admin/",
        "key-of-aster",
        "ada-secret",
        "medicine",
        "ops-secret",
        "verifier",
    ):
        assert expected in text
    assert "ops@example.org" in logins.codes(credentials)


def test_codes_before_the_first_run_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CADRE_HOME", str(tmp_path))
    assert main(["codes"]) == 1
    assert "make run creates it" in capsys.readouterr().err


def test_scratch_gives_a_command_its_own_servers_and_passes_its_exit_code() -> None:
    code = "import os, sys; sys.exit(40 + ('cadre_app' in os.environ['DATABASE_URL']) + ('redis' in os.environ['REDIS_URL']))"
    command = [sys.executable, "-m", "config.supervisor", "scratch", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 42, done.stderr


def test_make_help_names_the_targets() -> None:
    listing = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "fmt", "bench", "demo", "help"):
        assert f"make {target} " in listing
