"""From a route model to ordered candidates, and a reason for every credential that is none.

Pure: the same call answers the hot path, ``manage.py route`` and the admin's "why" page; these two *peek*,
which takes no turn and changes nothing. The order of transformations is in ``docs/routing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from providers.errors import ClientError, GatewayError
from routing.core import limits
from routing.core.capability import ROOM, lacks
from routing.core.cooldown import Cooldown
from routing.core.exclusions import first_match
from routing.core.query import RouteQuery
from routing.core.select import Ready, members_in_turn, ordered, weights_of
from routing.core.state import RoutingState
from routing.core.table import Candidate as Candidate  # what a resolution is made of
from routing.core.table import (
    ClientEntry,
    Offer,
    OpenOffer,
    RegisteredModel,
    Rejection,
    RoutingTable,
    Strategy,
    Tier,
    tiers_of,
)

AUTO = "auto"
IMAGES_ONLY = frozenset(
    {
        "gpt-image-1.5",
        "gpt-image-2",
        "grok-imagine-image",
        "grok-imagine-image-quality",
        "grok-imagine-image-2.0",
    }
)
"""Ids (behind the last ``/``) that make images and cannot chat, whoever offers them."""
QUOTA_MARK_S = 300.0
"""After so long a spent quota no longer keeps a model from being listed, although it may still rest."""
PROBED_S = 120.0
"""Shorter windows end soon enough; a longer one may be tested once, when half of it is over."""


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """``candidates`` in the order to be tried. ``cooling`` are those that rest, with their windows; they
    stand among the ``rejections`` too, where everybody else who is no candidate is told with the reason.
    ``routing.core.explain`` puts it into words."""

    route_model: str
    """The registered id that the request reached, without a suffix."""
    suffix: str
    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...] = ()
    cooling: tuple[tuple[Candidate, Cooldown], ...] = ()
    strategy: Strategy = Strategy.ROUND_ROBIN
    """The rule by which each priority tier of ``candidates`` is ordered."""
    bound_by: str = ""
    """The session key whose binding put the first candidate in front; "" when none did."""
    binding_keys: tuple[str, ...] = ()
    """Under which the conversation is to be bound to the credential that serves it."""
    probe: Candidate | None = None
    """The first candidate, when it rests and is tried once before its time."""
    tiers: tuple[Tier, ...] = ()
    weights: tuple[tuple[int, int], ...] = ()
    """Where the first candidate has its place by weight: those of the free ones of its tier."""
    pools: dict[int, str] = {}
    """Credential -> the rotation of its pool, of those whose members stand among the candidates."""
    limited: tuple[tuple[Candidate, float], ...] = ()
    """Those that their limits keep out, with the seconds (``math.inf``: unknown) until they have room."""

    def ring_of(self, candidate: Candidate) -> str:
        """The rotation in which ``candidate`` stands; its every attempt is told to ``note_served``."""
        if len(self.tiers) == 1:
            return self.tiers[0].key
        priority = candidate.credential.priority
        return next((tier.key for tier in self.tiers if tier.priority == priority), self.route_model)


class UnknownModel(ClientError):
    """404: no registered id, no open prefix and no open provider takes this model."""

    client_status = 404
    code: str | None = "model_not_found"
    param: str | None = "model"


class ModelNotAllowed(ClientError):
    """403: the client key's list of models does not cover this one."""

    client_status = 403
    error_type = "permission_error"
    code: str | None = "model_not_allowed"
    param: str | None = "model"


class ImagesOnly(GatewayError):
    """503, as CLIProxyAPI answers: the model makes images, and a chat was asked of it."""

    client_status = 503


class Incapable(ClientError):
    """400: by what the operator says, nobody who offers the model can do what the request needs."""

    code: str | None = "capability_not_supported"
    rejections: tuple[Rejection, ...] = ()
    route_model: str = ""
    is_size: bool = False
    """Only the size of the request is too much."""


class Route(NamedTuple):
    """Where a model name leads: the registered id, the suffix behind it, and who offers it."""

    model: str
    suffix: str
    tiers: tuple[Tier, ...]

    @property
    def offers(self) -> tuple[Offer, ...]:
        return tuple(offer for tier in self.tiers for offer in tier.offers)


def split_suffix(model: str) -> tuple[str, str]:
    """``m(high)`` -> (``m``, ``high``); no suffix -> (model, "")."""
    if model.endswith(")") and (cut := model.rfind("(")) > 0:
        return model[:cut], model[cut + 1 : -1]
    return model, ""


LEVELS = frozenset({"minimal", "low", "medium", "high", "xhigh", "max", "none", "auto"})


