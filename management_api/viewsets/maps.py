"""The maps of channels: ``/v0/management/oauth-model-alias`` and its kin."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.resources import map_store, maps
from management_api.resources.map_store import Edit
from management_api.resources.maps import MAPS, ChannelMap
from management_api.resources.writing import announce
from management_api.viewsets.base import ManagementView
from management_api.viewsets.client_keys import selectors
from management_api.viewsets.settings import OK

CHANNEL = OpenApiParameter("channel", str, description="The channel, as it is written.")
PROVIDER = OpenApiParameter("provider", str, description="The same under its other name.")


class Channels(ManagementView):
    """One of ``MAPS``."""

    kind: ChannelMap = MAPS[0]

    @extend_schema(summary="The map: channel to list", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        return Response({self.kind.name: map_store.held(self.kind)})

    @extend_schema(
        summary="Replace the map", request=OpenApiTypes.OBJECT, responses={200: OpenApiTypes.OBJECT}
    )
    def put(self, request: Request) -> Response:
        body = request.data
        return self._change(request, lambda held: maps.replaced(self.kind, held, body))

    @extend_schema(
        summary="Replace the list of one channel; an empty one deletes it",
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def patch(self, request: Request) -> Response:
        body = request.data
        return self._change(request, lambda held: maps.patched(self.kind, held, body))

    @extend_schema(
        summary="Delete one channel's list",
        parameters=[CHANNEL, PROVIDER],
        responses={200: OpenApiTypes.OBJECT},
    )
    def delete(self, request: Request) -> Response:
        given = selectors(request, *self.kind.selectors)
        channel = next((name for name in given.values() if name.strip()), "")
        return self._change(request, lambda held: maps.deleted(self.kind, held, channel))

    def _change(self, request: Request, edit: Edit) -> Response:
        map_store.change(self.kind, edit)
        announce(request)
        return Response(OK)
