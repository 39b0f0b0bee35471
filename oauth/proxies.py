"""The gateway's own proxy address, for calls of logins that have none of their own.

The row belongs to ``routing``, a layer above: it is asked for by name and not imported.
"""

from __future__ import annotations

import logging

from django.apps import apps

from providers import secrets
from providers.secrets import SecretsError

logger = logging.getLogger("oauth")


def default_proxy() -> str:
    """The address, "" without one, or when it cannot be opened (which the table's builder reports)."""
    rows = apps.get_model("routing", "GatewaySettings")._default_manager.filter(pk=1)
    token = rows.values_list("proxy_token", flat=True).first()
    try:
        return secrets.reveal(token or "")
    except SecretsError as error:
        logger.error("the gateway's proxy address cannot be opened: %s", error)
        return ""
