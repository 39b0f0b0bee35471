import pytest

from providers.values import Features
from routing.core.capability import lacks, merged
from routing.core.query import RouteQuery
from routing.core.resolve import Incapable, resolve
from routing.core.table import Candidate, Offer
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import ANYONE, NOW, make_credential, make_offer, make_table

PLAIN = make_credential(1)


def offered(credential, features):
    candidate = Candidate(credential=credential, model="up", features=features)
    return Offer(credential=credential, members=("up",), candidates=(candidate,))


@pytest.mark.parametrize(
    ("needs", "features", "missing"),
    [
        ({"stream": True}, Features(streaming=False), "streaming"),
        ({"stream": True}, Features(), ""),
        ({"stream": True}, Features(streaming=True, functions=False), ""),
        ({"needs_functions": True}, Features(functions=False), "functions"),
        ({"needs_vision": True}, Features(vision=False), "vision"),
        ({"needs_vision": True}, Features(vision=False, multimodal=True), ""),
        ({"input_tokens": 9000}, Features(max_tokens=8000), "room for 9000 tokens"),
        ({"input_tokens": 9000}, Features(max_tokens=0), ""),
        (
            {"stream": True, "needs_functions": True},
            Features(streaming=False, functions=False),
            "streaming, functions",
        ),
    ],
)
def test_only_what_is_needed_and_denied_is_missing(needs, features, missing):
    assert lacks(features, RouteQuery(model="m", **needs)) == missing


def test_a_model_completes_what_it_leaves_open_from_its_provider():
    provider = Features(streaming=True, functions=False, max_tokens=100)
    assert merged(Features(functions=True), provider) == Features(
        streaming=True, functions=True, max_tokens=100
    )
    assert merged(None, provider) is provider
    assert merged(None, None) is None


def test_who_cannot_is_passed_over_and_the_reason_is_told():
    mute = make_credential(2)
    table = make_table({"m": [offered(mute, Features(streaming=False)), make_offer(PLAIN)]})
    resolution = resolve(table, MemoryState(), ANYONE, RouteQuery(model="m", stream=True), NOW)
    assert [candidate.credential.id for candidate in resolution.candidates] == [1]
    (rejection,) = resolution.rejections
    assert (rejection.credential_id, rejection.reason, rejection.detail) == (
        2,
        "capability",
        "lacks streaming",
    )


def test_when_nobody_can_the_client_is_told_so():
    table = make_table({"m": [offered(PLAIN, Features(functions=False))]})
    with pytest.raises(Incapable, match="no providers support required capabilities") as caught:
        resolve(table, MemoryState(), ANYONE, RouteQuery(model="m", needs_functions=True), NOW)
    assert caught.value.client_status == 400
    assert [rejection.reason for rejection in caught.value.rejections] == ["capability"]
