"""The three kinds of view, one for each audience; handlers are declared with `@endpoint`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import pghistory
import structlog
from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions, negotiation, renderers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from core import scope
from core.api import bodies, limits
from core.api.authentication import BearerAuthentication, BrowserSession, HeadlessSession
from core.api.call import Download
from core.api.endpoint import Endpoint, spec_of
from core.api.limits import address_of
from core.api.schema import EndpointSchema
from core.principal import Kind, Principal
from core.problems import NotAuthenticated, PermissionDenied, RateLimited, Remedy

_ACCEPTABLE = frozenset({"*/*", "application/*", "application/json", "application/problem+json"})


class JsonNegotiation(negotiation.BaseContentNegotiation):
    """There is one representation; whoever cannot read it is told so. Downloads are what they are."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """Bodies are read by the endpoint."""
        return next(iter(parsers), None)

    def select_renderer(self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None) -> Any:
        """The JSON renderer. Raises NotAcceptable."""
        view = (request.parser_context or {}).get("view")
        spec = spec_of(view, request.method or "")
        accepted = {part.split(";")[0].strip().lower() for part in request.headers.get("Accept", "*/*").split(",")}
        if accepted & _ACCEPTABLE or (spec is not None and isinstance(spec.returns, Download)):
            renderer = next(iter(renderers))
            return renderer, renderer.media_type
        raise exceptions.NotAcceptable


class CadreView(APIView):
    """One request: method, caller, rights, rate, then the declared handler.

    `request.auth` is the Principal, always; for a public view it may be the anonymous one.
    """

    audience: ClassVar[Kind | None] = None
    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes = ()
    parser_classes = ()  # endpoints read their bodies themselves
    renderer_classes = (renderers.JSONRenderer,)
    content_negotiation_class = JsonNegotiation
    metadata_class = None
    schema = EndpointSchema()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Everything before the handler."""
        self.format_kwarg = None
        spec = spec_of(self, request.method or "")
        if spec is None:
            raise exceptions.MethodNotAllowed(request.method or "")
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        bodies.refuse_too_large(request, spec.max_body)
        principal = self._authenticate(request)
        self._limit(request, spec, principal)
        self._check(spec, principal)
        scope.bind(principal)

    def _allowed_methods(self) -> list[str]:
        """The declared ones; DRF would add its own OPTIONS, which nobody here answers."""
        return [name.upper() for name in self.http_method_names if spec_of(self, name)]

    def _authenticate(self, request: Request) -> Principal:
        self.perform_authentication(request)
        principal = request.auth
        if not isinstance(principal, Principal):
            principal = Principal.anonymous()
            request.user, request.auth = AnonymousUser(), principal
        pghistory.context(actor=principal.label)
        structlog.contextvars.bind_contextvars(actor=principal.label)
        return principal

    def _check(self, spec: Endpoint, principal: Principal) -> None:
        if self.audience is not None and principal.kind is not self.audience:
            if principal.kind is Kind.ANONYMOUS:
                raise NotAuthenticated
            raise PermissionDenied
        if spec.scope and principal.kind is Kind.LAB and not principal.can(spec.scope):
            raise PermissionDenied(f"The key lacks the scope {spec.scope}.", required_scope=spec.scope)

    def _limit(self, request: Request, spec: Endpoint, principal: Principal) -> None:
        caller = f"ip:{address_of(request)}" if principal.kind is Kind.ANONYMOUS else principal.label
        verdict = limits.take(spec.rate, caller)
        if verdict is None:
            return
        self.headers.update(limits.headers(verdict))
        if not verdict.allowed:
            raise RateLimited(retry_after=verdict.retry_after)


class LabView(CadreView):
    """For labs: API keys with scopes."""

    audience = Kind.LAB
    authentication_classes = (BearerAuthentication,)


class ExpertView(CadreView):
    """For experts: personal tokens and sessions. Without a profile (a lab's member) there is nothing to see."""

    audience = Kind.EXPERT
    authentication_classes = (BearerAuthentication, HeadlessSession, BrowserSession)
    needs_profile: ClassVar[bool] = True

    def _check(self, spec: Endpoint, principal: Principal) -> None:
        super()._check(spec, principal)
        if self.needs_profile and principal.subject_id is None:
            raise PermissionDenied(
                "This account has no expert profile.",
                remedy=Remedy("Open your profile once: that makes you an expert.", "/api/v1/expert/"),
            )


class PublicView(CadreView):
    """For everybody; credentials are not looked at."""