def upstream_suffix(name: str) -> tuple[str, str]:
    """A configured upstream name as (model, suffix): only what says something of reasoning is a suffix, as
    ``up(low)`` and ``up(8192)`` do; other parentheses belong to the name."""
    if not name.endswith(")"):
        return name, ""
    model, suffix = split_suffix(name)
    word = suffix.strip().lower()
    return (model, suffix) if word in LEVELS or (word.isascii() and word.isdigit()) else (name, "")


def is_allowed(client: ClientEntry, model_id: str) -> bool:
    return not client.allowed or first_match(client.allowed, model_id) is not None


def find_route(table: RoutingTable, model: str) -> Route:
    """An exact id wins over the id without its suffix, a registered id over an open prefix, that over open
    providers. Raises UnknownModel."""
    known = table.models.get(model)
    if known is not None:
        return Route(model, "", known.tiers)
    base, suffix = split_suffix(model)
    if suffix and (known := table.models.get(base)) is not None:
        return Route(base, suffix, known.tiers)
    prefix, slash, rest = base.partition("/")
    if slash and rest and prefix in table.open_prefixes:
        offers = _opened(table.open_prefixes[prefix], rest)
        if offers:
            return Route(base, suffix, tiers_of(f"{prefix}/*", offers))
    offers = _opened(table.open_offers, base)
    if offers:
        return Route(base, suffix, tiers_of("*", offers))
    raise UnknownModel(f"The model `{model}` does not exist or is not offered here.")


def find_offers(table: RoutingTable, model: str) -> tuple[str, str, tuple[Offer, ...]]:
    """``find_route`` as (registered id, suffix, offers)."""
    route = find_route(table, model)
    return route.model, route.suffix, route.offers


def _opened(offers: Iterable[OpenOffer], model: str) -> list[Offer]:
    return [
        Offer(credential=offer.credential, members=(model,))
        for offer in offers
        if first_match(offer.excluded, model) is None
    ]


def resolve(
    table: RoutingTable,
    state: RoutingState,
    client: ClientEntry,
    query: RouteQuery,
    now: float,
    random: Callable[[], float] = lambda: 0.5,
    *,
    peek: bool = False,
) -> Resolution:
    """Order the candidates for one request. Raises UnknownModel, ModelNotAllowed, ImagesOnly, Incapable.

    Takes one turn of the model's rotations, so call it once per round; with ``peek`` it changes nothing, says
    what the next such request would get, and ``take_turn`` may follow. ``random`` draws from [0, 1).
    """
    route = find_route(table, _meant(table, state, client, query.model, now))
    _check(table, client, query, route)
    search = _Search(table, state, query, route, now)
    ready = [(tier, search.ready(tier)) for tier in route.tiers]
    if search.incapable and search.is_hopeless and not any(free for _, free in ready):
        raise search.incapability()
    bound, bound_by, binding_keys = (
        _bound(state, client, query, route.model, ready, now) if query.session_keys else UNBOUND
    )
    strategy = table.settings.strategy
    candidates: list[Candidate] = []
    weights: tuple[tuple[int, int], ...] = ()
    for tier, free in ready:
        if not free:
            continue
        order = ordered(strategy, tier, free, state, now, random)
        if query.wants_websocket:
            order = sorted(order, key=lambda pair: not pair[0].credential.websockets)
        if strategy is Strategy.WEIGHTED and not candidates and bound is None:
            weights = weights_of(free)
        for offer, members in order:
            candidates += members if len(offer.candidates) == 1 else search.pool(offer, members)
    candidates += search.waiting()
    probe = None
    if bound is not None:
        candidates.sort(key=lambda candidate: candidate.credential.id != bound)
    elif search.cooling and not search.held:
        best = candidates[0].credential.priority if candidates else None
        probe = _probe(search.cooling, best, state, now)
        if probe is not None:
            candidates.insert(0, probe)
    resolution = Resolution(
        route_model=route.model,
        suffix=route.suffix,
        candidates=tuple(candidates),
        cooling=tuple(search.cooling),
        limited=tuple(search.limited),
        rejections=search.rejections(probe) + table.hidden.get(route.model, ()),
        strategy=strategy,
        bound_by=bound_by,
        binding_keys=binding_keys,
        probe=probe,
        tiers=route.tiers,
        weights=weights,
        pools=search.pools,
    )
    if not peek:
        take_turn(state, resolution, now)
    return resolution


