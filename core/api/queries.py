"""Query parameters: known by name, given once, and validated like a body."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from core.api.errors import validation_errors
from core.problems import FieldError, InvalidInput


def read(
    request: Request, serializer_class: type[serializers.Serializer[Any]] | None, known: frozenset[str]
) -> dict[str, Any]:
    """The validated parameters of the serializer. Raises InvalidInput; pointers are written `?name`."""
    given: QueryDict = request.query_params
    unknown = [
        FieldError(f"?{name}", "unknown_parameter", _("This parameter is not known here."))
        for name in given
        if name not in known
    ]
    if unknown:
        raise InvalidInput(errors=unknown)
    if serializer_class is None:
        return {}
    serializer = serializer_class(data=_plain(given, serializer_class()), context={"principal": request.auth})
    if not serializer.is_valid():
        raise InvalidInput(errors=validation_errors(serializer.errors, prefix="?"))
    return dict(serializer.validated_data)


def single(request: Request, name: str) -> str | None:
    """A parameter that may be given once; None when it is absent."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise InvalidInput(errors=[_repeated(name)])
    return values[0] if values else None


def _plain(given: QueryDict, serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    repeated: list[FieldError] = []
    for name, field in serializer.fields.items():
        values = given.getlist(name)
        if not values:
            continue
        if any("\x00" in value for value in values):
            repeated.append(
                FieldError(f"?{name}", "null_characters_not_allowed", _("NUL characters are not accepted."))
            )
        elif isinstance(field, serializers.ListField | serializers.MultipleChoiceField):
            data[name] = values
        elif len(values) > 1:
            repeated.append(_repeated(name))
        else:
            data[name] = values[0]
    if repeated:
        raise InvalidInput(errors=repeated)
    return data


def _repeated(name: str) -> FieldError:
    return FieldError(f"?{name}", "repeated_parameter", _("This parameter may be given once."))
