"""Failures with a name: every refusal a caller can meet is a DomainError with a stable code and a help page.

An error lives beside the function that raises it. Its docstring is the text of `/problems/<code>`,
so it says what happened, why, and what the caller can do. The API edge turns instances into
RFC 9457 problem documents; nothing here knows about HTTP beyond the status number.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_RESERVED = frozenset(
    {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
        "errors",
        "remedy",
    }
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rule broken by one member of the request; `pointer` is a JSON pointer such as `/rate/amount`."""

    pointer: str
    code: str
    detail: StrOrPromise

    def as_document(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "detail": str(self.detail)}


@dataclass(frozen=True, slots=True)
class Remedy:
    """What the caller can do about it: a sentence and the path where it is done."""

    text: StrOrPromise
    href: str

    def as_document(self) -> dict[str, str]:
        return {"text": str(self.text), "href": self.href}


_registry: dict[str, type[DomainError]] = {}
_constraint_errors: dict[str, type[DomainError]] = {}


class DomainError(Exception):
    """The request was understood and refused by a rule of the domain."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    title: ClassVar[StrOrPromise] = _("Refused")
    # Members this error adds to its problem document, with example values: they go into the help page and OpenAPI.
    example_members: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            return
        if not cls.__doc__:
            raise TypeError(f"{cls.__qualname__} needs a docstring: it is the help page of {cls.code!r}")
        known = _registry.get(cls.code)
        if known is not None and (known.__module__, known.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise TypeError(f"Two errors share the code {cls.code!r}: {known.__qualname__} and {cls.__qualname__}")
        _registry[cls.code] = cls

    def __init__(
        self,
        detail: StrOrPromise = "",
        *,
        errors: Sequence[FieldError] = (),
        remedy: Remedy | None = None,
        **extra: Any,
    ) -> None:
        """`extra` members are put into the problem document; they must be JSON values and not RFC 9457 names."""
        clash = _RESERVED & extra.keys()
        if clash:
            raise TypeError(f"{type(self).__qualname__} may not override {sorted(clash)}")
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.remedy = remedy
        self.extra = extra
        super().__init__(str(detail) if detail else self.code)

    def as_document(self, *, instance: str = "", request_id: str = "") -> dict[str, Any]:
        """The RFC 9457 problem document of this error."""
        document: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": str(self.title),
            "status": self.status,
            "detail": str(self.detail),
            "instance": instance,
            "code": self.code,
            "request_id": request_id,
            "errors": [error.as_document() for error in self.errors],
        }
        if self.remedy is not None:
            document["remedy"] = self.remedy.as_document()
        return document | self.extra


def registry() -> dict[str, type[DomainError]]:
    """Every error class known to the process by its code, in order of the codes."""
    return dict(sorted(_registry.items()))


def help_text(error: type[DomainError]) -> list[str]:
    """The paragraphs of an error's help page, from its docstring."""
    return [" ".join(paragraph.split()) for paragraph in inspect.cleandoc(error.__doc__ or "").split("\n\n")]


def map_constraint(name: str, error: type[DomainError]) -> None:
    """Tell which error a caller gets when the database constraint `name` refuses a change."""
    _constraint_errors[name] = error


def constraint_name(exc: BaseException) -> str:
    """The constraint that PostgreSQL names in a database error, or an empty string."""
    diagnostics = getattr(exc.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None) or ""


def constraint_error(exc: BaseException) -> DomainError | None:
    """The error registered for the constraint that a database error names, if there is one."""
    error = _constraint_errors.get(constraint_name(exc))
    return error() if error is not None else None


class InvalidInput(DomainError):
    """The request does not have the shape that this endpoint documents.

    Each entry of `errors` names the member of the body (a JSON pointer such as `/rate/amount`), the query parameter
    (`?limit`) or the header that broke a rule, and the rule. Unknown members and unknown query parameters are refused
    as well, so that a misspelt optional field is not lost silently. Nothing was changed.
    """

    code = "invalid"
    status = 400
    title = _("The request is not valid")


