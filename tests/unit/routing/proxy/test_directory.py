"""What a client sees of the providers: their models, what they can do, how they stand."""

from __future__ import annotations

import msgspec
import pytest

from providers.errors import ClientError
from providers.values import Features, Limits, RefusalKind
from routing.core.resolve import UnknownModel
from routing.core.table import Candidate, ClientEntry, Offer, ProviderEntry, Rejection, RoutingTable
from routing.proxy.directory import Directory, ProviderNotFound
from routing.proxy.metrics import Metrics
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import ANYONE, fail, make_credential, make_offer, make_table, refused

NOW_ISH = 4_000_000_000.0
"""Cooldowns of these tests end after any day on which they run."""
A, B = make_credential(1, "acme"), make_credential(2, "acme")
OTHER = make_credential(3, "zeta")
LIMITED = Features(functions=False, max_tokens=4096)
TABLE = make_table(
    {
        "fast": [
            Offer(
                credential=A,
                members=("up-fast",),
                candidates=(Candidate(credential=A, model="up-fast", features=LIMITED),),
            ),
            make_offer(B, "up-fast"),
            make_offer(OTHER, "z-fast"),
        ],
        "team/slow": [make_offer(A, "up-slow")],
        "zonly": [make_offer(OTHER, "z-only")],
    },
    hidden={
        "gone": (Rejection(credential_id=1, provider_key="acme", reason="excluded", detail="by pattern g*"),),
        "slow": (Rejection(credential_id=1, provider_key="acme", reason="prefix"),),
    },
    providers={
        "acme": ProviderEntry(
            key="acme",
            adapter="openai",
            name="Acme",
            endpoint="https://api.acme.test/v1",
            priority=5,
            features=Features(vision=True, code_generation=False, max_tokens=128_000),
            limits=Limits(rpm=60, concurrency=4),
            credential_ids=(1, 2),
        ),
        "zeta": ProviderEntry(key="zeta", adapter="claude", credential_ids=(3,)),
        "off": ProviderEntry(key="off", adapter="openai", enabled=False),
    },
)


def look(table: RoutingTable = TABLE, client: ClientEntry = ANYONE) -> Directory:
    return Directory(table, client)


def test_a_provider_is_shown_with_the_members_of_the_specification():
    directory = look()
    shown = directory.shown(directory.provider("acme"))
    assert {
        name: shown[name] for name in ("name", "type", "enabled", "auth_type", "endpoint", "priority")
    } == {
        "name": "acme",
        "type": "openai",
        "enabled": True,
        "auth_type": "api_key",
        "endpoint": "https://api.acme.test/v1",
        "priority": 5,
    }
    assert shown["features"] == {
        "streaming": True,
        "functions": True,
        "vision": True,
        "code_generation": False,
        "multimodal": False,
    }
    assert shown["limits"]["requests_per_minute"] == 60
    assert shown["limits"]["max_tokens_per_request"] == 128_000
    assert [model["name"] for model in shown["models"]] == ["fast", "gone", "team/slow"]


def test_all_are_listed_also_those_that_are_off():
    listed = look().all()["providers"]
    assert [(one["name"], one["enabled"]) for one in listed] == [
        ("acme", True),
        ("zeta", True),
        ("off", False),
    ]


def test_a_model_says_what_it_can_do_and_a_hidden_one_is_not_enabled():
    directory = look()
    assert directory.models(directory.provider("acme")) == {
        "object": "list",
        "data": [
            {
                "id": "fast",
                "enabled": True,
                "max_tokens": 4096,
                "supports_functions": False,
                "supports_streaming": True,
            },
            {
                "id": "gone",
                "enabled": False,
                "max_tokens": 128_000,
                "supports_functions": True,
                "supports_streaming": True,
            },
            {
                "id": "team/slow",
                "enabled": True,
                "max_tokens": 128_000,
                "supports_functions": True,
                "supports_streaming": True,
            },
        ],
    }


