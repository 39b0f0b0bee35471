"""The configuration as a whole: ``/v0/management/config`` as JSON, ``config.yaml`` as the file's text."""

from __future__ import annotations

import logging
from pathlib import Path

from django.db import DatabaseError
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.config import document, editing, startup
from management_api.config.problems import ConfigRefused
from management_api.errors import ManagementError
from management_api.resources import config_text, whole_config
from management_api.resources.writing import announce, config_path, one_writer
from management_api.viewsets.base import ManagementView
from providers.secrets import SecretsError

logger = logging.getLogger(__name__)

YAML = "application/yaml"


class WholeConfig(ManagementView):
    @extend_schema(
        operation_id="config",
        summary="The configuration, secrets masked",
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        return Response(whole_config.shown())


class ConfigFile(ManagementView):
    """The file's text. Without a file there is none."""

    @extend_schema(
        operation_id="config_yaml",
        summary="The text of config.yaml, secrets masked",
        responses={(200, YAML): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponse:
        path = _path()
        try:
            text = config_text.masked(document.load(path).text)
        except ConfigRefused as error:
            raise ManagementError(500, "read_failed", message=str(error)) from error
        answer = HttpResponse(text.encode(), content_type=f"{YAML}; charset=utf-8")
        answer["Cache-Control"] = "no-store"
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    @extend_schema(
        operation_id="config_yaml_replace",
        summary="Replace the text of config.yaml; a mask keeps the secret that it stands for",
        request={YAML: OpenApiTypes.STR},
        responses={200: OpenApiTypes.OBJECT},
    )
    def put(self, request: Request) -> Response:
        path = _path()
        content = request._request.read(document.SIZE_LIMIT_BYTES + 1)
        with one_writer():
            _replace(path, content)
            _apply(path)
        announce(request)
        return Response({"ok": True, "changed": ["config"]})


def _path() -> Path:
    path = config_path()
    if path is None or not path.exists():
        raise ManagementError(404, "not_found", message="config file not found")
    return path


def _replace(path: Path, content: bytes) -> None:
    """Raises ManagementError; then the file is as it was."""
    if len(content) > document.SIZE_LIMIT_BYTES:
        limit = f"the text is larger than {document.SIZE_LIMIT_BYTES // 1024**2} MiB"
        raise ManagementError(400, "invalid_yaml", message=limit)
    try:
        text = document.parse(content, path.name).text
    except ConfigRefused as error:
        raise ManagementError(400, "invalid_yaml", message=str(error)) from error
    try:
        text = config_text.whole(text, _held(path))
        startup.check(text.encode(), path.name)
    except (ConfigRefused, config_text.UnknownMask) as error:
        raise ManagementError(422, "invalid_config", message=str(error)) from error
    try:
        editing.rewrite(path, lambda before: text)
    except (ConfigRefused, editing.CannotWrite) as error:
        raise ManagementError(500, "write_failed", message=str(error)) from error


def _held(path: Path) -> str:
    """The file's text, in which masks are looked up; a file that is no text has none of them."""
    try:
        return document.read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    except ConfigRefused as error:
        raise ManagementError(500, "write_failed", message=str(error)) from error


def _apply(path: Path) -> None:
    try:
        startup.load_and_apply(path)
    except (ConfigRefused, DatabaseError, SecretsError) as error:
        logger.exception("%s is saved and not applied yet", path.name, exc_info=error)
        message = "the file is saved; it is applied when that is possible; the log says why it is not"
        raise ManagementError(500, "reload_failed", message=message) from error
