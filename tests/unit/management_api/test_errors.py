"""Any exception of a view becomes one shape."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from rest_framework.exceptions import MethodNotAllowed, ParseError, ValidationError
from rest_framework.response import Response

from management_api.errors import Absent, ManagementError, NotHere, handle
from management_api.viewsets.base import ManagementView
from providers.errors import ClientError

CONTEXT = {"view": ManagementView()}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (ManagementError(404, "item not found"), 404, {"error": "item not found"}),
        (
            ManagementError(422, "invalid_config", message="line 3", line=3),
            422,
            {"error": "invalid_config", "message": "line 3", "line": 3},
        ),
        (ClientError("No."), 400, {"error": "No."}),
        (Http404("no such record"), 404, {"error": "no such record"}),
        (PermissionDenied(), 403, {"error": "permission denied"}),
        (ParseError("at byte 3"), 400, {"error": "invalid body"}),
        (MethodNotAllowed("PUT"), 405, {"error": 'Method "PUT" not allowed.'}),
        (
            ValidationError({"model": ["Required."], "headers": {"a": ["Not text."]}}),
            400,
            {"error": "model: Required.; headers.a: Not text."},
        ),
        (ValidationError("Too much."), 400, {"error": "Too much."}),
    ],
)
def test_an_exception_has_its_answer(error, status, body):
    answer = handle(error, CONTEXT)
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.data) == (status, body)


def test_what_is_not_here_is_an_empty_404():
    answer = handle(NotHere(), CONTEXT)
    assert isinstance(answer, Absent)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(("error", "status"), [(KeyError("secret"), 500), (OperationalError("secret"), 503)])
def test_our_own_failure_tells_nothing_and_is_logged(error, status, caplog):
    answer = handle(error, CONTEXT)
    assert isinstance(answer, Response)
    assert answer.status_code == status
    assert "secret" not in answer.data["error"]
    assert "a management request failed" in caplog.text
