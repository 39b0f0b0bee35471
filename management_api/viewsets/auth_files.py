"""``/v0/management/auth-files``: logins as CLIProxyAPI's credential files, and ``sessions``, the seeds' view
of the same. Thin; ``management_api/auth_dir/records.py`` does the work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api import switching
from management_api.auth_dir import records
from management_api.auth_dir.records import Record, Refused
from management_api.errors import ManagementError
from management_api.viewsets.base import ManagementView, json_object
from oauth import attempts
from oauth.credential_files import MAX_BYTES
from providers.adapters.registry import UnknownAdapter, adapter_for

T = TypeVar("T")
ALL = ("true", "1", "*")
MOST_FILES = 200
NAME = OpenApiParameter("name", str, description="The file's name.")
INDEX = OpenApiParameter("auth_index", str, description="Handle of one credential.")
PLAIN = (
    "prefix",
    "proxy_url",
    "headers",
    "priority",
    "weight",
    "note",
    "websockets",
    "disabled",
    "request_retry",
)
"""Fields with a meaning of their own; any other is stored as given."""
_ANSWER: dict[str, Any] = {"responses": {200: OpenApiTypes.OBJECT}}
_JSON: dict[str, Any] = {"request": OpenApiTypes.OBJECT, **_ANSWER}


def told(work: Callable[[], T]) -> T:
    """``work``, with what it refuses as an answer."""
    try:
        return work()
    except Refused as error:
        raise ManagementError(error.status, error.error) from error


def existing(name: str, auth_index: str = "", error: str = "auth file not found") -> Record:
    record = records.find(name, auth_index)
    if record is None:
        raise ManagementError(404, error)
    return record


class AuthFiles(ManagementView):
    session_permissions = ("providers.change_credential", "oauth.connect_account")

    @extend_schema(
        operation_id="auth_files",
        summary="Every login, as a credential file",
        parameters=[NAME, INDEX],
        **_ANSWER,
    )
    def get(self, request: Request) -> Response:
        name = request.query_params.get("name", "")
        index = request.query_params.get("auth_index", "")
        found = [
            record
            for record in records.records()
            if name in ("", record.name) and index in ("", record.auth_index)
        ]
        return Response({"files": records.described(found, timezone.now())})

    @extend_schema(
        operation_id="auth_files_upload",
        summary="Store credential files: parts of a form, or one as the body under ?name=",
        parameters=[NAME],
        **_JSON,
    )
    def post(self, request: Request) -> Response:
        form = request._request
        if (form.content_type or "").startswith("multipart/form-data"):
            return self._parts([part for parts in form.FILES.lists() for part in parts[1]])
        name = request.query_params.get("name", "")
        told(lambda: records.checked_name(name))
        told(lambda: records.store(name, form.read(MAX_BYTES + 1)))
        return Response({"status": "ok"})

    def _parts(self, parts: list[Any]) -> Response:
        if not parts:
            raise ManagementError(400, "no files uploaded")
        if len(parts) > MOST_FILES:
            raise ManagementError(400, f"no more than {MOST_FILES} files at once")
        stored, failed = [], []
        for part in parts:
            name = part.name or ""
            try:
                if not name.lower().endswith(".json"):
                    raise Refused(400, "file must be .json")
                records.store(name, part.read(MAX_BYTES + 1))
                stored.append(name)
            except Refused as error:
                if len(parts) == 1:
                    raise ManagementError(error.status, error.error) from error
                failed.append({"name": name, "error": error.error})
        return _several(len(parts), "uploaded", stored, failed)

    @extend_schema(
        operation_id="auth_files_delete",
        summary="Delete logins with their files",
        parameters=[NAME, OpenApiParameter("all", str, description="true, 1 or *: every one.")],
        request=OpenApiTypes.OBJECT,
        **_ANSWER,
    )
    def delete(self, request: Request) -> Response:
        if request.query_params.get("all", "").lower() in ALL:
            return self._delete_all()
        names = request.query_params.getlist("name") or _names(request.data)
        if not names:
            raise ManagementError(400, "invalid name")
        deleted, failed = [], []
        for name in dict.fromkeys(names):
            try:
                records.checked_name(name)
                record = records.find(name)
                if record is None:
                    raise Refused(404, "auth file not found")
                records.delete(record)
                deleted.append(name)
            except Refused as error:
                if len(names) == 1:
                    raise ManagementError(error.status, error.error) from error
                failed.append({"name": name, "error": error.error})
        return _several(len(names), "deleted", deleted, failed)

    def _delete_all(self) -> Response:
        """Those that config.yaml describes stay."""
        ours = [record for record in records.records() if not record.token.credential.is_from_file]
        for record in ours:
            told(functools.partial(records.delete, record))
        return Response({"status": "ok", "deleted": len(ours)})


def _several(asked: int, what: str, done: list[str], failed: list[dict[str, str]]) -> Response:
    if asked == 1:
        return Response({"status": "ok"})
    if not failed:
        return Response({"status": "ok", what: len(done), "files": done})
    return Response({"status": "partial", what: len(done), "files": done, "failed": failed}, status=207)


def _names(body: Any) -> list[str]:
    """``{"name"}``, ``{"names": […]}`` or ``[…]``."""
    if isinstance(body, dict):
        body = body.get("names", body.get("name"))
    given = [body] if isinstance(body, str) else body if isinstance(body, list) else []
    if not all(isinstance(name, str) for name in given):
        raise ManagementError(400, "invalid name")
    return [name for name in given if name]


class AuthFileDownload(ManagementView):
    session_permissions = ("providers.change_credential", "oauth.connect_account")

    @extend_schema(
        operation_id="auth_file_download",
        summary="A credential file as it is, secrets included",
        parameters=[NAME],
        responses={200: OpenApiTypes.BINARY},
    )
    def get(self, request: Request) -> HttpResponse:
        name = request.query_params.get("name", "")
        told(lambda: records.checked_name(name))
        content = told(lambda: records.content_of(existing(name, error="file not found")))
        disposition = content_disposition_header(as_attachment=True, filename=name.rpartition("/")[2])
        headers = {"Content-Disposition": disposition or "attachment", "Cache-Control": "no-store"}
        return HttpResponse(content, content_type="application/json", headers=headers)


class AuthFileModels(ManagementView):
    session_permissions = ("providers.view_credential",)

    @extend_schema(
        operation_id="auth_file_models",
        summary="The models that a login brings",
        parameters=[NAME],
        **_ANSWER,
    )
    def get(self, request: Request) -> Response:
        name = request.query_params.get("name", "")
        if not name:
            raise ManagementError(400, "name is required")
        provider = existing(name).token.credential.provider
        found = [model for model in provider.discovered_models if isinstance(model, dict)]
        if not found:
            try:
                found = [msgspec.to_builtins(model) for model in adapter_for(provider.adapter).catalogue]
            except UnknownAdapter:
                found = []
        return Response({"models": [_model(model) for model in found]})


def _model(model: dict[str, Any]) -> dict[str, Any]:
    known = {name: model.get(name) for name in ("display_name", "owned_by") if model.get(name)}
    return {"id": str(model.get("id", "")), "type": "model", **known}


class AuthFileStatus(ManagementView):
    session_permissions = ("providers.change_credential", "oauth.connect_account")

    @extend_schema(
        operation_id="auth_file_status", summary="Switch a login, or a key of config.yaml, off or on", **_JSON
    )
    def patch(self, request: Request) -> Response:
        body = json_object(request)
        name, disabled = body.get("name"), body.get("disabled")
        if not isinstance(name, str) or not name:
            raise ManagementError(400, "name is required")
        if not isinstance(disabled, bool):
            raise ManagementError(400, "disabled is required")
        index = _text(body, "auth_index")
        record = records.find(name, index)
        if record is None and (key := switching.find_key(index or name)) is not None:
            switching.exclude_key(key, disabled=disabled)
            via = {"via": "config:excluded-models", "excluded_pattern": switching.EVERY_MODEL}
            return Response({"status": "ok", "disabled": disabled, **via})
        record = record or existing(name, index)
        told(lambda: records.edit(record, lambda content: content.update(disabled=disabled)))
        return Response({"status": "ok", "disabled": disabled})


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise ManagementError(400, "invalid body")
    return value


class AuthFileFields(ManagementView):
    session_permissions = ("providers.change_credential", "oauth.connect_account")

    @extend_schema(
        operation_id="auth_file_fields",
        summary="Change fields of a credential file; dots reach inside, headers are merged",
        **_JSON,
    )
    def patch(self, request: Request) -> Response:
        body = json_object(request)
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise ManagementError(400, "name is required")
        fields = {key: value for key, value in body.items() if key not in ("name", "auth_index")}
        if not fields:
            raise ManagementError(400, "no fields to update")
        record = existing(name, _text(body, "auth_index"))
        told(lambda: records.edit(record, lambda content: _apply(content, fields)))
        return Response({"status": "ok"})


def _apply(content: dict[str, Any], fields: dict[str, Any]) -> None:
    """Raises Refused."""
    for given, value in fields.items():
        head, _, rest = given.partition(".")
        snake = head.replace("-", "_")
        name = snake if snake in PLAIN or "-" in head else head
        if rest:
            _nested(content, [name, *rest.split(".")], value)
        elif name == "headers":
            content["headers"] = _merged(content.get("headers"), value)
        elif name in ("weight", "request_retry"):
            _number(content, name, value)
        else:
            content[name] = value


def _nested(content: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = content.get(key)
        if not isinstance(inner, dict):
            inner = content[key] = {}
        content = inner
    content[keys[-1]] = value


def _merged(known: Any, given: Any) -> dict[str, str]:
    """An empty value removes the header."""
    if not isinstance(given, dict) or any(not isinstance(value, str) for value in given.values()):
        raise Refused(400, "headers must be an object of texts")
    headers = dict(known) if isinstance(known, dict) else {}
    headers |= given
    return {name: value for name, value in headers.items() if value}


def _number(content: dict[str, Any], name: str, value: Any) -> None:
    """null removes; a negative number of retries does as well."""
    if value is None or (name == "request_retry" and isinstance(value, int) and value < 0):
        content.pop(name, None)
    elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refused(400, f"{name} must be an integer")
    else:
        content[name] = value


class Sessions(ManagementView):
    session_permissions = ("providers.view_credential",)

    @extend_schema(
        operation_id="sessions", summary="Every login and how it stands, and those under way", **_ANSWER
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        listed = [_session(record, now) for record in records.records()]
        return Response({"sessions": [*listed, *(_pending(attempt) for attempt in attempts.list_pending())]})


def _session(record: Record, now: Any) -> dict[str, Any]:
    token = record.token
    known = {
        "email": token.account.get("email"),
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "last_refresh": token.refreshed_at.isoformat() if token.refreshed_at else None,
        "status_message": token.last_error,
    }
    return {
        "id": record.name,
        "auth_index": record.auth_index,
        "provider": record.type,
        "name": token.credential.label or record.name,
        "status": records.status_of(token, now),
        "disabled": not token.credential.enabled,
        **{name: value for name, value in known.items() if value},
    }


def _pending(attempt: Any) -> dict[str, Any]:
    shown = attempts.shown_of(attempt)
    return {
        "id": str(attempt.pk),
        "provider": attempt.channel,
        "name": attempt.terms_accepted_by,
        "status": "pending",
        "disabled": False,
        "state": shown.state if shown is not None else "",
        "expires_at": attempt.expires_at.isoformat(),
    }


class VertexImport(ManagementView):
    session_permissions = ("providers.change_credential", "oauth.connect_account")

    @extend_schema(
        operation_id="vertex_import", summary="Store a service account's key file for Vertex AI", **_JSON
    )
    def post(self, request: Request) -> Response:
        form = request._request
        part = form.FILES.get("file") if (form.content_type or "").startswith("multipart/") else None
        if not isinstance(part, UploadedFile):
            raise ManagementError(400, "file required")
        location = form.POST.get("location") or request.query_params.get("location") or "us-central1"
        try:
            key = msgspec.json.decode(part.read(MAX_BYTES + 1), type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise ManagementError(400, "invalid json", message="The file is no JSON object.") from error
        project, email = str(key.get("project_id") or ""), str(key.get("client_email") or "")
        if not project:
            raise ManagementError(400, "project_id missing")
        content = {
            "type": "vertex",
            "service_account": key,
            "project_id": project,
            "email": email,
            "location": location.strip(),
        }
        name = f"vertex-{''.join(c if c.isalnum() or c in '-_' else '-' for c in project)}.json"
        try:
            record = records.store(name, msgspec.json.encode(content))
        except Refused as error:
            if error.status >= 500:
                raise ManagementError(500, "save_failed", message=error.error) from error
            raise ManagementError(400, "invalid service account", message=error.error) from error
        told_path = str(record.path or record.name)
        return Response(
            {
                "status": "ok",
                "auth-file": told_path,
                "project_id": project,
                "email": email,
                "location": location,
            }
        )
