"""The command line of the supervisor."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from config.embedded import ServerFailed, ServerMissing
from config.embedded.processes import free_port, spawn, stop
from config.supervisor import logins
from config.supervisor.crew import Crew
from config.supervisor.instance import ROOT, CannotStart, Instance


class Stopped(Exception):
    """A signal asked the supervisor to stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    if chosen.command == "codes":
        return _print_codes()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    try:
        match chosen.command:
            case "run":
                return _run()
            case "demo":
                return _demo(chosen)
            case _:
                return _scratch(chosen.words)
    except Stopped:
        return 0 if chosen.command == "run" else 130
    except (CannotStart, ServerMissing, ServerFailed, subprocess.CalledProcessError) as error:
        _say(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m config.supervisor", description="Run a whole Cadre on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="serve until Ctrl-C; PORT and CADRE_HOME make instances independent")
    demo = commands.add_parser("demo", help="play the demo story in a private instance")
    demo.add_argument("--input", type=Path, help="the lab's own tasks: NDJSON as the API takes them")
    demo.add_argument("--json", action="store_true", help="print the result as JSON")
    scratch = commands.add_parser("scratch", help="run a command with empty servers that disappear with it")
    scratch.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    commands.add_parser("codes", help="print the operators' one-time codes of this moment")
    return parser


def _run() -> int:
    instance = Instance(home=_home(), port=int(os.environ.get("PORT", "8000")))
    instance.open()
    try:
        crew = _bring_up(instance)
        _play_once(instance)
        _say(logins.summary(instance.base_url, instance.credentials))
        while True:
            for name in crew.revive():
                _say(f"{name} died and was started again; see {instance.logs / name}.log")
            time.sleep(1)
    finally:
        _say("Stopping …")
        _shut_down(instance)


def _demo(chosen: argparse.Namespace) -> int:
    story = ["--json"] if chosen.json else []
    if chosen.input:
        story += ["--input", str(chosen.input.resolve(strict=True))]
    with _private_instance() as instance:
        crew = _bring_up(instance)
        code = _manage(instance, "demo_story", *_where(instance), *story, check=False)
        if code:
            _say(
                f"{crew.tails()}\n\nThe story failed with exit code {code}: its last words are above these ends of logs."
            )
        return code


def _scratch(words: list[str]) -> int:
    with _private_instance() as instance:
        instance.start_servers()
        return _run_to_end(instance, words)


@contextmanager
def _private_instance() -> Iterator[Instance]:
    """An instance in a temporary folder on a free port, gone at the end. It touches nobody's servers."""
    home = Path(tempfile.mkdtemp(prefix="cadre-private-"))
    home.chmod(0o711)  # PostgreSQL runs as nobody when root runs this
    instance = Instance(home=home, port=free_port(), durable=False)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "BASE_URL"):
        instance.env.pop(name, None)
    instance.env["CADRE_MODE"] = "development"
    instance.open()
    try:
        yield instance
    finally:
        _shut_down(instance)
        shutil.rmtree(home, ignore_errors=True)


def _bring_up(instance: Instance) -> Crew:
    """Servers, schema, seed, processes: in the order in which each needs the one before."""
    _say("Starting PostgreSQL and Valkey …")
    instance.start_servers()
    _say("Migrating and seeding …")
    _manage(instance, "migrate", "--no-input", "--verbosity", "0")
    if instance.env["CADRE_MODE"] == "production":
        _manage(instance, "collectstatic", "--no-input", "--verbosity", "0")
    _manage(instance, "seed")
    _say(f"Starting web, workers and beat on {instance.base_url} …")
    crew = Crew(instance)
    crew.start()
    return crew


def _play_once(instance: Instance) -> None:
    """Fill a fresh instance with the demo story, so that every role finds something to do.

    A story that was interrupted is not played again over its own traces.
    """
    marker = instance.home / "demo-story"
    if instance.env["CADRE_MODE"] == "production" or marker.exists():
        if marker.exists() and marker.read_text() != "played":
            _say("The demo story was interrupted in this folder; a fresh CADRE_HOME plays it from the start.")
        return
    _say("Playing the demo story once …")
    marker.write_text("begun")
    if code := _manage(instance, "demo_story", *_where(instance), check=False):
        _say(f"The demo story stopped with exit code {code}; the site serves what there is. Logs: {instance.logs}")
        return
    marker.write_text("played")


def _where(instance: Instance) -> list[str]:
    return ["--base-url", instance.base_url, "--credentials", str(instance.credentials)]


def _manage(instance: Instance, *arguments: str, check: bool = True) -> int:
    """Run one management command to its end, on this terminal."""
    code = _run_to_end(instance, [sys.executable, str(ROOT / "manage.py"), *arguments])
    if check and code:
        raise subprocess.CalledProcessError(code, " ".join(["manage.py", *arguments]))
    return code


def _run_to_end(instance: Instance, command: list[str]) -> int:
    """A signal to the supervisor ends the command."""
    process = spawn(command, log=None, env=instance.env, death_signal=signal.SIGTERM)
    try:
        return process.wait()
    except Stopped:
        stop(process, by=signal.SIGTERM, grace=5)
        raise


def _shut_down(instance: Instance) -> None:
    """Web, workers, beat, Valkey, PostgreSQL; a second signal must not interrupt it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    instance.resources.close()


def _print_codes() -> int:
    credentials = _home() / "demo-credentials.json"
    if not credentials.exists():
        _say(f"{credentials} is not there yet: make run creates it.")
        return 1
    sys.stdout.write(logins.codes(credentials) + "\n")
    return 0


def _home() -> Path:
    return Path(os.environ.get("CADRE_HOME", ROOT / ".local")).resolve()


def _say(text: str) -> None:
    """To standard error: standard output belongs to the story, which may be JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _on_signal(number: int, _frame: FrameType | None) -> None:
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