class MalformedBody(DomainError):
    """The body could not be read as what its Content-Type says.

    JSON must be UTF-8 without NUL characters, lone surrogates, duplicate names, NaN or Infinity, and may be nested at
    most 64 levels deep. Nothing was changed.
    """

    code = "malformed_body"
    status = 400
    title = _("The body cannot be read")


class NotAuthenticated(DomainError):
    """The request carries no valid credentials.

    Labs send `Authorization: Bearer cadre_live_…` or `cadre_test_…`; experts send a personal token
    `Authorization: Bearer cadre_exp_…` or the session of their browser. The answer is the same for a token that is
    unknown, revoked or expired.
    """

    code = "not_authenticated"
    status = 401
    title = _("Authentication is needed")


class PermissionDenied(DomainError):
    """You are known, but this is not yours to do.

    Usually the key lacks the scope that the endpoint names in its documentation, or the endpoint belongs to another
    audience (labs and experts have their own paths). `required_scope` tells the scope that would be needed.
    """

    code = "permission_denied"
    status = 403
    title = _("You may not do this")


class NotFound(DomainError):
    """There is nothing here for you.

    The id does not exist, or it belongs to somebody else: the answer is the same for both, on purpose.
    """

    code = "not_found"
    status = 404
    title = _("Not found")


class MethodNotAllowed(DomainError):
    """This path does not know the HTTP method; the `Allow` header lists the ones it knows."""

    code = "method_not_allowed"
    status = 405
    title = _("Method not allowed")


class NotAcceptable(DomainError):
    """The endpoint cannot answer in any of the media types in the request's `Accept` header."""

    code = "not_acceptable"
    status = 406
    title = _("Not acceptable")


class Conflict(DomainError):
    """The request contradicts what is already there.

    Something with the same unique value exists, something else still refers to this, or another request changed it
    first. Read the current state and decide again.
    """

    code = "conflict"
    status = 409
    title = _("Conflict with the current state")


class InvalidTransition(Conflict):
    """The thing is in a state from which this step is not possible.

    `allowed_transitions` lists the states that can be reached from `current_state`; it is empty for a final state.
    """

    code = "invalid_transition"
    title = _("This step is not possible in the current state")
    example_members: ClassVar[Mapping[str, Any]] = {
        "current_state": "draft",
        "allowed_transitions": ["launched"],
    }


class BodyTooLarge(DomainError):
    """The body is larger than the endpoint accepts: 1 MB, 16 MB for bulk endpoints, uploads as documented.

    `max_bytes` tells the limit. Split bulk work into several requests; each may carry its own Idempotency-Key.
    """

    code = "body_too_large"
    status = 413
    title = _("The body is too large")
    example_members: ClassVar[Mapping[str, Any]] = {"max_bytes": 1048576}


class UnsupportedMediaType(DomainError):
    """The endpoint does not read bodies of this Content-Type; most read `application/json` only."""

    code = "unsupported_media_type"
    status = 415
    title = _("Unsupported media type")


class RateLimited(DomainError):
    """Too many requests in a short time.

    `Retry-After` tells how many seconds to wait; the `RateLimit-*` headers of every answer tell how much is left.
    """

    code = "rate_limited"
    status = 429
    title = _("Too many requests")
    example_members: ClassVar[Mapping[str, Any]] = {"retry_after": 3}


class InternalError(DomainError):
    """Something broke on our side, and nothing of your request was kept.

    Please report the `request_id`. The request may be sent again; send the same Idempotency-Key with it.
    """

    code = "internal_error"
    status = 500
    title = _("Something broke on our side")


class Unavailable(DomainError):
    """A part that is needed to answer (most often the database) is not reachable or too busy right now.

    Nothing was changed. Send the same request again after `Retry-After` seconds.
    """

    code = "unavailable"
    status = 503
    title = _("Temporarily unavailable")
    example_members: ClassVar[Mapping[str, Any]] = {"retry_after": 5}
