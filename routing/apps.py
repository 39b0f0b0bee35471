"""Django's handle on this package; it also sees to it that a changed row raises the revision."""

from __future__ import annotations

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from routing import revision  # models are loaded only now

        revision.watch_models()
