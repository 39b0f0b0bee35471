"""The management API's routes, below ``/v0/management/``. Each is named in ``docs/management-api.md``."""

from __future__ import annotations

from django.urls import path, re_path

from management_api.resources.maps import MAPS
from management_api.resources.object_list_kinds import OBJECT_LISTS
from management_api.resources.scalars import SCALARS
from management_api.viewsets.auth_files import (
    AuthFileDownload,
    AuthFileFields,
    AuthFileModels,
    AuthFiles,
    AuthFileStatus,
    Sessions,
    VertexImport,
)
from management_api.viewsets.base import Unknown
from management_api.viewsets.client_keys import ClientKeyList
from management_api.viewsets.configuration import ConfigFile, WholeConfig
from management_api.viewsets.document import OpenApiDocument
from management_api.viewsets.explain import ExplainRoute
from management_api.viewsets.logins import AuthStatus, AuthUrl, OAuthCallback, OAuthSession
from management_api.viewsets.maps import Channels
from management_api.viewsets.object_lists import KeyList
from management_api.viewsets.settings import ClearableSetting, Setting

CLEARABLE = ("proxy-url",)

urlpatterns = [
    path("openapi.json", OpenApiDocument.as_view()),
    path("route/explain", ExplainRoute.as_view()),
    path("auth-files", AuthFiles.as_view()),
    path("auth-files/download", AuthFileDownload.as_view()),
    path("auth-files/models", AuthFileModels.as_view()),
    path("auth-files/status", AuthFileStatus.as_view()),
    path("auth-files/fields", AuthFileFields.as_view()),
    path("sessions", Sessions.as_view()),
    path("vertex/import", VertexImport.as_view()),
    path("<str:name>-auth-url", AuthUrl.as_view()),
    path("get-auth-status", AuthStatus.as_view()),
    path("oauth-callback", OAuthCallback.as_view()),
    path("oauth-session", OAuthSession.as_view()),
    *(
        path(scalar.path, (ClearableSetting if scalar.path in CLEARABLE else Setting).as_view(scalar=scalar))
        for scalar in SCALARS
    ),
    path("api-keys", ClientKeyList.as_view()),
    *(path(kind.name, KeyList.as_view(kind=kind)) for kind in OBJECT_LISTS),
    *(path(kind.name, Channels.as_view(kind=kind, session_permissions=kind.permissions)) for kind in MAPS),
    path("config", WholeConfig.as_view()),
    path("config.yaml", ConfigFile.as_view()),
    re_path("", Unknown.as_view()),
]
