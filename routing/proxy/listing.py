"""``GET /v1/models`` and one model: what this client key may ask for, in OpenAI's shape."""

from __future__ import annotations

from typing import Any

from routing.core.resolve import UnknownModel, is_allowed, listed_models
from routing.core.table import ClientEntry, RegisteredModel, RoutingTable


def model_list(table: RoutingTable, client: ClientEntry, provider: str = "") -> dict[str, Any]:
    """All models, sorted by id; ``provider`` keeps those that this provider serves."""
    models = [
        shown(model)
        for model in listed_models(table, client)
        if not provider or any(offer.credential.provider_key == provider for offer in model.offers)
    ]
    return {"object": "list", "data": models}


def one_model(table: RoutingTable, client: ClientEntry, model_id: str) -> dict[str, Any]:
    """Raises UnknownModel, also for a model that this key may not use: its existence is not told."""
    model = table.models.get(model_id)
    if model is None or not is_allowed(client, model_id):
        raise UnknownModel(f"The model `{model_id}` does not exist or is not offered here.")
    return shown(model)


def shown(model: RegisteredModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}
