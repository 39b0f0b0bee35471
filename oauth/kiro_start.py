"""``GET /v0/oauth/kiro/start``: the link by which scripts and bookmarks begin a Kiro login in the browser.

A link must not do what a form does, so it begins only for somebody who has accepted the terms before and who
comes from here or from the address bar; anybody else finds the form filled in. What the vendor refuses is
answered as the seeds have it: 500 ``{"error": …}``.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from oauth import attempts, login_pages, logins
from oauth.flows.channel import Channel, LoginMethod
from oauth.flows.errors import OAuthError
from oauth.flows.registry import channel_for
from oauth.runner import RUNNER
from oauth.views import attempt_url, begin, staff_only, user_of

FIRST_ANSWER_S = 20.0
METHODS = {"": "builder-id", "builder-id": "builder-id", "aws": "builder-id", "idc": "idc"}
CLOSED = ("google", "github")
OWN_SITES = ("", "none", "same-origin")
"""Values of ``Sec-Fetch-Site``: not told, typed or bookmarked, a page of this server."""


def method_named(channel: Channel, name: str) -> LoginMethod:
    """Raises OAuthError with the words for the page."""
    if name in CLOSED:
        raise OAuthError(
            "AWS closes the login with Google and GitHub to other programs. Use a Builder ID, or import the "
            "token file of Kiro's own application.",
            status=400,
        )
    method = logins.find_method(channel, METHODS.get(name, ""))
    if name not in METHODS or method is None:
        raise OAuthError("The method must be builder-id or idc.", status=400)
    return method


def values_in(query: QueryDict, method: LoginMethod) -> dict[str, str]:
    """``start_url``, also as ``startUrl``."""
    camel = {"start_url": "startUrl"}
    return {name: query.get(name) or query.get(camel.get(name, name), "") for name, _, _ in method.fields}


@require_GET
@staff_only
def start(request: HttpRequest) -> HttpResponse:
    channel = channel_for("kiro")
    try:
        method = method_named(channel, request.GET.get("method", ""))
    except OAuthError as error:
        return _refused(request, error)
    values = values_in(request.GET, method)
    if not _may_begin(request, channel):
        query = QueryDict(mutable=True)
        query.update({"new": "1", "method": method.key})
        query.update({login_pages.field_name(method, name): value for name, value in values.items() if value})
        return HttpResponseRedirect(f"{reverse('oauth:connect', args=['kiro'])}?{query.urlencode()}")
    try:
        attempt = begin(request, channel, method, values)
    except OAuthError as error:
        return _refused(request, error)
    refused = RUNNER.wait_until_shown(attempt.pk, FIRST_ANSWER_S)
    return HttpResponseRedirect(attempt_url(attempt)) if refused is None else _refused(request, refused)


def _may_begin(request: HttpRequest, channel: Channel) -> bool:
    is_ours = request.headers.get("sec-fetch-site", "") in OWN_SITES
    return is_ours and attempts.has_accepted(channel, user_of(request).pk)


def _refused(request: HttpRequest, error: OAuthError) -> HttpResponse:
    if error.client_status >= 500:
        return JsonResponse({"error": error.message}, status=500)
    context = {"title": "This login cannot begin", "text": error.message}
    return render(request, "oauth/message.html", context, status=400)
