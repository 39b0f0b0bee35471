"""The lists of keys: ``/v0/management/claude-api-key`` and its kin."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.resources import object_list, object_list_store
from management_api.resources.object_list_kinds import OBJECT_LISTS, ObjectList
from management_api.resources.object_list_store import Edit
from management_api.resources.writing import announce
from management_api.viewsets.base import ManagementView
from management_api.viewsets.client_keys import INDEX, selectors
from management_api.viewsets.settings import OK

KEY = OpenApiParameter("api-key", str, description="The entry's key, or as it is shown.")
NAME = OpenApiParameter("name", str, description="The name of an entry of openai-compatibility.")
ADDRESS = OpenApiParameter("base-url", str, description="Tells entries with the same key apart.")


class KeyList(ManagementView):
    """One of ``OBJECT_LISTS``."""

    session_permissions = tuple(
        f"providers.{action}_{model}"
        for model in ("provider", "credential")
        for action in ("add", "change", "delete")
    )
    kind: ObjectList = OBJECT_LISTS[0]

    @extend_schema(summary="The entries, secrets masked", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        return Response({self.kind.name: object_list_store.shown(self.kind)})

    @extend_schema(
        summary="Replace the list; a mask keeps the secret that it stands for",
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def put(self, request: Request) -> Response:
        body = request.data
        return self._change(request, lambda held: object_list.replaced(self.kind, held, body))

    @extend_schema(
        summary='Change one entry: {"index" or "match" or "name", "value": {…}}',
        parameters=[ADDRESS],
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def patch(self, request: Request) -> Response:
        body, base_url = request.data, request.query_params.get("base-url")
        return self._change(request, lambda held: object_list.patched(self.kind, held, body, base_url))

    @extend_schema(
        summary="Delete entries",
        parameters=[KEY, NAME, ADDRESS, INDEX],
        responses={200: OpenApiTypes.OBJECT},
    )
    def delete(self, request: Request) -> Response:
        given = selectors(request, self.kind.match, "match", "base-url", "index")
        has_address = "base-url" in request.query_params or (
            not request.query_params and isinstance(request.data, dict) and "base-url" in request.data
        )
        base_url = given["base-url"] if has_address else None
        named = given[self.kind.match] or given["match"]
        return self._change(
            request, lambda held: object_list.deleted(self.kind, held, named, base_url, given["index"])
        )

    def _change(self, request: Request, edit: Edit) -> Response:
        object_list_store.change(self.kind, edit)
        announce(request)
        return Response(OK)