def take_turn(state: RoutingState, resolution: Resolution, now: float) -> None:
    """A round over ``resolution`` begins: its rotations move on, and its probe is claimed."""
    if not resolution.candidates:
        return
    first = resolution.candidates[0]
    if first is resolution.probe:
        state.claim_probe(first.credential.id, first.model, now)
    elif len(resolution.weights) > 1:
        state.weighted_turn(resolution.ring_of(first), resolution.weights)
    note_turn(state, resolution, first)


def note_turn(state: RoutingState, resolution: Resolution, candidate: Candidate) -> None:
    """It is the turn of ``candidate``'s credential: its ring and the pool of its own move on."""
    credential = candidate.credential
    if (
        not (resolution.bound_by and candidate is resolution.candidates[0])
        and candidate is not resolution.probe
    ):
        state.note_served(resolution.ring_of(candidate), credential.id)
    if (pool := resolution.pools.get(credential.id)) is not None:
        state.turn(pool)


def _meant(table: RoutingTable, state: RoutingState, client: ClientEntry, model: str, now: float) -> str:
    """``model``, or what ``auto`` stands for: the newest model that this client may use and that is there."""
    if not model.startswith(AUTO) or model in table.models:
        return model
    base, suffix = split_suffix(model)
    if base != AUTO or AUTO in table.models:
        return model
    for name in table.newest:
        if is_allowed(client, name) and is_available(table.models[name], state, now):
            return f"{name}({suffix})" if suffix else name
    return model


def _check(table: RoutingTable, client: ClientEntry, query: RouteQuery, route: Route) -> None:
    if not is_allowed(client, route.model):
        raise ModelNotAllowed(f"This client key may not use the model `{query.model}`.")
    if not query.is_chat:
        return
    known = table.models.get(route.model)
    if (known is not None and known.images_only) or route.model.rpartition("/")[2] in IMAGES_ONLY:
        raise ImagesOnly(
            f"The model `{query.model}` makes images only: use /v1/images/generations or /v1/images/edits."
        )


