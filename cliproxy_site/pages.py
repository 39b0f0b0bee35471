"""What is at the root, and at no address at all: a page for a browser, JSON for a program.

The answer at the root is CLIProxyAPI's, which health checks and scripts ask for.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.defaults import page_not_found

from routing.proxy.app import not_found_here
from routing.proxy.endpoints import dialect_of
from routing.proxy.wire import error_body

HELLO = {
    "message": "CLI Proxy API Server",
    "endpoints": ["POST /v1/chat/completions", "POST /v1/completions", "GET /v1/models"],
}


def home(request: HttpRequest) -> HttpResponse:
    if _is_browser(request):
        return redirect("admin:index")
    return JsonResponse(HELLO)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404; a client that was given a wrong base URL reads how the right one looks, in its own format."""
    if _is_browser(request):
        return page_not_found(request, exception)
    headers = {name.lower(): value for name, value in request.headers.items()}
    error = not_found_here(request.method or "GET", request.path)
    body = error_body(error, dialect_of(request.path, headers))
    return HttpResponse(body, status=error.client_status, content_type="application/json")


def _is_browser(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("accept", "")
