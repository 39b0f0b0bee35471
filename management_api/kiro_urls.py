"""Kiro's login at the addresses of CLIProxyAPI++, beside the pages of ``oauth.urls``."""

from __future__ import annotations

from django.urls import path

from management_api.viewsets import kiro

urlpatterns = [
    path("start", kiro.start),
    path("status", kiro.KiroStatus.as_view()),
    path("import", kiro.KiroImport.as_view()),
    path("refresh", kiro.KiroRefresh.as_view()),
]
