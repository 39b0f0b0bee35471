from __future__ import annotations

import pytest

from routing.proxy.relay.endpoints import (
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


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_collection_makes_and_shows(name):
    collection = COLLECTIONS[name]
    made = find_target(f"/v1/{name}", "POST")
    assert (made is None) == (collection.new is None)
    if made is not None:
        assert (made.way, made.makes) == (collection.new, collection.kind)
    if collection.is_listed:
        listed = find_target(f"/v1/{name}", "GET")
        assert listed is not None
        assert listed.way is Way.LIST
    for method in collection.methods:
        shown = find_target(f"/v1/{name}/x-1", method)
        assert shown is not None
        assert (shown.way, shown.object_id, shown.makes) == (Way.OBJECT, "x-1", "")


ACTIONS = [
    (f"/v1/{name}/x-1/{action.replace('*', 'y-2')}", method, collection.kind)
    for name, collection in COLLECTIONS.items()
    for action, methods in collection.actions.items()
    for method in methods
]


@pytest.mark.parametrize(("path", "method", "kind"), ACTIONS)
def test_an_action_has_its_methods(path, method, kind):
    target = find_target(path, method)
    assert target is not None
    assert (target.path, target.kind, target.object_id) == (path.removeprefix("/v1"), kind, "x-1")
    with pytest.raises(MethodNotAllowed):
        find_target(path, "PATCH")


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/v1/videos/generations", Way.MODEL),
        ("/v1/videos/edits", Way.SOURCE),
        ("/v1/videos/extensions", Way.SOURCE),
    ],
)
def test_a_word_in_an_ids_place_makes_a_video(path, way):
    target = find_target(path, "POST")
    assert target is not None
    assert (target.way, target.makes, target.object_id) == (way, "video", "")


@pytest.mark.parametrize(
    "path",
    ["/v1/files/x/other", "/v1/files/x/content/y", "/v1/conversations/c/items/i/j", "/v1/uploads/u"],
)
def test_a_path_that_nobody_has_is_none(path):
    assert find_target(path, "GET") is None


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
