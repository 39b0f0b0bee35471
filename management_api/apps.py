"""Django's handle on this package."""

from __future__ import annotations

from django.apps import AppConfig


class ManagementApiConfig(AppConfig):
    name = "management_api"
    default_auto_field = "django.db.models.BigAutoField"