class _Search:
    """One look at every credential that offers the model: who is free, and why the others are not."""

    def __init__(
        self, table: RoutingTable, state: RoutingState, query: RouteQuery, route: Route, now: float
    ) -> None:
        self._state = state
        self._query = query
        self._route_model = route.model
        self._now = now
        self._is_weighted = table.settings.strategy is Strategy.WEIGHTED
        self.cooling: list[tuple[Candidate, Cooldown]] = []
        self.incapable: list[tuple[Candidate, str]] = []
        self.limited: list[tuple[Candidate, float]] = []
        self.held: list[tuple[Candidate, float]] = []
        """Who has no room by its limits, but soon enough to be waited for."""
        self.pools: dict[int, str] = {}
        self._weightless: list[Candidate] = []

    @property
    def is_hopeless(self) -> bool:
        """Nobody among those that are not free will be free by and by."""
        return not (self.cooling or self.limited or self.held)

    def incapability(self) -> Incapable:
        what = self.incapable[0][1]
        model = self._query.model
        error = Incapable(f"no providers support required capabilities: the model `{model}` lacks {what}.")
        error.rejections = self.rejections(None)
        error.route_model = self._route_model
        error.is_size = all(what.startswith(ROOM) for _, what in self.incapable)
        return error

    def ready(self, tier: Tier) -> list[Ready]:
        """Written for the many requests whose candidates are all free: they cost one look each."""
        found: list[Ready] = []
        cooldown, now = self._state.cooldown, self._now
        for offer in tier.offers:
            credential, candidates = offer.credential, offer.candidates
            if self._is_weighted and credential.weight <= 0:
                self._weightless += candidates
                continue
            first = candidates[0]
            if (
                len(candidates) > 1
                or first.features is not None
                or cooldown(credential.id, first.model, now) is not None
            ):
                candidates = tuple(candidate for candidate in candidates if self._is_free(candidate))
                if not candidates:
                    continue
            is_limited = credential.limits is not None or credential.provider_limits is not None
            if not is_limited or self._has_room(candidates[0]):
                found.append((offer, candidates))
        return found

    def _has_room(self, candidate: Candidate) -> bool:
        wait, may_be_held = limits.room(candidate.credential, self._state, self._now)
        if wait > 0:
            (self.held if may_be_held else self.limited).append((candidate, wait))
        return wait <= 0

    def waiting(self) -> list[Candidate]:
        """Those that have no room yet, in the order in which they will."""
        if not self.held:
            return []
        return [candidate for candidate, _ in sorted(self.held, key=lambda pair: pair[1])]

    def _is_free(self, candidate: Candidate) -> bool:
        if candidate.features is not None and (missing := lacks(candidate.features, self._query)):
            self.incapable.append((candidate, missing))
            return False
        rest = self._state.cooldown(candidate.credential.id, candidate.model, self._now)
        if rest is not None:
            self.cooling.append((candidate, rest))
            return False
        return True

    def pool(self, offer: Offer, free: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        credential = offer.credential
        key = f"{credential.provider_key}#{credential.id}:{self._route_model}"
        self.pools[credential.id] = key
        return members_in_turn(offer, free, self._state.turn(key, peek=True))

    def rejections(self, probe: Candidate | None) -> tuple[Rejection, ...]:
        if not (self.cooling or self.limited or self.incapable or self._weightless):
            return ()
        return (
            *(_cooling_rejection(*pair) for pair in self.cooling if pair[0] is not probe),
            *(_limit_rejection(*pair, self._now) for pair in self.limited),
            *(_rejection(candidate, "capability", f"lacks {what}") for candidate, what in self.incapable),
            *(_rejection(candidate, "weight", "its weight is 0") for candidate in self._weightless),
        )


UNBOUND: tuple[int | None, str, tuple[str, ...]] = (None, "", ())
"""What ``_bound`` says of a conversation without a key."""


def binding_key(client: ClientEntry, session_key: str, route_model: str) -> str:
    """Under which a conversation's hold is kept: a client key's own, per model."""
    return f"{client.id}|{session_key}|{route_model}"


def _bound(
    state: RoutingState,
    client: ClientEntry,
    query: RouteQuery,
    route_model: str,
    ready: list[tuple[Tier, list[Ready]]],
    now: float,
) -> tuple[int | None, str, tuple[str, ...]]:
    """(the free credential that holds the conversation, the session key that says so, all binding keys)."""
    keys = tuple(binding_key(client, key, route_model) for key in query.session_keys)
    for session_key, key in zip(query.session_keys, keys, strict=True):
        bound = state.binding(key, now)
        if bound is not None and any(offer.credential.id == bound for _, free in ready for offer, _ in free):
            return bound, session_key, keys
    return None, "", keys


def _probe(
    cooling: list[tuple[Candidate, Cooldown]],
    best: int | None,
    state: RoutingState,
    now: float,
) -> Candidate | None:
    """One of those that rest, to be tried before its time: once per window, in its second half, and never
    one of a lower priority than somebody who is free."""
    for candidate, rest in cooling:
        if (
            rest.may_be_probed
            and rest.until - rest.since >= PROBED_S
            and now >= (rest.since + rest.until) / 2
            and (best is None or candidate.credential.priority >= best)
            and state.claim_probe(candidate.credential.id, candidate.model, now, peek=True)
        ):
            return candidate
    return None


def _rejection(candidate: Candidate, reason: str, detail: str, until: float | None = None) -> Rejection:
    return Rejection(
        credential_id=candidate.credential.id,
        provider_key=candidate.credential.provider_key,
        reason=reason,
        detail=detail,
        model=candidate.model,
        until=until,
    )


def _cooling_rejection(candidate: Candidate, cooldown: Cooldown) -> Rejection:
    cause = cooldown.cause.value
    detail = f"{cause}: {cooldown.message}" if cooldown.message else cause
    return _rejection(candidate, "cooling", detail, cooldown.until)


def _limit_rejection(candidate: Candidate, wait: float, now: float) -> Rejection:
    until = None if wait == math.inf else now + wait
    return _rejection(candidate, "limit", limits.detail(candidate.credential, wait), until)


# --- what is listed ----------------------------------------------------------------------------


def is_available(model: RegisteredModel, state: RoutingState, now: float) -> bool:
    """Whether a list of models shows ``model``: not when all who offer it are kept from it for longer than
    a spent quota (docs/routing.md, "Which ids are listed")."""
    has_quota = has_other = False
    for offer in model.offers:
        for candidate in offer.candidates:
            rest = state.cooldown(candidate.credential.id, candidate.model, now)
            if rest is None or (
                not rest.hides and now - rest.since >= (QUOTA_MARK_S if rest.is_quota else 0)
            ):
                return True
            if rest.is_quota:
                has_quota = True
            else:
                has_other = True
    return has_quota and not has_other


def listed_models(
    table: RoutingTable, client: ClientEntry, state: RoutingState | None = None, now: float = 0.0
) -> list[RegisteredModel]:
    """What ``/v1/models`` shows to ``client``; with ``state`` without those that nobody can serve now."""
    return [
        model
        for model in table.models.values()
        if is_allowed(client, model.id) and (state is None or is_available(model, state, now))
    ]
