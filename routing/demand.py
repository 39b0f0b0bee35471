"""What a request demands of routing, read from its bytes and headers without decoding the whole: the hot path
and the explanation ask the same.

Session keys are looked for only where conversations are kept together, abilities only where an operator
restricted some: on most gateways this costs nothing.
"""

from __future__ import annotations

import re

import msgspec

from providers.adapters.registry import adapter_for
from providers.errors import ClientError
from providers.translation.passthrough import ParsedBody, is_set
from routing.core.affinity import session_keys
from routing.core.query import RouteQuery
from routing.core.resolve import Candidate, Resolution
from routing.core.table import RoutingTable

BYTES_PER_TOKEN = 4
"""Of English text and JSON: the usual rule of thumb."""
_IMAGE = re.compile(
    rb'"type"\s*:\s*"(?:image|image_url|input_image)"|"mime_?[tT]ype"\s*:\s*"image/', re.DOTALL
)
"""How the four formats mark a picture among the parts of a message. Inside a text the quotes are escaped."""
_ENCODED = re.compile(rb"[A-Za-z0-9+/]{1000,}={0,2}")
"""Pictures and files inside the body: they are not read as text, so they do not count as tokens."""


def query_for(
    table: RoutingTable, parsed: ParsedBody, headers: dict[str, str], execution: str = ""
) -> RouteQuery:
    """``execution`` names the WebSocket session on which the request came."""
    keys: tuple[str, ...] = ()
    if table.settings.session_affinity:
        keys = session_keys(headers, parsed.fields, execution)
    if not table.has_features:
        return RouteQuery(
            model=parsed.model,
            stream=parsed.stream,
            session_keys=keys,
            wants_websocket=bool(execution),
        )
    return RouteQuery(
        model=parsed.model,
        stream=parsed.stream,
        needs_functions=_has_tools(parsed),
        needs_vision=_IMAGE.search(parsed.raw) is not None,
        input_tokens=estimated_tokens(parsed.raw),
        session_keys=keys,
        wants_websocket=bool(execution),
    )


def _has_tools(parsed: ParsedBody) -> bool:
    return any(
        is_set(parsed.fields, name) and bytes(parsed.fields[name]).strip() != b"[]"
        for name in ("tools", "functions")
    )


def estimated_tokens(body: bytes) -> int:
    """About how many tokens a request has, from its size without what is encoded in it."""
    encoded = sum(found.end() - found.start() for found in _ENCODED.finditer(body))
    return (len(body) - encoded) // BYTES_PER_TOKEN


COMPACT = "compact"
"""What binds a request to ``/responses/compact``."""


class CompactionMissing(ClientError):
    """501, as CLIProxyAPI says: nobody who serves the model has ``/responses/compact``."""

    client_status = 501
    code: str | None = "endpoint_not_supported"


def bound(resolution: Resolution, parsed: ParsedBody, field: str) -> Resolution:
    """Only the candidates whose upstream speaks the format of the body and honours ``field``.

    Raises ClientError when there is none at all: dropping ``field`` would change what is asked.
    """

    def honours(candidate: Candidate) -> bool:
        credential = candidate.credential
        adapter = adapter_for(credential.adapter)
        if field == COMPACT:
            return adapter.compacts(credential, candidate.model)
        return adapter.keeps_state(credential) and speaks(candidate, parsed)

    kept = tuple(candidate for candidate in resolution.candidates if honours(candidate))
    cooling = tuple(pair for pair in resolution.cooling if honours(pair[0]))
    limited = tuple(pair for pair in resolution.limited if honours(pair[0]))
    if not any((kept, cooling, limited)) and any(
        (resolution.candidates, resolution.cooling, resolution.limited)
    ):
        if field == COMPACT:
            raise CompactionMissing(
                f"No provider that serves the model `{parsed.model}` compacts conversations."
            )
        is_state = field == "previous_response_id"
        raise ClientError(
            f"`{field}` needs an upstream that speaks the {parsed.format} format and keeps its state; "
            f"none that serves the model `{parsed.model}` does. Send the whole conversation instead.",
            param=field,
            code="previous_response_not_found" if is_state else "unsupported_parameter",
        )
    return msgspec.structs.replace(resolution, candidates=kept, cooling=cooling, limited=limited)


def speaks(candidate: Candidate, parsed: ParsedBody) -> bool:
    """Whether the upstream is addressed in the format of the body."""
    adapter = adapter_for(candidate.credential.adapter)
    return parsed.format in adapter.formats(candidate.credential, candidate.model)
