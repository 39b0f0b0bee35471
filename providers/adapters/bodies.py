"""A call's body, edited for a vendor that takes less (or other things) than its format allows.

Top-level members stay raw JSON until somebody looks at them, so that what is not edited keeps its bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.translation.passthrough import BAD_JSON, FIELDS

Members = dict[str, msgspec.Raw]


def members_of(body: bytes) -> Members:
    """The members of the object in ``body``; none of what is no object (a relayed upload)."""
    try:
        return dict(FIELDS.decode(body))
    except BAD_JSON:
        return {}


def value_of(members: Members, name: str) -> Any:
    """One member decoded; None when it is missing."""
    return msgspec.json.decode(members[name]) if name in members else None


def objects_of(members: Members, name: str) -> list[dict[str, Any]] | None:
    """One member that is a list of objects; None when it is something else, which is left to the vendor."""
    value = value_of(members, name)
    is_list = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return value if is_list else None


def put(members: Members, name: str, value: object) -> None:
    members[name] = msgspec.Raw(msgspec.json.encode(value))


def drop(members: Members, *names: str) -> tuple[str, ...]:
    """Take ``names`` out; which of them were there and said something."""
    gone = [name for name in names if bytes(members.pop(name, b"null")).strip() != b"null"]
    return tuple(gone)


def written(members: Members) -> bytes:
    return msgspec.json.encode(members)
