"""What must be watched so that no way of replacing the file goes unnoticed."""

from __future__ import annotations

from management_api.config.watch import places_of


def test_a_plain_file_is_the_only_place(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1")
    assert places_of(tmp_path / "config.yaml") == (tmp_path / "config.yaml",)


def test_every_link_on_the_way_is_a_place(tmp_path):
    mount, revision, app = tmp_path / "mount", tmp_path / "mount" / "..2026_01_01", tmp_path / "app"
    revision.mkdir(parents=True)
    app.mkdir()
    (revision / "config.yaml").write_text("a: 1")
    (mount / "..data").symlink_to("..2026_01_01")
    (mount / "config.yaml").symlink_to("..data/config.yaml")
    (app / "config.yaml").symlink_to(mount / "config.yaml")
    assert places_of(app / "config.yaml") == (
        app / "config.yaml",
        mount / "config.yaml",
        mount / "..data",
        revision / "config.yaml",
    )


def test_a_link_upwards_is_followed(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "config.yaml").write_text("a: 1")
    (tmp_path / "app" / "config.yaml").symlink_to("../config.yaml")
    assert places_of(tmp_path / "app" / "config.yaml") == (
        tmp_path / "app" / "config.yaml",
        tmp_path / "config.yaml",
    )


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert places_of(tmp_path / "a") == (tmp_path / "a", tmp_path / "b")


def test_a_file_that_does_not_exist_yet_is_a_place(tmp_path):
    assert places_of(tmp_path / "gone" / "config.yaml") == (tmp_path / "gone" / "config.yaml",)
