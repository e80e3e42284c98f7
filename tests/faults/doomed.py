"""The real application with trapdoors: whoever comes to a named point finds a token there and dies of kill -9.

``DOOM`` is a folder; a file in it named after a point kills whoever takes it, once. ``DOOM_VICTIM`` says who dies: the
pool ``child`` that stands there, or the whole ``worker``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import django

from config.celery import app

django.setup()  # the worker would do so later, and the traps are set now

from payments.operations.rails import sending
from payments.providers.sandbox import SandboxProvider

__all__ = ["POINTS", "app"]

POINTS: Final = ("before_the_provider", "after_the_provider", "before_the_commit", "before_asking", "after_asking")
_FOLDER: Final = Path(os.environ.get("DOOM", "/nonexistent"))


def _die_at(point: str) -> None:
    try:
        (_FOLDER / point).unlink()
    except FileNotFoundError:
        return
    if os.environ["DOOM_VICTIM"] == "worker":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _trap(function: Callable[..., Any], *, before: str = "", after: str = "") -> Callable[..., Any]:
    @wraps(function)
    def trapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            _die_at(before)
        result = function(*args, **kwargs)
        if after:
            _die_at(after)
        return result

    return trapped


if "DOOM" in os.environ:
    SandboxProvider.submit = _trap(  # type: ignore[method-assign]  # a trapdoor in the real class
        SandboxProvider.submit, before="before_the_provider", after="after_the_provider"
    )
    SandboxProvider.lookup = _trap(  # type: ignore[method-assign]  # a trapdoor in the real class
        SandboxProvider.lookup, before="before_asking", after="after_asking"
    )
    sending.record = _trap(sending.record, after="before_the_commit")
