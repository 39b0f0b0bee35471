"""Django's handle on this package; it registers the deployment's checks."""

from __future__ import annotations

import warnings

from django.apps import AppConfig


class CliproxySiteConfig(AppConfig):
    name = "cliproxy_site"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cliproxy_site import checks  # it reads models, which are loaded only now

        checks.register_checks()
        # WhiteNoise hands files over as synchronous iterators, which Django reads in a thread under ASGI:
        # small files, a handful per page, and nothing that an operator could act on.
        warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
