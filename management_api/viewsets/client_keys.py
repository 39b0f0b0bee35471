"""``/v0/management/api-keys``: the client keys as a list of texts."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.resources import client_key_list, client_key_store
from management_api.resources.client_key_store import Edit
from management_api.resources.writing import announce
from management_api.viewsets.base import ManagementView
from management_api.viewsets.settings import OK

INDEX = OpenApiParameter("index", int, description="Position in the list.")
VALUE = OpenApiParameter("value", str, description="The key, or as it is shown.")


class ClientKeyList(ManagementView):
    session_permissions = (
        "routing.add_clientkey",
        "routing.change_clientkey",
        "routing.delete_clientkey",
    )

    @extend_schema(
        operation_id="api_keys", summary="The client keys, masked", responses={200: OpenApiTypes.OBJECT}
    )
    def get(self, request: Request) -> Response:
        return Response({client_key_store.KEY: client_key_store.listed()})

    @extend_schema(
        operation_id="api_keys_replace",
        summary="Replace all client keys; a mask keeps the key that it stands for",
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def put(self, request: Request) -> Response:
        body = request.data
        return self._change(request, lambda known: client_key_list.replaced(known, body))

    @extend_schema(
        operation_id="api_keys_change",
        summary='Replace one: {"index", "value"} or {"old", "new"}',
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def patch(self, request: Request) -> Response:
        body = request.data
        return self._change(request, lambda known: client_key_list.patched(known, body))

    @extend_schema(
        operation_id="api_keys_delete",
        summary="Delete client keys",
        parameters=[INDEX, VALUE],
        responses={200: OpenApiTypes.OBJECT},
    )
    def delete(self, request: Request) -> Response:
        given = selectors(request, "index", "value")
        return self._change(
            request, lambda known: client_key_list.deleted(known, given["index"], given["value"])
        )

    def _change(self, request: Request, edit: Edit) -> Response:
        client_key_store.change(edit)
        announce(request)
        return Response(OK)


def selectors(request: Request, *names: str) -> dict[str, str]:
    """What a DELETE is about: from its query, or, where that says none of it, from a JSON body."""
    query = {name: request.query_params.get(name, "") for name in names}
    if any(name in request.query_params for name in names) or not isinstance(request.data, dict):
        return query
    body = {name: request.data.get(name) for name in names}
    return {
        name: str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        for name, value in body.items()
    }
