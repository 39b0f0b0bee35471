from __future__ import annotations

import pytest

from routing.proxy.relay.endpoints import (
    ACTIONS,
    COLLECTIONS,
    MODEL_ROUTES,
    MethodNotAllowed,
    Way,
    find_target,
    is_relayed,
)


@pytest.mark.parametrize("route", MODEL_ROUTES)
def test_a_model_route_takes_posts_only(route):
    target = find_target(f"/v1{route}", "POST")
    assert target is not None
    assert (target.way, target.path) == (Way.MODEL, route)
    with pytest.raises(MethodNotAllowed):
        find_target(f"/v1{route}", "GET")


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_collection_lists_makes_and_shows(collection):
    listed = find_target(f"/v1/{collection}", "GET")
    made = find_target(f"/v1/{collection}", "POST")
    shown = find_target(f"/v1/{collection}/x-1", "GET")
    assert listed is not None
    assert listed.way is Way.LIST
    assert made is not None
    assert made.makes
    assert shown is not None
    assert (shown.way, shown.object_id, shown.makes) == (Way.OBJECT, "x-1", False)


@pytest.mark.parametrize(("pair", "method"), ACTIONS.items())
def test_an_action_has_one_method(pair, method):
    path = f"/v1/{pair[0]}/x-1/{pair[1]}"
    target = find_target(path, method)
    assert target is not None
    assert target.path == path.removeprefix("/v1")
    with pytest.raises(MethodNotAllowed):
        find_target(path, "PATCH")


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/v1/embeddings", True),
        ("/v1/files/a/b/c", True),
        ("/v1/filesystem", False),
        ("/v1/models", False),
        ("/v1/chat/completions", False),
        ("/embeddings", False),
        ("/v1", False),
    ],
)
def test_other_paths_are_left_alone(path, is_ours):
    assert is_relayed(path) is is_ours


@pytest.mark.parametrize("path", ["/v1/files/a/b", "/v1/files/a/content/b", "/v1/batches/a/content"])
def test_there_is_nothing_below_an_object_but_its_actions(path):
    assert find_target(path, "GET") is None
