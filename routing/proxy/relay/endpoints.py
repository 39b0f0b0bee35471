"""The endpoints beside generation: which paths and methods there are, and how each finds its upstream.

Source: https://platform.openai.com/docs/api-reference (2025); ``/v1/rerank`` is Jina's and Cohere's form,
which OpenAI-compatible servers took over. ``docs/endpoints.md`` has a row per route.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from providers.errors import ClientError


class MethodNotAllowed(ClientError):
    client_status = 405
    code: str | None = "method_not_allowed"


class NoSuchObject(ClientError):
    """404: also for an object that another client key made; its existence is not told."""

    client_status = 404
    code: str | None = "object_not_found"


class UnknownPath(ClientError):
    client_status = 404
    code: str | None = "unknown_url"


class Way(StrEnum):
    """How an endpoint finds its upstream."""

    MODEL = "model"
    """By the field ``model``, as generation does."""
    PROVIDER = "provider"
    """By the provider that the client names, or the first one: an upload belongs to no model."""
    INPUT_FILE = "input_file"
    """By the file that the request names: a batch."""
    LIST = "list"
    """By none: the client key's own objects, each read from the upstream that holds it."""
    OBJECT = "object"
    """By the object's binding."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One request's endpoint. ``path`` is what goes behind an upstream's base URL."""

    way: Way
    path: str
    default_model: str = ""
    """The model that OpenAI documents for a request without one."""
    kind: str = ""
    """What the endpoint makes or reads: ``file``, ``batch``, ``video``."""
    object_id: str = ""
    makes: bool = False
    """Whether the answer is a new object of ``kind``."""


MODEL_ROUTES = {
    "/embeddings": "",
    "/images/generations": "dall-e-2",
    "/images/edits": "dall-e-2",
    "/images/variations": "dall-e-2",
    "/moderations": "omni-moderation-latest",
    "/rerank": "",
    "/audio/speech": "",
    "/audio/transcriptions": "",
    "/audio/translations": "",
}
COLLECTIONS = {
    "files": ("file", Way.PROVIDER, ""),
    "batches": ("batch", Way.INPUT_FILE, ""),
    "videos": ("video", Way.MODEL, "sora-2"),
}
OBJECT_METHODS = {"files": ("GET", "DELETE"), "batches": ("GET",), "videos": ("GET", "DELETE")}
ACTIONS = {
    ("files", "content"): "GET",
    ("batches", "cancel"): "POST",
    ("videos", "content"): "GET",
    ("videos", "remix"): "POST",
}


def is_relayed(path: str) -> bool:
    """Whether ``path`` (normalised) lies in this package's part of ``/v1``."""
    rest = path.removeprefix("/v1")
    return path.startswith("/v1/") and (rest in MODEL_ROUTES or rest[1:].partition("/")[0] in COLLECTIONS)


def find_target(path: str, method: str) -> Target | None:
    """The endpoint at ``path`` (normalised, with ``/v1``), or None when there is none.

    Raises MethodNotAllowed.
    """
    rest = path.removeprefix("/v1")
    if rest in MODEL_ROUTES:
        _check(method, ("POST",), path)
        return Target(way=Way.MODEL, path=rest, default_model=MODEL_ROUTES[rest])
    collection, _, tail = rest[1:].partition("/")
    if collection not in COLLECTIONS:
        return None
    kind, way, default_model = COLLECTIONS[collection]
    if not tail:
        _check(method, ("GET", "POST"), path)
        if method == "GET":
            return Target(way=Way.LIST, path=rest, kind=kind)
        return Target(way=way, path=rest, kind=kind, default_model=default_model, makes=True)
    object_id, slash, action = tail.partition("/")
    if slash and (collection, action) not in ACTIONS:
        return None
    _check(method, (ACTIONS[collection, action],) if slash else OBJECT_METHODS[collection], path)
    return Target(way=Way.OBJECT, path=rest, kind=kind, object_id=object_id, makes=action == "remix")


def _check(method: str, allowed: tuple[str, ...], path: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed(f"{method} is not allowed for {path}; use {' or '.join(allowed)}.")
