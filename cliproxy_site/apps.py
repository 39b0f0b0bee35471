"""Django's handle on this package; it registers the deployment's checks."""

from __future__ import annotations

from django.apps import AppConfig


class CliproxySiteConfig(AppConfig):
    name = "cliproxy_site"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cliproxy_site import checks  # it reads models, which are loaded only now

        checks.register_checks()
