"""Rows of the admin that are enabled and disabled many at a time."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest

from providers.admin import OwnedAdmin
from routing import admin_actions


class Switchable(OwnedAdmin[Any]):
    """Rows that can be enabled and disabled many at a time."""

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self._switch(request, queryset, True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: models.QuerySet[Any], enabled: bool) -> None:
        rows = list(queryset)
        changed, from_file = admin_actions.set_enabled(queryset, enabled)
        admin_actions.log_action(request, rows, "Enabled." if enabled else "Disabled.")
        noun = str(self.opts.verbose_name)
        self.message_user(
            request, f"{admin_actions.count_of(changed, noun)} {'enabled' if enabled else 'disabled'}."
        )
        if from_file:
            counted = admin_actions.count_of(from_file, noun)
            self.message_user(request, f"{counted} left alone: owned by config.yaml.", level=messages.WARNING)
