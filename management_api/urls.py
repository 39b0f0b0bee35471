"""The management API's routes, below ``/v0/management/``. Each is named in ``docs/management-api.md``."""

from __future__ import annotations

from django.urls import path, re_path

from management_api.viewsets.base import Unknown
from management_api.viewsets.document import OpenApiDocument

urlpatterns = [
    path("openapi.json", OpenApiDocument.as_view()),
    re_path("", Unknown.as_view()),
]
