"""The endpoints beside generation: which paths and methods there are, and how each finds its upstream.

Source: https://platform.openai.com/docs/api-reference (2026); ``/v1/rerank`` is Jina's and Cohere's form,
``/v1/videos/generations`` xAI's, which OpenAI-compatible servers took over. ``docs/endpoints.md`` has a row
per route.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from providers.adapters.relay import SEARCH
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
    SOURCE = "source"
    """By the object that the request works on (``{"video": {"id"}}``), else by the model."""
    SEARCH = "search"
    """By none: whoever answers Codex's search."""
    LIST = "list"
    """By none: the client key's own objects, each read from the upstream that holds it."""
    OBJECT = "object"
    """By the object's binding."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One request's endpoint. ``path`` is what goes behind an upstream's base URL."""

    way: Way
    path: str
    default_model: str = ""
    """The model of a request that names none: OpenAI's documented one, CLIProxyAPI's for images (OpenAI names
    none any more), xAI's for its ways to a video."""
    kind: str = ""
    """What the endpoint makes or reads: ``file``, ``batch``, ``video``, ``upload``, ``response``, …"""
    object_id: str = ""
    rest: str = ""
    """What stands behind the object's id: ``content``, ``items/msg_1``."""
    makes: str = ""
    """The kind of the new object that the answer is, "" when it is none."""
    takes_file: bool = False
    """Whether the body must be multipart."""


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of object. ``new`` is the way to a new one, None when another endpoint makes it."""

    kind: str
    new: Way | None
    default_model: str = ""
    takes_file: bool = False
    is_listed: bool = True
    methods: tuple[str, ...] = ("GET",)
    actions: dict[str, tuple[str, ...]] = {}
    """Methods by what stands behind the id; a ``*`` is one more segment."""
    makes: dict[str, str] = {}
    """Kinds of new objects that actions answer with."""
    verbs: dict[str, Way] = {}
    """Words in the place of an id that make a new object by a POST."""
    verb_model: str = ""
    """The default model of these: they are another vendor's."""


MODEL_ROUTES = {
    "/embeddings": "",
    "/images/generations": "gpt-image-2",
    "/images/edits": "gpt-image-2",
    "/images/variations": "dall-e-2",
    "/moderations": "omni-moderation-latest",
    "/rerank": "",
    "/audio/speech": "",
    "/audio/transcriptions": "",
    "/audio/translations": "",
}
COLLECTIONS = {
    "files": Collection(
        kind="file",
        new=Way.PROVIDER,
        takes_file=True,
        methods=("GET", "DELETE"),
        actions={"content": ("GET",)},
    ),
    "uploads": Collection(
        kind="upload",
        new=Way.PROVIDER,
        is_listed=False,
        methods=(),
        actions={"parts": ("POST",), "complete": ("POST",), "cancel": ("POST",)},
    ),
    "batches": Collection(kind="batch", new=Way.INPUT_FILE, actions={"cancel": ("POST",)}),
    "videos": Collection(
        kind="video",
        new=Way.MODEL,
        default_model="sora-2",
        methods=("GET", "DELETE"),
        actions={"content": ("GET",), "remix": ("POST",)},
        makes={"remix": "video"},
        verbs={"generations": Way.MODEL, "edits": Way.SOURCE, "extensions": Way.SOURCE},
        verb_model="grok-imagine-video",
    ),
    "responses": Collection(
        kind="response",
        new=None,
        is_listed=False,
        methods=("GET", "DELETE"),
        actions={"input_items": ("GET",), "cancel": ("POST",)},
    ),
    "conversations": Collection(
        kind="conversation",
        new=Way.PROVIDER,
        is_listed=False,
        methods=("GET", "POST", "DELETE"),
        actions={"items": ("GET", "POST"), "items/*": ("GET", "DELETE")},
    ),
}
STATE_KINDS = frozenset({"response", "conversation"})
"""Kinds that only an upstream of the responses format holds, or this gateway itself."""


def is_relayed(path: str) -> bool:
    """Whether ``path`` (normalised) lies in this package's part of ``/v1``."""
    rest = path.removeprefix("/v1")
    if not path.startswith("/v1/") or rest == "/responses":
        return False
    return rest in MODEL_ROUTES or rest == SEARCH or rest[1:].partition("/")[0] in COLLECTIONS


def find_target(path: str, method: str) -> Target | None:
    """The endpoint at ``path`` (normalised, with ``/v1``), or None when there is none.

    Raises MethodNotAllowed.
    """
    rest = path.removeprefix("/v1")
    if rest == SEARCH:
        _check(method, ("POST",), path)
        return Target(way=Way.SEARCH, path=rest)
    if rest in MODEL_ROUTES:
        _check(method, ("POST",), path)
        return Target(way=Way.MODEL, path=rest, default_model=MODEL_ROUTES[rest])
    name, _, tail = rest[1:].partition("/")
    collection = COLLECTIONS.get(name)
    if collection is None:
        return None
    if not tail:
        return _whole(collection, rest, method, path)
    object_id, slash, action = tail.partition("/")
    if not slash and method == "POST" and object_id in collection.verbs:
        made = _new(collection, collection.verbs[object_id], rest)
        return msgspec.structs.replace(made, default_model=collection.verb_model)
    known = action if action in collection.actions else f"{action.partition('/')[0]}/*"
    if slash and (known not in collection.actions or "/" in action.partition("/")[2]):
        return None
    methods = collection.actions[known] if slash else collection.methods
    if not methods:
        return None
    _check(method, methods, path)
    return Target(
        way=Way.OBJECT,
        path=rest,
        kind=collection.kind,
        object_id=object_id,
        rest=action,
        makes=collection.makes.get(action, ""),
    )


def _whole(collection: Collection, rest: str, method: str, path: str) -> Target | None:
    """The collection itself: a list, or a new object."""
    if collection.new is None:
        return None
    _check(method, ("GET", "POST") if collection.is_listed else ("POST",), path)
    if method == "GET":
        return Target(way=Way.LIST, path=rest, kind=collection.kind)
    return _new(collection, collection.new, rest)


def _new(collection: Collection, way: Way, rest: str) -> Target:
    return Target(
        way=way,
        path=rest,
        kind=collection.kind,
        default_model=collection.default_model,
        makes=collection.kind,
        takes_file=collection.takes_file,
    )


def _check(method: str, allowed: tuple[str, ...], path: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed(f"{method} is not allowed for {path}; use {' or '.join(allowed)}.")
