"""What a person needs to try Cadre: addresses, log-ins and one-time codes, from the credentials the seed wrote."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any


def summary(base_url: str, credentials: Path) -> str:
    """The addresses and the log-ins, one per line."""
    lines = [
        "",
        "Cadre is ready.  Ctrl-C stops it; the data stays.",
        "",
        f"  Start page   {base_url}/",
        f"  Operators    {base_url}/admin/",
        f"  API          {base_url}/api/v1/docs/",
    ]
    if credentials.exists():
        known = json.loads(credentials.read_text())
        lines += ["", f"  Log-ins and keys, also in {credentials}:"]
        lines += [f"    lab     {lab['name']:<33} key      {lab['api_key']}" for lab in known.get("labs", [])]
        lines += [_person("expert", expert, expert.get("domain", "")) for expert in known.get("experts", [])]
        lines += [_person("staff", member, member.get("role", "")) for member in known.get("staff", [])]
        lines += ["", "  Operators also need a one-time code:  make codes"]
    return "\n".join([*lines, ""])


def codes(credentials: Path) -> str:
    """The present one-time code of every operator, one per line."""
    staff = json.loads(credentials.read_text()).get("staff", [])
    now = int(time.time())
    return "\n".join(
        f"{totp(member['totp_secret'], at=now)}  {member['email']}  ({member['role']}, {30 - now % 30} s left)"
        for member in staff
        if member.get("totp_secret")
    )


def totp(secret: str, *, at: int) -> str:
    """RFC 6238 with SHA-1, 30 seconds and six digits, as authenticator apps do. `at` is in seconds since 1970."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, (at // 30).to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def _person(kind: str, person: dict[str, Any], what: str) -> str:
    return f"    {kind:<7} {person['email']:<33} password {person['password']}  {what}"
