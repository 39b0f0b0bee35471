"""``PUT /v1/providers/{name}/enabled``: the one route of the provider endpoints that changes something.

It lies beside the hot path's ``GET /v1/providers…`` and asks for the management key.
"""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.document import described
from management_api.errors import ManagementError
from management_api.resources.writing import announce
from management_api.serializers.providers import Enabled, EnabledProvider
from management_api.switching import switch_provider
from management_api.viewsets.base import ManagementView, read_body
from providers.models import Provider
from routing.core.provider_names import find_provider
from routing.provider_rows import provider_entries


class ProviderEnabled(ManagementView):
    session_permissions = ("providers.change_provider",)

    @extend_schema(
        operation_id="provider_enabled",
        summary="Switch a provider on or off",
        request={"application/json": described(Enabled)},
        responses={200: described(EnabledProvider)},
    )
    def put(self, request: Request, name: str) -> Response:
        wanted = read_body(request, Enabled).enabled
        rows = {row.key: row for row in Provider.objects.all()}
        found = find_provider(provider_entries(rows.values(), ()).values(), name)
        row = rows[found.key] if found is not None else rows.get(name)
        if row is None:
            raise ManagementError(404, f"provider not found: {name}")
        switch_provider(row, enabled=wanted)
        announce(request)
        return Response({"name": row.key, "enabled": wanted})
