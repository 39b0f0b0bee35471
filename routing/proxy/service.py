"""What the gateway tells of itself beside the models: providers, capabilities and figures.

``/v1/providers…`` and ``/v1/capabilities`` need a client key. ``/v1/metrics/providers`` needs none, as
cliproxyapi-plusplus's monitoring reads it. ``/metrics`` needs none from this machine, and a client key from
elsewhere.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, unquote

from providers.errors import ClientError
from routing.proxy.access import authenticate
from routing.proxy.directory import Directory
from routing.proxy.exposition import CONTENT_TYPE, exposition
from routing.proxy.gateway import Gateway
from routing.proxy.provider_figures import figures
from routing.proxy.wire import Headers, Scope, Send, send_json, send_whole

FIGURES = "/v1/metrics/providers"
PROMETHEUS = "/metrics"
CAPABILITIES = "/v1/capabilities"
PROVIDERS = "/v1/providers"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""A proxy on this machine speaks for others."""


class NoSuchView(ClientError):
    client_status = 404
    code: str | None = "unknown_url"


class WrongMethod(ClientError):
    client_status = 405
    code: str | None = "method_not_allowed"


def serves(path: str) -> bool:
    return path in (FIGURES, PROMETHEUS, CAPABILITIES, PROVIDERS) or path.startswith(f"{PROVIDERS}/")


def is_switch(path: str, method: str) -> bool:
    """``PUT /v1/providers/{name}/enabled`` changes the configuration: Django's, and not the hot path's."""
    if method != "PUT" or not path.startswith(f"{PROVIDERS}/"):
        return False
    name, _, rest = path.removeprefix(f"{PROVIDERS}/").partition("/")
    return bool(name) and rest == "enabled"


async def answer(gateway: Gateway, path: str, scope: Scope, send: Send, headers: dict[str, str]) -> None:
    """Serve one of the paths that ``serves`` names. Raises ClientError, Unauthorized."""
    method: str = scope["method"]
    if method not in ("GET", "HEAD"):
        raise WrongMethod(f"{method} is not allowed for {path}; use GET.")
    table = gateway.live.table
    if path == FIGURES:
        totals, _ = gateway.totals()
        await send_json(send, 200, figures(table.providers, totals.providers))
        return
    if path == PROMETHEUS:
        if not _is_local(scope, headers):
            authenticate(table, headers, gateway.digest, gateway.clock())
        await _prometheus(gateway, send)
        return
    client = authenticate(table, headers, gateway.digest, gateway.clock())
    directory = Directory(table, client)
    if path == CAPABILITIES:
        query = {
            name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()
        }
        await send_json(send, 200, directory.capability(query.get("model", ""), query.get("feature", "")))
        return
    await send_json(send, 200, _provider(gateway, directory, path))


def _provider(gateway: Gateway, directory: Directory, path: str) -> dict[str, Any]:
    rest = path.removeprefix(PROVIDERS).strip("/")
    if not rest:
        return directory.all()
    name, _, view = rest.partition("/")
    entry = directory.provider(unquote(name))
    if not view:
        return directory.shown(entry)
    if view == "models":
        return directory.models(entry)
    if view == "capabilities":
        return directory.capabilities(entry)
    if view == "status":
        return directory.status(entry, gateway.state, gateway.metrics)
    if view == "enabled":
        raise WrongMethod(f"Only PUT is allowed for {path}, with the management key.")
    raise NoSuchView(f"There is no {path}; a provider has /models, /capabilities, /status and /enabled.")


async def _prometheus(gateway: Gateway, send: Send) -> None:
    totals, processes = gateway.totals()
    now = time.time()
    body = exposition(
        totals,
        gateway.live.table,
        lambda credential_id: gateway.state.running(credential_id, now),
        gateway.version,
        processes,
    )
    head: Headers = [(b"content-type", CONTENT_TYPE.encode())]
    await send_whole(send, 200, head, body)


def _is_local(scope: Scope, headers: dict[str, str]) -> bool:
    client = scope.get("client")
    address = client[0].removeprefix("::ffff:") if client else ""
    return address in ("127.0.0.1", "::1") and not any(name in headers for name in _FORWARDED)
