"""``GET /v0/management/openapi.json``: the management API described by itself."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.document import openapi
from management_api.viewsets.base import ManagementView


class OpenApiDocument(ManagementView):
    session_permissions = ("routing.view_gatewaysettings",)

    @extend_schema(
        operation_id="openapi_document", summary="This document", responses={200: OpenApiTypes.OBJECT}
    )
    def get(self, request: Request) -> Response:
        return Response(openapi())
