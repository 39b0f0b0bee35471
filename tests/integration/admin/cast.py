"""Who and what the admin's tests are about: people by group, rows by a line, one upstream on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from providers import secrets
from providers.models import Credential, Provider
from routing.models import UsageRecord

CLOSED_PORT = "http://127.0.0.1:9/v1"
"""The discard port: nothing listens there."""


def make_person(name: str, group: str = "") -> User:
    """A member of staff; without a group, a superuser."""
    if not group:
        return User.objects.create_superuser(name, password="a-long-password")
    user = User.objects.create_user(name, password="a-long-password", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_provider(key: str = "acme", base_url: str = CLOSED_PORT, **columns: Any) -> Provider:
    columns = {"adapter": "openai-compatibility", "name": key.title(), **columns}
    return Provider.objects.create(key=key, base_url=base_url, **columns)


def make_credential(provider: Provider, secret: str = "acme-secret-0001", **columns: Any) -> Credential:
    return Credential.objects.create(
        provider=provider,
        secret_token=secrets.seal(secret),
        fingerprint=secrets.fingerprint(secret),
        **columns,
    )


def make_usage(number: int = 1, **columns: Any) -> UsageRecord:
    values: dict[str, Any] = {
        "exchange_id": f"{number:032x}",
        "started_at": timezone.now(),
        "client_format": "openai",
        "route_model": "fast",
        "status": 200,
        "outcome": "ok",
        "duration_ms": 812.0,
    }
    return UsageRecord.objects.create(**{**values, **columns})


@contextmanager
def upstream(accepted_key: str, models: tuple[str, ...] = ("acme-small", "acme-large")) -> Iterator[str]:
    """A small OpenAI-shaped server; yields its base URL. A wrong key is refused and repeated."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if key == accepted_key:
                self._answer(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in models]})
            else:
                error = {"message": f"Incorrect API key provided: {key}", "code": "invalid_api_key"}
                self._answer(401, {"error": error})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self._answer(401, {"error": {"message": f"Incorrect API key provided: {key}"}})

        def _answer(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def form_of(response: Any) -> dict[str, str]:
    """What a browser would send back unchanged: the fields of the page's form and of its tables."""
    context = response.context
    data: dict[str, str] = {}
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for bound in form:
            value = bound.value()
            if bound.name == "DELETE" or value is None or value is False:
                continue
            rendered = bound.field.widget.format_value(value) if not isinstance(value, bool) else "on"
            data[bound.html_name] = "" if rendered is None else str(rendered)
            if isinstance(rendered, list):
                data[bound.html_name] = rendered[0] if rendered else ""
    return data
