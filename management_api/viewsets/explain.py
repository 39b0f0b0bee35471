"""``POST /v0/management/route/explain``: where a request would go and why, without sending it."""

from __future__ import annotations

import time

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.document import described
from management_api.errors import ManagementError
from management_api.serializers.explain import ExplainRequest
from management_api.viewsets.base import ManagementView, read_body
from routing import client_keys
from routing.preview import ANYBODY, Question, question_format
from routing.serving import routing_of
from routing.why import Answer, explain_route, find_client


class ExplainRoute(ManagementView):
    session_permissions = ("providers.view_credential",)

    @extend_schema(
        operation_id="route_explain",
        summary="Where a request would go and why, without sending it",
        request={"application/json": described(ExplainRequest)},
        responses={200: described(Answer)},
    )
    def post(self, request: Request) -> Response:
        asked = read_body(request, ExplainRequest)
        routing, source = routing_of(request._request)
        client = ANYBODY
        if asked.key.strip():
            found = find_client(routing.table, client_keys.digest, asked.key)
            if found is None:
                raise ManagementError(404, "client key not found")
            client = found
        question = Question(
            model=asked.model,
            client=client,
            format=question_format(asked.format),
            stream=asked.stream,
            tools=asked.tools,
            images=asked.images,
            input_tokens=asked.input_tokens,
            headers={name.lower(): value for name, value in asked.headers.items()},
            body=asked.body,
        )
        answer = explain_route(routing, question, time.time(), source=source)
        return Response(msgspec.to_builtins(answer))