def test_capabilities_have_exactly_five_members():
    directory = look()
    assert directory.capabilities(directory.provider("acme")) == {
        "streaming": True,
        "functions": True,
        "vision": True,
        "code_generation": False,
        "max_tokens": 128_000,
    }
    assert directory.capabilities(directory.provider("off"))["max_tokens"] == 0


def test_an_unknown_provider_is_named():
    with pytest.raises(ProviderNotFound, match="provider not found: nobody"):
        look().provider("nobody")


def test_a_client_key_sees_what_it_may_use():
    directory = look(client=ClientEntry(id=2, label="x", allowed=("z*",)))
    assert directory.models(directory.provider("acme"))["data"] == []
    assert [model["id"] for model in directory.models(directory.provider("zeta"))["data"]] == ["zonly"]
    with pytest.raises(UnknownModel):
        directory.capability("fast", "vision")


def test_who_serves_a_model_with_a_feature():
    directory = look()
    assert directory.capability("fast", "code_generation") == {
        "model": "fast",
        "feature": "code_generation",
        "supported": True,
        "providers": ["zeta"],
    }
    assert directory.capability("team/slow", "code_generation")["supported"] is False
    assert directory.capability("fast(high)", "streaming")["providers"] == ["acme", "zeta"]
    assert directory.capability("fast", "")["features"]["functions"] is True


@pytest.mark.parametrize(
    ("model", "feature", "kind"),
    [("", "telepathy", ClientError), ("fast", "telepathy", ClientError), ("nobody", "vision", UnknownModel)],
)
def test_a_question_that_cannot_be_answered(model, feature, kind):
    with pytest.raises(kind):
        look().capability(model, feature)


def test_a_provider_that_works():
    directory, metrics = look(), Metrics()
    for _ in range(3):
        metrics.count("acme", is_success=True, latency_ms=100)
    metrics.count("acme", is_success=False, latency_ms=0)
    status = directory.status(directory.provider("acme"), MemoryState(), metrics)
    assert status["status"] == "operational"
    assert (status["total_requests"], status["error_rate"], status["avg_latency_ms"]) == (4, 0.25, 100)
    assert status["uptime_24h"] == status["uptime_7d"] == 75.0
    assert "incidents" not in status
    assert [(model["model_id"], model["available"]) for model in status["models"]] == [
        ("fast", True),
        ("team/slow", True),
    ]


def test_a_provider_that_often_fails_is_degraded():
    directory, metrics = look(), Metrics()
    for number in range(10):
        metrics.count("acme", is_success=number > 1, latency_ms=1)
    assert directory.status(directory.provider("acme"), MemoryState(), metrics)["status"] == "degraded"


def test_cooldowns_are_incidents_and_take_models_away():
    directory, state = look(), MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=60), "up-slow", NOW_ISH)
    status = directory.status(directory.provider("acme"), state, Metrics())
    assert status["status"] == "degraded"
    assert [model["available"] for model in status["models"]] == [True, False]
    (incident,) = status["incidents"]
    assert (incident["model"], incident["cause"], incident["status"]) == ("up-slow", "quota", 429)
    for credential in (1, 2):
        fail(state, credential, refused(RefusalKind.QUOTA, 429, retry_after_s=60), "up-fast", NOW_ISH)
    assert directory.status(directory.provider("acme"), state, Metrics())["status"] == "outage"


def test_who_is_off_or_has_nobody_to_call_with_is_out():
    directory = look()
    assert directory.status(directory.provider("off"), MemoryState(), Metrics())["status"] == "outage"
    bare = msgspec.structs.replace(TABLE, providers={"bare": ProviderEntry(key="bare", adapter="openai")})
    directory = look(bare)
    assert directory.status(directory.provider("bare"), MemoryState(), Metrics())["status"] == "outage"


def test_load_speed_and_room_of_a_model():
    directory, state, metrics = look(), MemoryState(), Metrics()
    state.attempt_began(1)
    state.note_latency(1, "up-fast", 0.25, 0.0)
    (fast, _) = directory.status(directory.provider("acme"), state, metrics)["models"]
    assert (fast["queue_depth"], fast["latency_ms"], fast["max_concurrency"]) == (1, 250.0, 4)
