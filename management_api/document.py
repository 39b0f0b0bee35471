"""The OpenAPI document of the management API, made from its views (drf-spectacular)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """drf-spectacular finds this by its base class and asks it how StaffSession is written."""

    target_class = "management_api.permissions.StaffSession"
    name = "staffSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


REFERENCE = "#/components/schemas/{name}"
_DESCRIBED: dict[str, dict[str, Any]] = {}
"""Filled by ``described`` while the views' modules are read; no more is added afterwards."""


def described(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """``shape`` as a schema for a view's request or answer; its parts go into the document's components."""
    (schema,), parts = msgspec.json.schema_components([shape], ref_template=REFERENCE)
    _DESCRIBED.update(parts)
    return schema


def openapi() -> dict[str, Any]:
    """The whole document, for whoever may read it: it holds no secret."""
    make: Callable[[], Any] = SchemaGenerator
    document: dict[str, Any] = make().get_schema(request=None, public=True)
    document.setdefault("components", {}).setdefault("schemas", {}).update(_DESCRIBED)
    return document
