"""Django's handle on this package."""

from __future__ import annotations

from django.apps import AppConfig


class OauthConfig(AppConfig):
    name = "oauth"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Accounts"
