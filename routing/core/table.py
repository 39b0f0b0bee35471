"""The RoutingTable: everything routing needs to know of the configuration, immutable, swapped whole.

Built by ``routing/table.py`` from rows, read by the hot path, the simulator and the admin alike. What there
may be a hundred thousand of is kept from the garbage collector (``gc=False``): it is frozen and refers to
nothing that could refer back, and else every full collection would walk the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from providers.values import CredentialEntry, ErrorRule, Features, Limits
from routing.core.amp_settings import AmpSettings
from routing.core.payload import PayloadRules
from routing.core.relay_model import RelayModel


class ClientEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A client key. ``expires_at`` is Unix seconds; ``allowed`` are lower-cased patterns, empty = all."""

    id: int
    label: str
    enabled: bool = True
    expires_at: float | None = None
    allowed: tuple[str, ...] = ()
    limits: Limits | None = None
    keeps_responses_s: int = 0
    """How long answers of this key are kept for ``previous_response_id``, in seconds; 0 means not at all."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A credential and an upstream model that may serve a request. Both together, without any suffix, are
    the key under which cooldowns are kept."""

    credential: CredentialEntry
    model: str
    """The upstream model, without a suffix."""
    force_mapping: bool = False
    suffix: str = ""
    """What a configured upstream name says of reasoning (``up(low)``); it wins over the client's."""
    features: Features | None = None
    """What the operator says that the model can do here; None where nothing is said."""
    price: float | None = None
    """US dollars for a million tokens, three in for one out; None where no catalogue knows."""


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One credential's way to serve one registered id. Several ``members`` are a pool, in order."""

    credential: CredentialEntry
    members: tuple[str, ...]
    """Upstream models."""
    force_mapping: bool = False
    candidates: tuple[Candidate, ...] = ()
    """One per member; made from the other fields when left out."""

    def __post_init__(self) -> None:
        if not self.candidates:
            made = tuple(
                Candidate(credential=self.credential, model=member, force_mapping=self.force_mapping)
                for member in self.members
            )
            msgspec.structs.force_setattr(self, "candidates", made)


class Tier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The offers of one priority, in routing order. ``key`` names its rotation."""

    key: str
    priority: int
    offers: tuple[Offer, ...]


def tiers_of(key: str, offers: Sequence[Offer]) -> tuple[Tier, ...]:
    """``offers`` by priority, the highest first, their order kept inside each."""
    if len({offer.credential.priority for offer in offers}) < 2:
        return tuple(
            Tier(key=key, priority=offer.credential.priority, offers=tuple(offers)) for offer in offers[:1]
        )
    found: dict[int, list[Offer]] = {}
    for offer in offers:
        found.setdefault(offer.credential.priority, []).append(offer)
    return tuple(
        Tier(key=f"{key}@{priority}", priority=priority, offers=tuple(found[priority]))
        for priority in sorted(found, reverse=True)
    )


class RegisteredModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An id that clients may ask for, and who offers it: offers by provider (more credentials first,
    then key), then by credential id."""

    id: str
    offers: tuple[Offer, ...]
    owned_by: str = ""
    created: int = 0
    display_name: str = ""
    context_length: int | None = None
    max_output_tokens: int | None = None
    images_only: bool = False
    """Usable on image routes only."""
    tiers: tuple[Tier, ...] = ()
    """``offers`` by priority."""

    def __post_init__(self) -> None:
        if not self.tiers:
            msgspec.structs.force_setattr(self, "tiers", tiers_of(self.id, self.offers))


class OpenOffer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A credential that passes any id on which no pattern of ``excluded`` matches."""

    credential: CredentialEntry
    excluded: tuple[str, ...] = ()


class Rejection(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a credential is no candidate: ``reason`` is a stable word, ``detail`` is for people."""

    credential_id: int
    provider_key: str
    reason: str
    """``excluded``, ``disabled``, ``login_needed`` and ``prefix`` (from the table); ``cooling``, ``limit``,
    ``capability``, ``weight``, ``not_allowed`` (now); ``tried``, ``retry_limit`` (in a later round)."""
    detail: str = ""
    model: str = ""
    until: float | None = None


class Strategy(StrEnum):
    """The rule that orders the candidates of one priority tier (docs/routing.md)."""

    ROUND_ROBIN = "round-robin"
    WEIGHTED = "weighted-round-robin"
    FILL_FIRST = "fill-first"
    LEAST_BUSY = "least-busy"
    LOWEST_LATENCY = "lowest-latency"
    LOWEST_COST = "lowest-cost"


