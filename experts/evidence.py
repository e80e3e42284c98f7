"""The evidence of a decision as people read it: what is kept as JSON for programs, with amounts, times and shares in words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.durations import in_words as time_in_words
from core.durations import parse_duration


def in_words(evidence: Mapping[str, Any]) -> str:
    """`taken: 1 h; amount: 12.50 USD`; what is empty is left out."""
    told = [(name, _value(name, value)) for name, value in evidence.items()]
    return "; ".join(f"{_name(name)}: {value}" for name, value in told if value)


def _name(name: str) -> str:
    return name.removesuffix("_bp").replace("_", " ")


def _value(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"{value['amount']} {value['currency']}" if set(value) == {"amount", "currency"} else in_words(value)
    if isinstance(value, list):
        return ", ".join(_value(name, item) for item in value)
    if name.endswith("_bp") and isinstance(value, int):
        return f"{Decimal(value) / 100:f} %"
    return _text(str(value))


def _text(text: str) -> str:
    try:
        return time_in_words(parse_duration(text))
    except ValueError:
        return text
