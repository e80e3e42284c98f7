"""What kind of instance this is, and where it lives. Production is the default; development has to be asked for."""

from __future__ import annotations

from pathlib import Path

from environs import Env

env = Env()
BASE_DIR = Path(__file__).resolve().parents[2]

CADRE_MODE: str = env.str("CADRE_MODE", "production")
if CADRE_MODE not in {"development", "production"}:
    raise ValueError("CADRE_MODE is either development or production.")
DEVELOPMENT = CADRE_MODE == "development"
DEBUG = False  # tracebacks go to the log; a page that shows them has no place in a system with money in it
SECRET_KEY: str = env.str("SECRET_KEY", "development-only-" + "x" * 50 if DEVELOPMENT else "")
CADRE_HOME = Path(env.str("CADRE_HOME", str(BASE_DIR / ".local"))).resolve()
BASE_URL: str = env.str("BASE_URL", f"http://127.0.0.1:{env.int('PORT', 8000)}")
CLOCK_MOVABLE: bool = env.bool("CLOCK_MOVABLE", DEVELOPMENT)
if CLOCK_MOVABLE and not DEVELOPMENT:
    raise ValueError("CLOCK_MOVABLE is for development mode: a production clock cannot be moved.")
