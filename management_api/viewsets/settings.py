"""The gateway's settings, one a path: ``GET``, ``PUT`` and ``PATCH``."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.resources import scalars
from management_api.resources.scalars import Scalar
from management_api.resources.writing import announce
from management_api.viewsets.base import ManagementView

OK = {"status": "ok"}


class Setting(ManagementView):
    """One of ``scalars.SCALARS``."""

    session_permissions = ("routing.change_gatewaysettings",)
    scalar: Scalar = scalars.SCALARS[0]

    @extend_schema(summary="What the setting is", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        return Response({self.scalar.key: scalars.shown(self.scalar)})

    @extend_schema(
        summary='Set it: {"value": …}',
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def put(self, request: Request) -> Response:
        return self._store(request, scalars.accepted(self.scalar, request.data))

    @extend_schema(
        summary='Set it: {"value": …}',
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def patch(self, request: Request) -> Response:
        return self.put(request)

    def _store(self, request: Request, value: object) -> Response:
        scalars.store(self.scalar, value)
        announce(request)
        return Response(OK)


class ClearableSetting(Setting):
    """A text that ``DELETE`` clears."""

    @extend_schema(summary="Clear the setting", responses={200: OpenApiTypes.OBJECT})
    def delete(self, request: Request) -> Response:
        return self._store(request, "")
