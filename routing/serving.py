"""The routing of the process that serves a Django page, where there is one.

``cliproxy_site/asgi.py`` puts the LiveTable into the ASGI scope; a page that runs without (a test client)
reads the database instead.
"""

from __future__ import annotations

import os

from django.http import HttpRequest
from django.utils import timezone

from routing import offline
from routing.live import LiveTable
from routing.why import Routing

SCOPE_KEY = "cliproxy.live"


def live_of(request: HttpRequest) -> LiveTable | None:
    found = getattr(request, "scope", {}).get(SCOPE_KEY)
    return found if isinstance(found, LiveTable) else None


def routing_of(request: HttpRequest) -> tuple[Routing, str]:
    """The routing to look at, and whose it is, for a person. Raises DatabaseError."""
    live = live_of(request)
    if live is not None:
        return live, f"the serving process {os.getpid()}: its turns, conversations, limits and cooldowns"
    return offline.read(timezone.now()), offline.SOURCE
