"""The shape of a body before anything is validated: no unknown members, no type is coerced into another.

DRF's fields read `"5"` as five, `1` as true and `12` as text, and ignore members they do not know. A money and time
API must not guess, so one pass over the raw document compares it with the serializer's fields first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.wire import escape
from core.problems import FieldError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

AnyField = serializers.Field[Any, Any, Any, Any]

# Order matters: the first class that matches decides, so subclasses stand before their bases.
_EXPECTED: list[tuple[tuple[type, ...], tuple[type, ...], StrOrPromise]] = [
    ((serializers.BooleanField,), (bool,), _("Expected true or false.")),
    ((serializers.IntegerField,), (int,), _("Expected an integer.")),
    ((serializers.FloatField,), (int, float), _("Expected a number.")),
    (
        (
            serializers.CharField,
            serializers.DecimalField,
            serializers.DateTimeField,
            serializers.DateField,
            serializers.TimeField,
            serializers.DurationField,
            serializers.UUIDField,
        ),
        (str,),
        _("Expected a string."),
    ),
    (
        (serializers.ListField, serializers.ListSerializer, serializers.MultipleChoiceField),
        (list,),
        _("Expected a list."),
    ),
    ((serializers.DictField, serializers.Serializer), (dict,), _("Expected an object.")),
]


def check(field: AnyField, value: Any, *, pointer: str = "") -> list[FieldError]:
    """Compare a raw JSON value with a field; every deviation with its JSON pointer."""
    if value is None:
        return []
    for classes, types, message in _EXPECTED:
        if isinstance(field, classes):
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                return [FieldError(pointer, "wrong_type", message)]
            break
    else:
        return _check_choice(field, value, pointer)
    return list(_check_children(field, value, pointer))


def unknown(known: Iterable[str], given: Iterable[str], *, pointer: str = "") -> list[FieldError]:
    """One error for each member that nobody asked for."""
    names = set(known)
    return [
        FieldError(f"{pointer}/{escape(name)}", "unknown_field", _("This field is not known here."))
        for name in given
        if name not in names
    ]


def _check_choice(field: AnyField, value: Any, pointer: str) -> list[FieldError]:
    if not isinstance(field, serializers.ChoiceField) or isinstance(value, str):
        return []
    if all(isinstance(choice, str) for choice in field.choices):
        return [FieldError(pointer, "wrong_type", _("Expected a string."))]
    return []


def _check_children(field: AnyField, value: Any, pointer: str) -> Iterable[FieldError]:
    if isinstance(field, serializers.Serializer):
        writable = {name: child for name, child in field.fields.items() if not child.read_only}
        yield from unknown(writable, value, pointer=pointer)
        for name, child in writable.items():
            if name in value:
                yield from check(child, value[name], pointer=f"{pointer}/{escape(name)}")
    elif isinstance(field, serializers.ListField | serializers.ListSerializer):
        child = cast(AnyField, field.child)
        for index, item in enumerate(value):
            yield from check(child, item, pointer=f"{pointer}/{index}")
    elif isinstance(field, serializers.DictField):
        for name, item in value.items():
            yield from check(field.child, item, pointer=f"{pointer}/{escape(name)}")
