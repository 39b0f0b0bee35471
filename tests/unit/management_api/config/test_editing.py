"""Edits of the file keep every comment, the order, and every byte of what they do not touch."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from management_api.config import editing
from management_api.config.problems import ConfigRefused

FILE = """# whose file this is

# server
port: 8317 # fixed
host: ""

# the keys
# of clients
api-keys:
- "a" # first
- 'b'

# management
remote-management:
  # off by default
  allow-remote:   false
  secret-key: "plain" # change me

# providers
claude-api-key:
- api-key: sk
  models:
  - name: x   # why
    alias: y
# end
"""


def changed(change, text=FILE) -> str:
    return editing.changed(text.encode(), "config.yaml", change)


def test_only_the_changed_value_changes():
    def change(values):
        values["remote-management"]["secret-key"] = "other"

    assert changed(change) == FILE.replace("plain", "other").replace("allow-remote:   ", "allow-remote: ")


def test_a_list_grows_ahead_of_the_next_key_s_comment():
    assert changed(lambda values: values["api-keys"].append("c")) == FILE.replace("- 'b'\n", "- 'b'\n- c\n")


def test_a_list_is_replaced_and_the_comments_around_it_stay():
    def change(values):
        values["api-keys"] = ["x"]

    assert changed(change) == FILE.replace("- \"a\" # first\n- 'b'\n", "- x\n")


def test_a_new_key_goes_to_the_end():
    def change(values):
        values["debug"] = True

    assert changed(change) == f"{FILE}debug: true\n"


def test_a_key_goes_and_what_stood_behind_it_stays():
    def change(values):
        del values["remote-management"]

    result = changed(change)
    assert "allow-remote" not in result
    assert "# management\n# providers\nclaude-api-key:" in result


def test_the_first_key_goes():
    def change(values):
        del values["port"]

    assert changed(change) == FILE.replace("port: 8317 # fixed\n", "")


def test_nothing_changed_is_nothing_written():
    assert changed(lambda values: None) == FILE


@pytest.mark.parametrize(
    "text",
    [
        "x-base: &base {prefix: p}\nclaude-api-key:\n  - {<<: *base, api-key: a}\nport: 1\n",
        "{port: 1, debug: false}\n",
        "port: 1\n",
        "port: 1",
        "",
        "# nothing yet\n",
        "---\nport: 1\n",
    ],
)
def test_any_file_can_be_edited(text):
    def change(values):
        values["port"] = 2
        values.setdefault("api-keys", []).append("k")

    result = changed(change, text)
    read_back = editing._load(result)
    assert (read_back["port"], list(read_back["api-keys"])) == (2, ["k"])
    assert ("claude-api-key" in text) == ("claude-api-key" in read_back)


def test_lists_keep_the_indentation_of_the_file():
    assert "api-keys:\n    - a\n    - b\n" in changed(
        lambda values: values["api-keys"].append("b"), "api-keys:\n    - a\n"
    )


def test_an_edit_that_would_be_refused_changes_nothing(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(ConfigRefused):
        editing.edit(file, lambda values: values.update(port="many"))
    assert file.read_text(encoding="utf-8") == FILE
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_mode_and_link_survive(tmp_path):
    real = tmp_path / "real.yaml"
    real.write_text("port: 1\n", encoding="utf-8")
    real.chmod(0o640)
    link = tmp_path / "config.yaml"
    link.symlink_to(real)
    editing.edit(link, lambda values: values.update(port=2))
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "port: 2\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_edits_of_several_threads_are_all_kept(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("api-keys: [k]\n", encoding="utf-8")
    edits = [
        Thread(target=editing.edit, args=(file, lambda values, n=n: values["api-keys"].append(f"k{n}")))
        for n in range(6)
    ]
    for thread in edits:
        thread.start()
    for thread in edits:
        thread.join()
    assert set(editing._load(file.read_text(encoding="utf-8"))["api-keys"]) == {
        "k",
        *(f"k{n}" for n in range(6)),
    }


def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    file = tmp_path / "config.yaml"
    file.write_text("port: 100\n", encoding="utf-8")
    editing.edit(file, lambda values: values.update(port=2))
    assert file.read_text(encoding="utf-8") == "port: 2\n"
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ConfigRefused, match="does not exist"):
        editing.edit(tmp_path / "none.yaml", lambda values: None)


def test_a_key_that_uses_an_anchor_of_another_does_not_define_it_again():
    text = (
        "x-common: &common {proxy-url: none} # for all\n"
        "claude-api-key:\n"
        "  - <<: *common\n"
        "    api-key: k1 # one\n"
        "  - <<: *common\n"
        "    api-key: k2\n"
    )

    def change(values):
        values["claude-api-key"][0]["api-key"] = "k3"

    result = changed(change, text)
    assert result.count("&common") == 1
    assert result.count("<<: *common") == 2
    assert "api-key: k3 # one" in result
    assert "# for all" in result
