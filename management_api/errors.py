"""The one error shape of the management API: ``{"error": "<text>"}``, with a ``message`` where the sheet of a
route says so. Views raise ``ManagementError``; everything else that goes wrong is put into the shape here.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpResponse
from rest_framework.exceptions import APIException, MethodNotAllowed, ParseError, ValidationError
from rest_framework.response import Response

from providers.errors import ClientError

logger = logging.getLogger("management_api")


class ManagementError(Exception):
    """An answer other than success. ``message`` is a second sentence, for the few routes that have one;
    ``extra`` are further members of the body."""

    def __init__(self, status: int, error: str, *, message: str = "", **extra: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"error": error} | ({"message": message} if message else {}) | extra


class NotHere(Exception):
    """404 with an empty body: this path does not exist, or there is no management API."""


class Absent(HttpResponse):
    """What ``NotHere`` becomes."""


def handle(error: Exception, context: dict[str, Any]) -> HttpResponse | Response:
    """DRF's exception handler: any exception of a view as an answer."""
    if isinstance(error, NotHere):
        return Absent(status=404)
    if isinstance(error, ManagementError):
        return Response(error.body, status=error.status)
    if isinstance(error, ClientError):
        return Response({"error": error.message}, status=error.client_status)
    if isinstance(error, Http404):
        return Response({"error": str(error) or "not found"}, status=404)
    if isinstance(error, DjangoPermissionDenied):
        return Response({"error": "permission denied"}, status=403)
    if isinstance(error, APIException):
        headers = {"Allow": ", ".join(context["view"].allowed_methods)} if _is_method(error) else None
        return Response({"error": _text(error)}, status=error.status_code, headers=headers)
    logger.exception("a management request failed", exc_info=error)
    if isinstance(error, DatabaseError):
        return Response({"error": "the database cannot be used; the log says why"}, status=503)
    return Response({"error": "the gateway failed to handle this request; its log says why"}, status=500)


def _is_method(error: APIException) -> bool:
    return isinstance(error, MethodNotAllowed)


def _text(error: APIException) -> str:
    """One sentence. A body that is no JSON is ``invalid body`` on every route."""
    if isinstance(error, ParseError):
        return "invalid body"
    if isinstance(error, ValidationError):
        return "; ".join(_sentences(error.detail))
    return str(error.detail)


def _sentences(detail: Any, place: str = "") -> list[str]:
    """``temperature: A valid number is required.`` for each thing that a serializer refused."""
    if isinstance(detail, dict):
        return [
            text
            for name, inner in detail.items()
            for text in _sentences(
                inner, place if name == "non_field_errors" else f"{place}.{name}".lstrip(".")
            )
        ]
    if isinstance(detail, list):
        return [text for inner in detail for text in _sentences(inner, place)]
    return [f"{place}: {detail}" if place else str(detail)]
