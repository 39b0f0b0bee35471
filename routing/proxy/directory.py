"""``GET /v1/providers…`` and ``/v1/capabilities``: what is configured here, and how it stands.

Paths and member names are those of cliproxyapi-plusplus's provider specification
(docs/endpoints.md#providers). Read from the RoutingTable and the state; a client key sees the models that it
may use.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from providers.errors import ClientError
from providers.values import Features
from routing.core.capability import merged
from routing.core.provider_names import find_provider
from routing.core.resolve import UnknownModel, find_route, is_allowed
from routing.core.state import RoutingState
from routing.core.table import (
    Candidate,
    ClientEntry,
    Offer,
    ProviderEntry,
    RegisteredModel,
    RoutingTable,
)
from routing.proxy.metrics import Metrics

FEATURES = ("streaming", "functions", "vision", "code_generation")
DEGRADED_SHARE = 0.9
"""A provider of whose attempts in the last hour fewer were answered is degraded."""
JUDGED_FROM = 10
"""So many attempts it takes for that."""


class ProviderNotFound(ClientError):
    client_status = 404
    code: str | None = "provider_not_found"


class Directory:
    """One look at the table for one client key."""

    def __init__(self, table: RoutingTable, client: ClientEntry) -> None:
        self._table = table
        self._client = client

    def provider(self, name: str) -> ProviderEntry:
        """By key, name, another spelling, or kind. Raises ProviderNotFound."""
        found = find_provider(self._table.providers.values(), name)
        if found is None:
            raise ProviderNotFound(f"provider not found: {name}")
        return found

    def all(self) -> dict[str, Any]:
        return {"providers": [self.shown(entry) for entry in self._table.providers.values()]}

    def shown(self, entry: ProviderEntry) -> dict[str, Any]:
        features, limits = entry.features, entry.limits
        return {
            "name": entry.key,
            "display_name": entry.name,
            "type": entry.adapter,
            "enabled": entry.enabled,
            "auth_type": entry.auth_type,
            "endpoint": entry.endpoint,
            "priority": entry.priority,
            "models": [{"name": model.pop("id"), **model} for model in self.models(entry)["data"]],
            "features": {
                **{name: _able(features, name) for name in FEATURES},
                "multimodal": bool(features.multimodal),
            },
            "limits": {
                "requests_per_minute": limits.rpm if limits else 0,
                "tokens_per_minute": limits.tpm if limits else 0,
                "requests_per_day": limits.rpd if limits else 0,
                "tokens_per_day": limits.tpd if limits else 0,
                "concurrency": limits.concurrency if limits else 0,
                "max_tokens_per_request": features.max_tokens or 0,
            },
        }

    def models(self, entry: ProviderEntry) -> dict[str, Any]:
        """The provider's ids; those that a switch or an exclusion hides are there as not enabled."""
        shown = {model.id: self._model(entry, model.id, offer, model) for model, offer in self._offers(entry)}
        for model_id, reasons in self._table.hidden.items():
            if model_id not in shown and is_allowed(self._client, model_id):
                mine = [reason for reason in reasons if reason.provider_key == entry.key]
                if any(reason.reason in ("disabled", "excluded") for reason in mine):
                    shown[model_id] = self._model(entry, model_id, None, None)
        return {"object": "list", "data": [shown[model_id] for model_id in sorted(shown)]}

    def _model(
        self, entry: ProviderEntry, model_id: str, offer: Offer | None, model: RegisteredModel | None
    ) -> dict[str, Any]:
        features = _features(entry, offer.candidates[0] if offer is not None else None)
        size = features.max_tokens or (model.context_length if model is not None else None)
        return {
            "id": model_id,
            "enabled": offer is not None,
            "max_tokens": size or entry.features.max_tokens or 0,
            "supports_functions": _able(features, "functions"),
            "supports_streaming": _able(features, "streaming"),
        }

    def _offers(self, entry: ProviderEntry) -> Iterator[tuple[RegisteredModel, Offer]]:
        """What the provider offers to this client, with its first offer of each id."""
        for model in self._table.models.values():
            if is_allowed(self._client, model.id):
                for offer in model.offers:
                    if offer.credential.provider_key == entry.key:
                        yield model, offer
                        break

    def capabilities(self, entry: ProviderEntry) -> dict[str, Any]:
        """A feature counts when the provider, or any model of it that is offered, has it."""
        models = [_features(entry, offer.candidates[0]) for _, offer in self._offers(entry)]
        sizes = [model["max_tokens"] for model in self.models(entry)["data"] if model["enabled"]]
        return {
            **{
                name: any(_able(features, name) for features in models or [entry.features])
                for name in FEATURES
            },
            "max_tokens": max(sizes, default=entry.features.max_tokens or 0),
        }

    def capability(self, model: str, feature: str) -> dict[str, Any]:
        """Who serves ``model`` (or "": any model) with ``feature``. Raises UnknownModel, ClientError for an
        unknown feature."""
        if feature and feature not in FEATURES:
            raise ClientError(
                f"`feature` must be one of {', '.join(FEATURES)}, not {feature!r}.",
                param="feature",
                code="unknown_feature",
            )
        able = self._able_with(model) if model else self._able_with_any()
        if not feature:
            return {
                "model": model,
                "features": {name: any(has[name] for has in able.values()) for name in FEATURES},
                "providers": list(able),
            }
        providers = [key for key, has in able.items() if has[feature]]
        return {"model": model, "feature": feature, "supported": bool(providers), "providers": providers}

    def _able_with_any(self) -> dict[str, dict[str, bool]]:
        """Each provider that offers something to this client, with what any of its models can."""
        shown = {entry.key: self.capabilities(entry) for entry in self._table.providers.values()}
        offering = {offer.credential.provider_key for offer in self._offered()}
        return {key: {name: has[name] for name in FEATURES} for key, has in shown.items() if key in offering}

    def _offered(self) -> Iterator[Offer]:
        for model in self._table.models.values():
            if is_allowed(self._client, model.id):
                yield from model.offers

    def _able_with(self, model: str) -> dict[str, dict[str, bool]]:
        route = find_route(self._table, model)
        if not is_allowed(self._client, route.model):
            raise UnknownModel(f"The model `{model}` does not exist or is not offered here.")
        able: dict[str, dict[str, bool]] = {}
        for offer in route.offers:
            entry = self._table.providers.get(offer.credential.provider_key)
            if entry is not None:
                has = able.setdefault(entry.key, dict.fromkeys(FEATURES, False))
                for candidate in offer.candidates:
                    features = _features(entry, candidate)
                    for name in FEATURES:
                        has[name] = has[name] or _able(features, name)
        return able

    # --- how it stands -----------------------------------------------------------------------

    def status(self, entry: ProviderEntry, state: RoutingState, metrics: Metrics) -> dict[str, Any]:
        """From what this process saw since its start; availability from the cooldowns."""
        now = time.time()
        counter = metrics.counter(entry.key)
        models = [self._standing(entry, model, state, metrics, now) for model, _ in self._offers(entry)]
        latencies = counter.latencies
        shown: dict[str, Any] = {
            "provider": entry.key,
            "status": _word(entry, models, counter.share_answered(1, now), counter.requests),
            "updated_at": _moment(now),
            "uptime_24h": round(100 * counter.share_answered(24, now), 3),
            "uptime_7d": round(100 * counter.share_answered(7 * 24, now), 3),
            "avg_latency_ms": round(sum(latencies) / len(latencies), 2) if latencies else 0.0,
            "error_rate": round(counter.failures / counter.requests, 4) if counter.requests else 0.0,
            "total_requests": counter.requests,
            "regions": [],
            "models": models,
        }
        if incidents := self._incidents(entry, state, now):
            shown["incidents"] = incidents
        return shown

    def _standing(
        self,
        entry: ProviderEntry,
        model: RegisteredModel,
        state: RoutingState,
        metrics: Metrics,
        now: float,
    ) -> dict[str, Any]:
        candidates = [
            candidate
            for offer in model.offers
            if offer.credential.provider_key == entry.key
            for candidate in offer.candidates
        ]
        latencies = [
            seconds
            for one in candidates
            if (seconds := state.latency_s(one.credential.id, one.model, now)) is not None
        ]
        speeds = [
            speed
            for one in candidates
            if (speed := metrics.tokens_per_second(entry.key, one.model)) is not None
        ]
        credentials = {candidate.credential.id: candidate.credential for candidate in candidates}
        free = [one for one in candidates if state.cooldown(one.credential.id, one.model, now) is None]
        shown: dict[str, Any] = {
            "model_id": model.id,
            "available": bool(free),
            "latency_ms": round(1000 * min(latencies), 2) if latencies else 0.0,
            "throughput_tps": round(max(speeds), 2) if speeds else 0.0,
            "queue_depth": sum(state.in_flight(credential_id) for credential_id in credentials),
        }
        limits = [credential.limits.concurrency for credential in credentials.values() if credential.limits]
        if limits and all(limits) and len(limits) == len(credentials):
            shown["max_concurrency"] = sum(limits)
        elif entry.limits is not None and entry.limits.concurrency:
            shown["max_concurrency"] = entry.limits.concurrency
        return shown

    def _incidents(self, entry: ProviderEntry, state: RoutingState, now: float) -> list[dict[str, Any]]:
        """The running cooldowns: what rests, why and until when, without naming the credentials."""
        found = [
            {
                "model": rest.model or None,
                "cause": rest.cause.value,
                "status": rest.status,
                "since": _moment(rest.since),
                "until": _moment(rest.until),
            }
            for credential_id in entry.credential_ids
            for rest in state.running(credential_id, now)
        ]
        return sorted(found, key=lambda one: str(one["until"]))


def _features(entry: ProviderEntry, candidate: Candidate | None) -> Features:
    """What is said of a model, completed by what is said of its provider."""
    return merged(candidate.features if candidate is not None else None, entry.features) or entry.features


def _able(features: Features, name: str) -> bool:
    """What nobody said is possible: streams, tools and pictures are passed on or translated for everyone."""
    said: bool | None = getattr(features, name)
    if said is not None:
        return said
    if name == "vision" and features.multimodal is not None:
        return features.multimodal
    return True


def _word(entry: ProviderEntry, models: list[dict[str, Any]], share_answered: float, requests: int) -> str:
    available = [model["available"] for model in models]
    if not entry.enabled or not entry.credential_ids or (available and not any(available)):
        return "outage"
    if not all(available) or (requests >= JUDGED_FROM and share_answered < DEGRADED_SHARE):
        return "degraded"
    return "operational"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
