"""The admin's page "Why?": where a request would go and why, asked with a form, sent to nobody.

It asks the process that serves the page (``routing/serving.py``) and shows what ``manage.py route`` prints.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import msgspec
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from providers.errors import ClientError
from providers.status import remaining
from routing import client_keys
from routing.admin_record import FORMATS, REASONS
from routing.models import ClientKey
from routing.preview import ANYBODY, CLIENT_FORMATS, Question, question_format
from routing.serving import routing_of
from routing.why import Answer, explain_route, find_client

KEYS_SHOWN = 500
MODELS_OFFERED = 2000
PERMISSION = "providers.view_credential"


class WhyForm(forms.Form):
    """A request as a person describes it."""

    model = forms.CharField(
        max_length=1000,
        widget=UnfoldAdminTextInputWidget(
            {"list": "registered-models", "spellcheck": "false", "autocomplete": "off", "autofocus": True}
        ),
        help_text="As a client sends it, with a suffix such as (high) if there is one.",
    )
    key = forms.ChoiceField(label="Client key", required=False, widget=UnfoldAdminSelectWidget)
    format = forms.ChoiceField(
        label="Client's format",
        required=False,
        choices=[(name, FORMATS[name]) for name in CLIENT_FORMATS],
        widget=UnfoldAdminSelectWidget,
    )
    input_tokens = forms.IntegerField(
        label="Input tokens",
        required=False,
        min_value=0,
        widget=UnfoldAdminTextInputWidget({"type": "number"}),
    )
    stream = forms.BooleanField(required=False, widget=UnfoldBooleanWidget, label="Streamed")
    tools = forms.BooleanField(required=False, widget=UnfoldBooleanWidget, label="With tools")
    images = forms.BooleanField(required=False, widget=UnfoldBooleanWidget, label="With pictures")
    headers = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2, "spellcheck": "false"}),
        help_text="Of the client, one a line: name: value.",
    )
    body = forms.CharField(
        label="Sample request",
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 4, "spellcheck": "false"}),
        help_text="JSON in the client's format: each candidate then shows it translated, and what is lost.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = ClientKey.objects.order_by("note", "pk")[:KEYS_SHOWN]
        choices = [("", "any, without restrictions"), *((str(row.pk), str(row)) for row in rows)]
        field = self.fields["key"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above)
        field.choices = choices

    def clean_headers(self) -> dict[str, str]:
        found = {}
        for line in str(self.cleaned_data["headers"]).splitlines():
            name, colon, value = line.partition(":")
            if not line.strip():
                continue
            if not colon or not name.strip():
                raise ValidationError("Write one header a line, with a colon behind its name.")
            found[name.strip().lower()] = value.strip()
        return found

    def clean_body(self) -> dict[str, Any] | None:
        text = str(self.cleaned_data["body"]).strip()
        if not text:
            return None
        try:
            body = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ValidationError(f"This is no JSON: {error}.") from error
        if not isinstance(body, dict):
            raise ValidationError("This must be a JSON object.")
        return body


@require_http_methods(["GET", "POST"])
def why(request: HttpRequest) -> HttpResponse:
    """The form, and with a model the answer. Links ask with GET; the form POSTs, for a body may be long."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    asked = request.POST if request.method == "POST" else request.GET
    form = WhyForm(asked if "model" in asked else None)
    routing, source = routing_of(request)
    answer = None
    if form.is_bound and form.is_valid():
        answer = _answer(form, routing, source)
    context = {
        **admin.site.each_context(request),
        "title": "Why?",
        "form": form,
        "switches": [form[name] for name in ("stream", "tools", "images")],
        "details": [form["headers"], form["body"]],
        "has_details": bool(asked.get("headers") or asked.get("body") or form.errors),
        "models": list(routing.table.models)[:MODELS_OFFERED],
        "answer": answer,
        "reasons": REASONS,
    }
    if answer is not None:
        context["rejected"] = [
            (one, REASONS.get(one.reason, one.reason), _ends(one.until)) for one in answer.rejected
        ]
    return TemplateResponse(request, "admin/why.html", context)


def _ends(until: str) -> str:
    """``14 min left, until 11:26:15 UTC``; "" for what does not end by itself."""
    if not until:
        return ""
    end = timezone.localtime(datetime.fromisoformat(until))
    return f"{remaining(end, timezone.now())} left, until {end:%H:%M:%S %Z}"


def _answer(form: WhyForm, routing: Any, source: str) -> Answer | None:
    """None when the sample is refused, which the form then says."""
    said = form.cleaned_data
    key = said["key"]
    client = find_client(routing.table, client_keys.digest, key) if key else ANYBODY
    if client is None:
        form.add_error("key", "The gateway does not know this key yet; ask again in a second.")
        return None
    try:
        return explain_route(
            routing,
            Question(
                model=said["model"].strip(),
                client=client,
                format=question_format(said["format"]),
                stream=said["stream"],
                tools=said["tools"],
                images=said["images"],
                input_tokens=said["input_tokens"] or 0,
                headers=said["headers"],
                body=said["body"],
            ),
            time.time(),
            source=source,
        )
    except ClientError as error:
        form.add_error("body", error.message)
        return None
