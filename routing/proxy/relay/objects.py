"""Objects that outlive an exchange (files, batches, videos): who sees them, which credential keeps them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec

from providers.adapters.base import Adapter
from providers.adapters.registry import adapter_for
from providers.adapters.relay import can_hold, can_relay
from providers.errors import ClientError, NoCandidate
from providers.values import CredentialEntry, Format
from routing.core.bindings import Binding, BindingStore
from routing.core.credentials import credentials_of_provider, find_credential
from routing.core.resolve import Candidate
from routing.core.state import RoutingState
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.relay.endpoints import STATE_KINDS, NoSuchObject

DEFAULT_PAGE = 20
LONGEST_PAGE = 100


class _File(msgspec.Struct):
    id: str | None = None


class _Made(msgspec.Struct):
    """The ids in an answer: the object's own, and those of the files that a batch wrote, or that an upload
    became. xAI names a video by its request."""

    id: str | None = None
    request_id: str | None = None
    file: _File | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


_MADE = msgspec.json.Decoder(_Made)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a list request asks for."""

    after: str
    limit: int
    newest_first: bool
    purpose: str


def read_page(query: str) -> Page:
    """Raises ClientError."""
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    limit = given.get("limit", str(DEFAULT_PAGE))
    if not limit.isdecimal() or int(limit) < 1:
        raise ClientError("`limit` must be a positive whole number.", param="limit")
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise ClientError("`order` must be `asc` or `desc`.", param="order")
    return Page(
        after=given.get("after", ""),
        limit=min(int(limit), LONGEST_PAGE),
        newest_first=order == "desc",
        purpose=given.get("purpose", ""),
    )


def rest_key(kind: str) -> str:
    """Under which name a credential rests for calls without a model; no model has a blank in its id."""
    return f"{kind} objects"


def provider_candidates(
    table: RoutingTable,
    state: RoutingState,
    client: ClientEntry,
    provider_key: str,
    kind: str,
    now: float,
) -> list[Candidate]:
    """Who may take a new object that belongs to no model: one provider's credentials, those that rest last.

    Raises ClientError when the client names a provider that it has not, NoCandidate when there is none.
    """

    def is_fit(entry: CredentialEntry) -> bool:
        adapter = adapter_for(entry.adapter)
        if kind in STATE_KINDS:
            return can_hold(adapter) and Format.RESPONSES in adapter.formats(entry)
        return can_relay(adapter)

    found = credentials_of_provider(table, client, provider_key, is_fit)
    if not found and provider_key:
        raise ClientError(
            f"There is no provider `{provider_key}` here that speaks OpenAI's form and that you may use.",
            code="unknown_provider",
        )
    if not found:
        raise NoCandidate(f"No provider that can keep a {kind} is configured.")
    return rested_last(found, state, kind, now)


def rested_last(found: list[CredentialEntry], state: RoutingState, kind: str, now: float) -> list[Candidate]:
    """Candidates for what belongs to no model: in the order given, those that rest after the others."""
    key = rest_key(kind)
    ordered = sorted(found, key=lambda entry: state.cooldown(entry.id, key, now) is not None)
    return [Candidate(credential=entry, model=key) for entry in ordered]


async def bound_candidate(
    table: RoutingTable,
    store: BindingStore,
    client: ClientEntry,
    kind: str,
    object_id: str,
    now: float,
    is_fit: Callable[[Adapter], bool] = can_hold,
) -> tuple[Binding, Candidate]:
    """The object's hold, and the only credential that can read it. Raises NoSuchObject, NoCandidate."""
    binding = await store.find(client.id, kind, object_id) if object_id else None
    if binding is None or has_ended(binding, table, now):
        raise NoSuchObject(f"There is no {kind} `{object_id}` that this client key made.")
    return binding, held_by(table, binding, is_fit)


def has_ended(binding: Binding, table: RoutingTable, now: float) -> bool:
    """A video is known for as long as ``video-result-auth-cache-ttl`` says."""
    age_s = now - binding.made_at
    return binding.kind == "video" and binding.made_at > 0 and age_s > table.settings.video_result_ttl_s


def held_by(table: RoutingTable, binding: Binding, is_fit: Callable[[Adapter], bool] = can_hold) -> Candidate:
    """Raises NoCandidate when the credential is switched off or offers nothing any more."""
    credential = find_credential(table, binding.credential_id)
    if credential is None or not is_fit(adapter_for(credential.adapter)):
        raise NoCandidate(
            f"The credential that holds the {binding.kind} `{binding.object_id}` is not in service now.",
            code="auth_unavailable",
        )
    return Candidate(credential=credential, model=rest_key(binding.kind))


async def keep_made(
    store: BindingStore,
    client: ClientEntry,
    credential_id: int,
    kind: str,
    body: bytes,
    *,
    is_new: bool,
    now: float = 0.0,
) -> None:
    """Bind what an answer names: a new object, and the files that a batch wrote meanwhile."""
    try:
        made = _MADE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    ids = [(kind, made.id or made.request_id)] if is_new else []
    if kind == "batch":
        ids += [("file", made.output_file_id), ("file", made.error_file_id)]
    if kind == "upload" and made.file is not None:
        ids.append(("file", made.file.id))
    for found_kind, object_id in ids:
        if object_id and (is_new or await store.find(client.id, found_kind, object_id) is None):
            await store.keep(
                Binding(
                    client_key_id=client.id,
                    kind=found_kind,
                    object_id=object_id,
                    credential_id=credential_id,
                    made_at=now,
                )
            )
