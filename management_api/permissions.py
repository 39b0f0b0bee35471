"""Who may call the management API: holders of the management key, and people signed in to the admin.

The order of the tests, their statuses and texts are CLIProxyAPI's, whose scripts rely on them
(``docs/management-api.md``). A browser session of a staff user counts where no key is sent, and then for
what the view's ``session_permissions`` name; its writes need Django's CSRF token.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from management_api import access, lockout
from management_api.errors import ManagementError, NotHere


def presented_key(request: Request) -> str:
    """``Authorization: Bearer <key>``, or that header's whole value; else ``X-Management-Key``; else ""."""
    authorization = request.META.get("HTTP_AUTHORIZATION", "").strip()
    scheme, _, rest = authorization.partition(" ")
    key: str = rest.strip() if scheme.lower() == "bearer" else authorization
    return key or request.META.get("HTTP_X_MANAGEMENT_KEY", "").strip()


class StaffSession(SessionAuthentication):
    """A staff user's session. Ignored where a key is sent, so that a script with a stray cookie is judged
    by its key alone."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        user = getattr(request._request, "user", None)
        if presented_key(request) or not isinstance(user, User) or not (user.is_active and user.is_staff):
            return None
        self.enforce_csrf(request)
        return user, None


class ManagementAccess(BasePermission):
    """Raises ManagementError or NotHere; answers True or does not answer."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.user, User):
            return self._session(request.user, view)
        self._key(request)
        return True

    def _session(self, user: User, view: APIView) -> bool:
        wanted: tuple[str, ...] = getattr(view, "session_permissions", ())
        if user.is_superuser or (wanted and user.has_perms(wanted)):
            return True
        raise ManagementError(403, "your account may not do this")

    def _key(self, request: Request) -> None:
        granted = access.current()
        if not granted.exists:
            raise NotHere
        address, now = access.client_address(request._request), timezone.now()
        left = lockout.ban_left(address, now)
        if left is not None:
            raise ManagementError(
                403,
                f"IP banned due to too many failed attempts. Try again in {lockout.duration_text(left)}",
            )
        if not granted.allows_remote and not access.is_loopback(address):
            raise ManagementError(403, "remote management disabled")
        key = presented_key(request)
        if not key:
            lockout.note_failure(address, now)
            raise ManagementError(401, "missing management key")
        if not granted.accepts(key, is_local=access.is_loopback(address)):
            lockout.note_failure(address, now)
            raise ManagementError(401, "invalid management key")
        lockout.note_success(address)
