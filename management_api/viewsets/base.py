"""What every view of the management API has in common: access, JSON whatever the headers say, one error
shape, and the headers by which CLIProxyAPI's tools know a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from management_api.errors import Absent, ManagementError, NotHere, handle
from management_api.permissions import ManagementAccess, StaffSession

T = TypeVar("T")


class AnyJson(BaseParser):
    """The body as JSON under any content type: ``curl -d`` says it sends a form. An empty body is None."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        content = stream.read()
        try:
            return msgspec.json.decode(content) if content.strip() else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParseError from error


class AlwaysFirst(BaseContentNegotiation):
    """The first parser and renderer, whatever the headers ask for."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ManagementView(APIView):
    """``session_permissions`` are what a signed-in person needs for this view; empty leaves it to
    superusers and to the management key."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (StaffSession,)
    permission_classes: Sequence[type[BasePermission]] = (ManagementAccess,)
    parser_classes = (AnyJson,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysFirst
    session_permissions: tuple[str, ...] = ()

    def get_exception_handler(self) -> Any:
        return handle

    def finalize_response(  # type: ignore[override]  # an empty 404 is no DRF response
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        answer: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]  # as above
        if not isinstance(answer, Absent):
            for name, value in server_headers().items():
                answer.headers[name] = value
        return answer


def server_headers() -> dict[str, str]:
    """By these CLIProxyAPI's tools know what they talk to."""
    return {
        "X-CPA-VERSION": settings.VERSION,
        "X-CPA-COMMIT": settings.COMMIT,
        "X-CPA-BUILD-DATE": settings.BUILD_DATE,
        "X-CPA-SUPPORT-PLUGIN": "false",
    }


def json_object(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object. Raises ManagementError 400 ``invalid body``."""
    if not isinstance(request.data, dict):
        raise ManagementError(400, "invalid body")
    return request.data


def read_body(request: Request, shape: type[T]) -> T:
    """The body as ``shape``. Raises ManagementError 400 with what is wrong."""
    try:
        return msgspec.convert(request.data, shape)
    except msgspec.ValidationError as error:
        raise ManagementError(400, "invalid body", message=str(error)) from error


class Unknown(ManagementView):
    """Any other path under ``/v0/management/``: 404, empty, whoever asks."""

    permission_classes = ()
    authentication_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotHere
