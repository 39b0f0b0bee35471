"""What a vendor's page sends a browser back with, read from every form in which people hand it over. Pure.

A callback arrives as a query on one of our addresses, or as text that somebody copied out of the address bar
because the page at ``localhost`` could not be opened: the whole URL, with or without its scheme, its query
alone, or the ``code#state`` that Anthropic's page shows for copying. Fields that the query lacks are looked
for in the fragment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from oauth.flows.base import Callback
from oauth.flows.errors import OAuthError

STATE = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""What a state may look like; also never ``..``."""
FIELDS = ("code", "token", "state", "error", "error_description")
LONGEST = 16_384
"""Characters of a pasted address. Codes are at most 2 to 4 KB; more is a paste of something else."""
_BARE = re.compile(r"[A-Za-z0-9._~+/=-]+#[A-Za-z0-9._-]+")
_LONGEST_ERROR = 300


class CallbackUnreadable(OAuthError):
    """The pasted text is no callback: the message says what is missing."""

    client_status = 400
    code: str | None = "invalid_callback"


def is_state(text: str) -> bool:
    """Whether ``text`` may be a state at all: looked at before anything is looked up."""
    return STATE.fullmatch(text) is not None and ".." not in text


def read_query(query: Mapping[str, str]) -> Callback:
    """The four fields of a callback address. ``code#state`` in ``code`` is split; the part behind ``#`` is
    the state when there is no other. Never raises: an empty Callback has neither code nor error."""
    # Roo Code's page sends its token straight back, under that name.
    code = query.get("code", "").strip() or query.get("token", "").strip()
    state = query.get("state", "").strip()
    code, _, behind = code.partition("#")
    error, description = query.get("error", "").strip(), query.get("error_description", "").strip()
    return Callback(
        code=code,
        state=state or behind,
        error=(error or description)[:_LONGEST_ERROR],
        error_description=description[:_LONGEST_ERROR] if error else "",
    )


def read_pasted(text: str) -> Callback:
    """A callback as somebody pasted it. Raises CallbackUnreadable when it holds neither code nor error."""
    text = text.strip().strip("\"'<>").strip()
    if not text:
        raise CallbackUnreadable("Paste the address that the browser ended on.")
    if len(text) > LONGEST:
        raise CallbackUnreadable("That is too long to be a callback URL.")
    callback = read_query(_fields_of(text))
    if not callback.code and not callback.error:
        raise CallbackUnreadable(
            "callback URL missing code: copy the whole address, with everything behind the question mark."
        )
    return callback


def _fields_of(text: str) -> dict[str, str]:
    if _BARE.fullmatch(text) and "?" not in text and "code=" not in text:
        return {"code": text}
    try:
        parts = urlsplit(text if "?" in text or "#" in text else f"?{text}")
    except ValueError as error:
        raise CallbackUnreadable("That is not a callback URL.") from error
    query = parts.query
    if not query and "=" in parts.path:  # code=...&state=...#...
        query = parts.path
    found = _first_values(query)
    for name, value in _first_values(parts.fragment).items():
        found.setdefault(name, value)
    # ``?code=abc#state``: what stands behind the # belongs to the code.
    if "code" in found and "state" not in found and is_state(parts.fragment):
        found["state"] = parts.fragment
    return found


def _first_values(query: str) -> dict[str, str]:
    try:
        values = parse_qs(query.lstrip("?"), max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[name][0] for name in FIELDS if name in values}
