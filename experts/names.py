"""Whether a typed name is the legal one, loosely: case, accents, punctuation and middle names do not matter. Pure."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s\-‐‑.,'’·]+")  # noqa: RUF001  # the hyphens and apostrophes people's names are written with


def words_of(name: str) -> list[str]:
    """The comparable words of a name: without case, accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return [word for word in _SEPARATORS.split(plain) if word]


def is_signature_of(typed: str, legal_name: str) -> bool:
    """Whether ``typed`` names the same person: first and last word are there, and no foreign word.

    "jose garcia" signs for "José Luis García", "J. García" does not.
    """
    typed_words, legal_words = words_of(typed), words_of(legal_name)
    if not legal_words or not typed_words:
        return False
    needed = {legal_words[0], legal_words[-1]}
    return needed <= set(typed_words) <= set(legal_words)
