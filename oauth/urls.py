"""The login pages, below ``/v0/oauth``, and the callback addresses that CLIProxyAPI's scripts know."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from oauth import views

app_name = "oauth"

UPSTREAM_CALLBACKS = ("anthropic", "codex", "google", "iflow", "antigravity", "kiro", "xai")
"""``/<name>/callback`` on the server itself."""

NAME = r"(?P<name>[A-Za-z0-9._-]{1,40})"

urlpatterns: list[URLPattern] = [
    re_path(r"^v0/oauth/?$", views.index, name="index"),
    re_path(rf"^v0/oauth/{NAME}/(?:social/)?callback/?$", views.callback, name="callback"),
    re_path(rf"^v0/oauth/{NAME}/?$", views.Connect.as_view(), name="connect"),
    path("v0/oauth/<slug:name>/<uuid:attempt_id>", views.attempt_page, name="attempt"),
    path("v0/oauth/<slug:name>/<uuid:attempt_id>/panel", views.panel, name="panel"),
    path("v0/oauth/<slug:name>/<uuid:attempt_id>/state", views.state, name="state"),
    path("v0/oauth/<slug:name>/<uuid:attempt_id>/paste", views.paste, name="paste"),
    path("v0/oauth/<slug:name>/<uuid:attempt_id>/cancel", views.cancel, name="cancel"),
    *(
        path(f"{name}/callback", views.callback, {"name": name}, name=f"callback_{name}")
        for name in UPSTREAM_CALLBACKS
    ),
]
