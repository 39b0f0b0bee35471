"""Django's pages. The proxy's own paths never reach this table; see ``asgi.py``."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from cliproxy_site.pages import home
from management_api.viewsets.providers import ProviderEnabled
from routing.admin_why import why

urlpatterns = [
    path("admin/why/", admin.site.admin_view(why), name="why"),
    path("admin/", admin.site.urls),
    path("v0/management/", include("management_api.urls")),
    path("v0/oauth/kiro/", include("management_api.kiro_urls")),
    path("", include("oauth.urls")),
    path("v1/providers/<str:name>/enabled", ProviderEnabled.as_view()),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}cliproxy_site/icon.svg")),
    path("", home, name="home"),
]
handler404 = "cliproxy_site.pages.not_found"