class Fallbacks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a request for one registered id goes when that id cannot serve it: other registered ids, in
    order, by cause. ``exhaustion`` means that every candidate failed or rests."""

    context_length: tuple[str, ...] = ()
    content_filter: tuple[str, ...] = ()
    exhaustion: tuple[str, ...] = ()


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    request_retry: int = 3
    max_retry_credentials: int = 0
    max_retry_interval_s: float = 30.0
    transient_cooldown_s: int = 0
    disable_cooling: bool = False
    force_model_prefix: bool = False
    debug: bool = False
    strategy: Strategy = Strategy.ROUND_ROBIN
    session_affinity: bool = False
    session_affinity_ttl_s: float = 3600.0
    bootstrap_retries: int = 0
    """Further complete attempts of a stream that failed before its first byte."""
    deadline_s: float = 0.0
    """For the whole exchange until its first byte, retries and waits included; 0 means none."""
    keepalive_s: float = 0.0
    """A comment in a silent stream after so many seconds; 0 means never."""
    nonstream_keepalive_s: float = 0.0
    """A newline ahead of a slow whole answer every so many seconds; 0 means never."""
    passthrough_headers: bool = False
    saves_cooldowns: bool = False
    image_generation: str = "on"
    """``on``, ``off``, ``chat`` (off but on image routes) or ``passthrough`` (config.yaml's
    ``disable-image-generation``)."""
    responses_websocket: bool = True
    """Whether ``/v1/responses`` takes WebSockets (config.yaml's ``responses-websocket-enabled``)."""
    responses_compact: bool = True
    """Whether ``/v1/responses/compact`` is served (config.yaml's ``responses-compact-enabled``)."""
    channel_error_rules: dict[str, tuple[ErrorRule, ...]] = {}
    fallbacks: dict[str, Fallbacks] = {}
    """By registered id."""
    payload: PayloadRules = PayloadRules()
    ws_auth: bool = True
    """The relay socket ``/v1/ws`` needs a client key."""
    auth_refresh_workers: int = 16
    """Tokens renewed at once."""
    codex_stream_buffering: bool = False
    """Codex's first events are held back until it generates."""
    xai_x_search: bool = False
    """xAI's search tool is added to every Responses request."""
    channel_base_urls: dict[str, str] = {}
    """``oauth-upstream``: channel -> base URL of its logins."""
    logging_to_file: bool = False
    """Logs go into files in the data folder instead of the standard output."""
    logs_max_total_size_mb: int = 0
    """MiB of log files, of which the oldest go; 0 means no bound."""
    gpt_image_2_base_model: str = "gpt-5.4-mini"
    """The model that calls the image tool where there is no images endpoint."""
    antigravity_credits: bool = True
    """With every allowance spent, what the account bought beside it is the last resort."""
    video_result_ttl_s: float = 10_800.0
    """How long a video is asked of the credential that made it; then the gateway knows it no more."""
    request_log: bool = False
    """A file for each request, bodies and all (``routing/proxy/request_files.py``)."""
    error_logs_max_files: int = 10
    """Files of failed requests, of which the oldest go; 0 means no bound."""
    commercial_mode: bool = False
    """No request file at all."""
    auth_dir: str = "~/.cli-proxy-api"
    """Folder of credential files; ``~`` is not yet expanded."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """An allowance that a vendor reports as spent. ``model`` "" means all but ``spares`` (patterns)."""

    credential_id: int
    model: str
    spares: tuple[str, ...]
    until: float
    message: str


class ProviderEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as clients may see it in ``/v1/providers``; routing itself goes by credentials."""

    key: str
    adapter: str
    name: str = ""
    enabled: bool = True
    auth_type: str = "api_key"
    """``api_key``, ``none`` or ``oauth_device_flow``: by what its credentials hold."""
    endpoint: str = ""
    priority: int = 0
    features: Features = Features()
    """What the operator says, completed by the adapter's own sheet."""
    limits: Limits | None = None
    credential_ids: tuple[int, ...] = ()
    """Those that are switched on."""


class RoutingTable(msgspec.Struct, frozen=True, kw_only=True):
    revision: int
    clients: dict[str, ClientEntry]
    """By digest of the client key."""
    models: dict[str, RegisteredModel]
    open_prefixes: dict[str, tuple[OpenOffer, ...]] = {}
    """Any id under ``prefix/`` goes to these."""
    open_offers: tuple[OpenOffer, ...] = ()
    """Any id that nobody registered goes to these."""
    hidden: dict[str, tuple[Rejection, ...]] = {}
    """Ids that would be registered but for an exclusion, a switch or a prefix rule."""
    has_features: bool = True
    """Whether an operator says of anybody what it can do: else requests are not looked at for what they
    need."""
    newest: tuple[str, ...] = ()
    """Registered ids that ``auto`` may stand for, the newest first."""
    settings: RouteSettings = RouteSettings()
    amp: AmpSettings | None = None
    relayed: tuple[RelayModel, ...] = ()
    """What a page of AI Studio serves when one is connected (``routing/core/relays.py``)."""
    providers: dict[str, ProviderEntry] = {}
    """By key, in its order."""
    credentials: dict[int, CredentialEntry] = {}
    """Those that offer something, by id; made from the offers when left out."""
    cleared_at: dict[int, float] = {}
    """Credential id -> Unix seconds of the last "clear cooldown"."""
    spent: tuple[Spent, ...] = ()

    def __post_init__(self) -> None:
        if not self.credentials:
            offers: list[Offer | OpenOffer] = [
                offer for model in self.models.values() for offer in model.offers
            ]
            for opened in (*self.open_prefixes.values(), self.open_offers):
                offers += opened
            made = {offer.credential.id: offer.credential for offer in offers}
            msgspec.structs.force_setattr(self, "credentials", made)


EMPTY = RoutingTable(revision=-1, clients={}, models={})
