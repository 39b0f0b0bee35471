"""Django's handle on this package."""

from __future__ import annotations

from django.apps import AppConfig


class CliproxySiteConfig(AppConfig):
    name = "cliproxy_site"
    default_auto_field = "django.db.models.BigAutoField"
