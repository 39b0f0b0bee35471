"""Kiro's login for scripts, at CLIProxyAPI++'s addresses: ``/v0/oauth/kiro/{start,status,import,refresh}``.

For the holder of the management key, or a signed-in person who may connect accounts; a browser without a key
gets the pages of ``oauth/`` at the same addresses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from management_api.errors import ManagementError
from management_api.viewsets.base import ManagementView
from management_api.viewsets.logins import beginner_of
from oauth import attempts, kiro_start, login_actions, login_pages, logins
from oauth.flows.callback import is_state
from oauth.flows.errors import OAuthError
from oauth.flows.registry import channel_for
from oauth.models import AttemptStatus, OAuthToken
from oauth.runner import RUNNER
from providers.models import Credential

FIRST_ANSWER_S = 20.0
IMPORT_S = 40.0
KEPT = timedelta(minutes=30)
"""How long an ended login is still known."""


def start(request: HttpRequest) -> HttpResponseBase:
    """JSON for a script with a key, the page for a person."""
    has_key = "HTTP_AUTHORIZATION" in request.META or "HTTP_X_MANAGEMENT_KEY" in request.META
    answer: HttpResponseBase = KiroStart.as_view()(request) if has_key else kiro_start.start(request)
    return answer


class KiroView(ManagementView):
    session_permissions = ("oauth.connect_account",)
    schema = None  # not below /v0/management/, which the OpenAPI document describes


class KiroStart(KiroView):
    def get(self, request: Request) -> Response:
        channel = channel_for("kiro")
        try:
            method = kiro_start.method_named(channel, request.query_params.get("method", ""))
            values = kiro_start.values_in(request._request.GET, method)
            attempt, _ = logins.start(channel, method, values, beginner_of(request))
        except OAuthError as error:
            raise ManagementError(error.client_status, error.message) from error
        refused = RUNNER.wait_until_shown(attempt.pk, FIRST_ANSWER_S)
        if refused is not None:
            raise ManagementError(400 if refused.client_status == 400 else 500, refused.message)
        found = attempts.find(attempt.pk) or attempt
        shown = attempts.shown_of(found)
        if shown is None or not shown.user_code:
            attempts.cancel(attempt.pk)
            raise ManagementError(500, found.error or "AWS did not answer in time.")
        return Response(
            {
                "status": "pending",
                "state": shown.state,
                "user_code": shown.user_code,
                "verification_url": shown.verification_url,
                "verification_url_complete": shown.verification_url_complete,
                "expires_in": login_pages.remaining_s(found),
                "interval": shown.interval_s,
            }
        )


class KiroStatus(KiroView):
    def get(self, request: Request) -> Response:
        state = request.query_params.get("state", "").strip()
        if not state:
            raise ManagementError(400, "missing state parameter")
        attempt = attempts.find_by_state(state) if is_state(state) else None
        now = timezone.now()
        if attempt is None or attempt.channel != "kiro" or (attempt.finished_at or now) < now - KEPT:
            raise ManagementError(404, "session not found")
        ended = attempt.finished_at.isoformat() if attempt.finished_at else ""
        match attempt.status:
            case AttemptStatus.PENDING:
                answer: dict[str, Any] = {"remaining_seconds": login_pages.remaining_s(attempt)}
                return Response({"status": "pending", **answer})
            case AttemptStatus.SUCCESS:
                expires = _expires_at(attempt.credential)
                return Response({"status": "success", "completed_at": ended, "expires_at": expires})
            case _:
                return Response({"status": "failed", "error": attempt.error, "failed_at": ended})


def _expires_at(credential: Credential | None) -> str:
    token = getattr(credential, "oauth_token", None)
    return token.expires_at.isoformat() if token is not None and token.expires_at is not None else ""


class KiroImport(KiroView):
    def post(self, request: Request) -> Response:
        given = request.data if isinstance(request.data, dict) else {}
        token = given.get("refreshToken", given.get("refresh_token"))
        if not isinstance(token, str) or not token.strip():
            return _refused("refreshToken is required", 400)
        channel = channel_for("kiro")
        method = logins.find_method(channel, "refresh-token")
        if method is None:
            return _refused("This gateway imports no refresh tokens.", 400)
        try:
            attempt, _ = logins.start(channel, method, {"refresh_token": token}, beginner_of(request))
        except OAuthError as error:
            return _refused(error.message, error.client_status)
        refused = RUNNER.wait_until_ended(attempt.pk, IMPORT_S)
        found = attempts.find(attempt.pk) or attempt
        if found.status != AttemptStatus.SUCCESS or found.credential is None:
            attempts.cancel(attempt.pk)
            is_theirs = refused is not None and refused.client_status < 500
            return _refused(found.error or "Kiro did not answer in time.", 400 if is_theirs else 500)
        name = channel.file_name(found.credential.oauth_token.grant())
        return Response({"success": True, "message": "The token was imported.", "fileName": name})


class KiroRefresh(KiroView):
    """Renews every Kiro login now."""

    def post(self, request: Request) -> Response:
        ids = OAuthToken.objects.filter(channel="kiro").values("credential_id")
        rows = Credential.objects.filter(pk__in=ids, enabled=True)
        outcomes = login_actions.refresh(rows)
        if not outcomes:
            return _refused("There is no Kiro account to refresh.", 400)
        warnings = [f"{outcome.label}: {outcome.message}" for outcome in outcomes if not outcome.ok]
        count = len(outcomes) - len(warnings)
        if not count:
            return _refused("; ".join(warnings), 400)
        answer: dict[str, Any] = {
            "success": True,
            "message": f"{count} of {len(outcomes)} Kiro accounts refreshed.",
            "refreshedCount": count,
        }
        return Response(answer | ({"warnings": warnings} if warnings else {}))


def _refused(error: str, status: int) -> Response:
    return Response({"success": False, "error": error}, status=status)
