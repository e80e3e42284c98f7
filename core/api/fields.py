"""Fields of request bodies and query parameters beyond DRF's own: money, durations, instants, codes, ids, notes.

The JSON type itself (string, number, …) is checked before any field runs, see `shape`; the stock fields are therefore
as strict as these.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, ClassVar, Final

from babel import Locale
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.durations import parse_duration
from core.ids import MalformedId, parse_id
from core.money import EXPONENTS, Money
from core.zones import zone_names

EARLIEST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATEST: Final = dt.datetime(2101, 1, 1, tzinfo=dt.UTC)
METADATA_PAIRS: Final = 20
METADATA_KEY_LENGTH: Final = 40
METADATA_VALUE_LENGTH: Final = 500
_ENGLISH: Final = Locale("en")


class StrictCharField(serializers.CharField):
    """Text of at most `max_length` characters (default 2,000); blank and control characters have to be allowed."""

    _CONTROLS: ClassVar[re.Pattern[str]] = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
    default_error_messages = {"control_characters": _("Control characters are not accepted.")}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 2000)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The text, trimmed."""
        text = super().to_internal_value(data)
        if self._CONTROLS.search(text):
            self.fail("control_characters")
        return text


class StrictIntegerField(serializers.IntegerField):
    """A whole number that fits into 32 bits unless told otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -(2**31))
        kwargs.setdefault("max_value", 2**31 - 1)
        super().__init__(**kwargs)


class MoneyField(serializers.Field[Money, Any, Any, Any]):
    """`{"amount": "1275.00", "currency": "USD"}` → Money; not negative, and not zero unless `allow_zero`."""

    members: ClassVar[frozenset[str]] = frozenset({"amount", "currency"})
    default_error_messages = {
        "shape": _('Expected an object such as {{"amount": "1275.00", "currency": "USD"}}.'),
        "currency": _("This is not a currency of ISO 4217."),
        "amount": _("{reason}"),
        "too_small": _("The amount must be larger than zero."),
        "negative": _("The amount must not be negative."),
    }

    def __init__(self, *, allow_zero: bool = False, **kwargs: Any) -> None:
        self.allow_zero = allow_zero
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Money:
        """The amount; errors point to its members."""
        if (
            not isinstance(data, dict)
            or set(data) != self.members
            or not all(isinstance(v, str) for v in data.values())
        ):
            self.fail("shape")
        if data["currency"] not in EXPONENTS:
            raise serializers.ValidationError({"currency": [self.error("currency")]})
        try:
            money = Money.parse(data["amount"], data["currency"])
        except ValueError as error:
            raise serializers.ValidationError({"amount": [self.error("amount", reason=error)]}) from None
        if money.minor < 0 or (money.minor == 0 and not self.allow_zero):
            raise serializers.ValidationError({"amount": [self.error("negative" if self.allow_zero else "too_small")]})
        return money

    def to_representation(self, value: Money) -> Any:
        """The wire form."""
        return value.as_json()

    def error(self, code: str, **values: Any) -> serializers.ErrorDetail:
        """One named error of this field."""
        return serializers.ErrorDetail(self.error_messages[code].format(**values), code=code)


class RateField(MoneyField):
    """`{"amount": "85.00", "currency": "USD", "per": "hour"}` → Money per hour."""

    members = frozenset({"amount", "currency", "per"})
    default_error_messages = {
        "shape": _('Expected an object such as {{"amount": "85.00", "currency": "USD", "per": "hour"}}.'),
        "per": _("Rates are per hour."),
    }

    def to_internal_value(self, data: Any) -> Money:
        """The amount per hour."""
        money = super().to_internal_value(data)
        if data["per"] != "hour":
            raise serializers.ValidationError({"per": [self.error("per")]})
        return money

    def to_representation(self, value: Money) -> Any:
        """The wire form."""
        return {**value.as_json(), "per": "hour"}


class CurrencyField(serializers.CharField):
    """An ISO 4217 code such as USD."""

    default_error_messages = {"currency": _("This is not a currency of ISO 4217.")}

    def to_internal_value(self, data: Any) -> str:
        """The code."""
        text = super().to_internal_value(data)
        if text not in EXPONENTS:
            self.fail("currency")
        return text


class DurationField(serializers.CharField):
    """An ISO 8601 duration such as `PT2H30M` → whole seconds, within `min_seconds` and `max_seconds`."""

    default_error_messages = {
        "duration": _("{reason}"),
        "too_short": _("The duration must be at least {limit} seconds."),
        "too_long": _("The duration must be at most {limit} seconds."),
    }

    def __init__(self, *, min_seconds: int = 0, max_seconds: int | None = None, **kwargs: Any) -> None:
        self.min_seconds, self.max_seconds = min_seconds, max_seconds
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:  # type: ignore[override]  # text comes in, whole seconds go out
        """Whole seconds."""
        try:
            seconds = parse_duration(super().to_internal_value(data))
        except ValueError as error:
            self.fail("duration", reason=error)
        if seconds < self.min_seconds:
            self.fail("too_short", limit=self.min_seconds)
        if self.max_seconds is not None and seconds > self.max_seconds:
            self.fail("too_long", limit=self.max_seconds)
        return seconds


class InstantField(serializers.DateTimeField):
    """RFC 3339 with an offset, in the years 2000 to 2100 → an aware datetime in UTC."""

    default_error_messages = {
        "instant": _('Expected an instant with an offset, such as "2026-11-16T09:30:00Z".'),
        "out_of_range": _("Expected an instant between the years 2000 and 2100."),
    }

    def to_internal_value(self, value: Any) -> dt.datetime:
        """The instant in UTC."""
        try:
            instant = parse_datetime(value) if isinstance(value, str) and "T" in value.upper() else None
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail("instant")
        try:
            instant = instant.astimezone(dt.UTC)
        except OverflowError:
            self.fail("out_of_range")
        if not EARLIEST <= instant < LATEST:
            self.fail("out_of_range")
        return instant


class DayField(serializers.DateField):
    """A date `2026-11-16` in the years 1900 to 2100."""

    default_error_messages = {"out_of_range": _("Expected a date between the years 1900 and 2100.")}

    def to_internal_value(self, value: Any) -> dt.date:
        """The day."""
        day = super().to_internal_value(value)
        if not 1900 <= day.year <= 2100:
            self.fail("out_of_range")
        return day


class CountryField(serializers.CharField):
    """An ISO 3166-1 alpha-2 code such as DE."""

    default_error_messages = {"country": _("This is not a country code of ISO 3166-1, such as DE.")}

    def to_internal_value(self, data: Any) -> str:
        """The code."""
        text = super().to_internal_value(data)
        if not re.fullmatch("[A-Z]{2}", text) or text in {"EU", "EZ", "UN", "ZZ", "XA", "XB", "QO"}:
            self.fail("country")
        if text not in _ENGLISH.territories:
            self.fail("country")
        return text


class LanguageField(serializers.CharField):
    """An ISO 639 language code such as `en`, optionally with a region (`pt-BR`)."""

    default_error_messages = {"language": _("This is not a language code such as en or pt-BR.")}

    def to_internal_value(self, data: Any) -> str:
        """The code."""
        text = super().to_internal_value(data)
        match = re.fullmatch("([a-z]{2,3})(?:-([A-Z]{2}))?", text)
        if match is None or match[1] not in _ENGLISH.languages or (match[2] and match[2] not in _ENGLISH.territories):
            self.fail("language")
        return text


class TimeZoneField(serializers.CharField):
    """An IANA time zone such as Europe/Berlin."""

    default_error_messages = {"zone": _("This is not an IANA time zone such as Europe/Berlin.")}

    def to_internal_value(self, data: Any) -> str:
        """The name."""
        text = super().to_internal_value(data)
        if text not in zone_names():
            self.fail("zone")
        return text


class PublicIdField(serializers.CharField):
    """A public id with this prefix; whether the thing exists is the domain's question."""

    default_error_messages = {"public_id": _("This is not an id that starts with {prefix}_.")}

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The id."""
        text = super().to_internal_value(data)
        try:
            parse_id(text, self.prefix)
        except MalformedId:
            self.fail("public_id", prefix=self.prefix)
        return text


class ExternalIdField(serializers.CharField):
    """The lab's own id: 1 to 255 visible characters."""

    default_error_messages = {"external_id": _("An external id has visible characters only.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255, "required": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """The id."""
        text = super().to_internal_value(data)
        if not text.isprintable():
            self.fail("external_id")
        return text


class MetadataField(serializers.DictField):
    """At most 20 pairs of strings."""

    default_error_messages = {
        "too_many": _("At most 20 pairs are kept."),
        "long_name": _("A name has 1 to 40 characters."),
    }
    child = serializers.CharField(max_length=METADATA_VALUE_LENGTH, allow_blank=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """The pairs."""
        pairs: dict[str, str] = super().to_internal_value(data)
        if len(pairs) > METADATA_PAIRS:
            self.fail("too_many")
        if any(not 1 <= len(name) <= METADATA_KEY_LENGTH for name in pairs):
            self.fail("long_name")
        return pairs
