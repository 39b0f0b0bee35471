"""The management API is described: by its OpenAPI document and by its page, both compared with the routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import URLPattern
from drf_spectacular.drainage import GENERATOR_STATS

from cliproxy_site import urls as site_urls
from management_api import urls
from management_api.document import openapi
from management_api.permissions import ManagementAccess
from management_api.viewsets.base import ManagementView

PAGE = Path(__file__).resolve().parents[2] / "docs" / "management-api.md"
KEYLESS = ("/v0/management/oauth-callback",)
"""Routes that ask for something else than a key: here the unguessable state."""
METHODS = ("get", "post", "put", "patch", "delete")


def routes() -> list[tuple[str, URLPattern]]:
    """Every route but the one that catches the rest: (path as OpenAPI writes it, pattern)."""
    beside = [
        pattern
        for pattern in site_urls.urlpatterns
        if isinstance(pattern, URLPattern) and str(pattern.pattern).startswith("v1/")
    ]
    found = [("/v0/management/", pattern) for pattern in urls.urlpatterns] + [("/", one) for one in beside]
    return [
        (before + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern)), pattern)
        for before, pattern in found
        if str(pattern.pattern)
    ]


def view_of(pattern: URLPattern) -> type[ManagementView]:
    view: type[ManagementView] = vars(pattern.callback)["view_class"]
    return view


def operations() -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, pattern in routes()
        for method in METHODS
        if hasattr(view_of(pattern), method)
    ]


def test_there_are_routes():
    assert ("get", "/v0/management/openapi.json") in operations()


@pytest.mark.parametrize(("method", "path"), operations())
def test_an_operation_is_in_the_document(method, path):
    described = openapi()["paths"][path][method]
    assert described["summary"]
    assert any(status.startswith("2") for status in described["responses"])


def test_the_document_describes_nothing_else():
    described = {
        (method, path) for path, item in openapi()["paths"].items() for method in item if method in METHODS
    }
    assert described == set(operations())


def test_the_document_is_made_without_a_guess():
    with GENERATOR_STATS.silence():
        openapi()
        assert not GENERATOR_STATS._error_cache
        assert not GENERATOR_STATS._warn_cache


@pytest.mark.parametrize(("method", "path"), operations())
def test_an_operation_is_on_the_page(method, path):
    text = PAGE.read_text(encoding="utf-8")
    assert re.search(rf"\| [^|]*\b{method.upper()}\b[^|]*`?{re.escape(path)}`", text)


@pytest.mark.parametrize(("path", "pattern"), routes(), ids=lambda value: str(value))
def test_a_route_asks_who_calls(path, pattern):
    view = view_of(pattern)
    assert issubclass(view, ManagementView)
    if path in KEYLESS:
        return
    assert tuple(view.permission_classes) == (ManagementAccess,)
