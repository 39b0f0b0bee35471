"""Usage records in the admin: read-only, and never counted, because the table grows with every request."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import localtime
from unfold.contrib.filters.admin import AutocompleteSelectFilter, FieldTextFilter
from unfold.paginator import InfinitePaginator

from providers.admin import badge, two_lines
from providers.models import Provider
from providers.status import Status
from providers.typed_admin import ModelAdmin
from routing.admin_record import OUTCOMES, milliseconds, story_of
from routing.models import ClientKey, UsageRecord


class ChosenFilter(admin.SimpleListFilter):
    """A filter on one column with choices from a small table, instead of a DISTINCT over the big one."""

    column = ""

    def choices_now(self) -> list[tuple[Any, str]]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return self.choices_now()

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ClientKeyFilter(ChosenFilter):
    title = "client key"
    parameter_name = "client_key_id"
    column = "client_key_id"

    def choices_now(self) -> list[tuple[Any, str]]:
        return [(str(row.pk), str(row)) for row in ClientKey.objects.order_by("note", "pk")[:200]]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() and not str(self.value()).isdecimal():
            return queryset.none()
        return super().queryset(request, queryset)


class ProviderFilter(ChosenFilter):
    title = "provider"
    parameter_name = "provider_key"
    column = "provider_key"

    def choices_now(self) -> list[tuple[Any, str]]:
        return [(row.key, str(row)) for row in Provider.objects.order_by("name", "key")[:200]]


class OutcomeFilter(ChosenFilter):
    title = "outcome"
    parameter_name = "outcome"
    column = "outcome"

    def choices_now(self) -> list[tuple[Any, str]]:
        return [(word, label) for word, (label, _) in OUTCOMES.items()]


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status_class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("2", "2xx"), ("4", "4xx"), ("5", "5xx")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        chosen = self.value()
        if chosen not in {"2", "4", "5"}:
            return queryset
        return queryset.filter(status__gte=int(chosen) * 100, status__lt=int(chosen) * 100 + 100)


class UsageRecordAdmin(ModelAdmin[UsageRecord]):
    """What was asked for, who served it and why, and what it took."""

    list_display = ("started", "asked_by", "route_model", "served_by", "result", "tokens", "time_taken")
    list_filter = (
        ClientKeyFilter,
        ProviderFilter,
        ("credential", AutocompleteSelectFilter),
        ("route_model", FieldTextFilter),
        OutcomeFilter,
        StatusFilter,
        ("started_at", admin.DateFieldListFilter),
    )
    list_filter_submit = True
    search_fields = ("exchange_id__exact", "request_id__exact")
    search_help_text = "Request id or exchange id, whole"
    ordering = ("-started_at",)
    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator
    change_form_template = "admin/routing/usagerecord/page.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: UsageRecord | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: UsageRecord | None = None) -> bool:
        return False

    @admin.display(description="started", ordering="started_at")
    def started(self, obj: UsageRecord) -> str:
        return two_lines(f"{localtime(obj.started_at):%H:%M:%S %Z}", f"{localtime(obj.started_at):%d %b %Y}")

    @admin.display(description="asked by")
    def asked_by(self, obj: UsageRecord) -> str:
        return obj.client_key_label or "unknown"

    @admin.display(description="served by")
    def served_by(self, obj: UsageRecord) -> str:
        if not obj.provider_key:
            return "nobody"
        return two_lines(obj.provider_key, obj.upstream_model)

    @admin.display(description="result")
    def result(self, obj: UsageRecord) -> str:
        word, variant = OUTCOMES.get(obj.outcome, (obj.outcome, ""))
        retries = len(obj.attempts) - 1
        detail = obj.error_code or (f"after {retries} failed" if retries > 0 and obj.outcome == "ok" else "")
        return badge(Status(f"{word} {obj.status}", variant, detail))

    @admin.display(description="tokens in / out")
    def tokens(self, obj: UsageRecord) -> str:
        if obj.input_tokens is None and obj.output_tokens is None:
            return "not told"
        return f"{obj.input_tokens or 0:,} / {obj.output_tokens or 0:,}"

    @admin.display(description="time")
    def time_taken(self, obj: UsageRecord) -> str:
        return milliseconds(obj.duration_ms)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        record: UsageRecord | None = kwargs.get("obj")
        if record is not None:
            context["story"] = story_of(record)
        return super().render_change_form(request, context, *args, **kwargs)
