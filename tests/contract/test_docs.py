"""The docs name what exists: settings, providers, errors, targets, commands; and their links work."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from oauth.flows.registry import CHANNELS
from oauth.sheets import setting_name
from providers import errors
from providers.adapters.registry import ADAPTERS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
PACKAGES = ("cliproxy_site", "providers", "routing", "oauth", "management_api")


def text_of(*names: str) -> str:
    return "\n".join((REPOSITORY / name).read_text(encoding="utf-8") for name in names)


def settings_read() -> set[str]:
    """The first argument of every ``env.<type>("NAME", ...)`` in settings.py."""
    tree = ast.parse(text_of("cliproxy_site/settings.py"))
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    } | {"DATABASE_URL"}


def error_types() -> list[str]:
    found = inspect.getmembers(errors, inspect.isclass)
    return [name for name, kind in found if issubclass(kind, errors.GatewayError)]


def make_targets() -> list[str]:
    return re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE)


def commands() -> list[str]:
    return [
        path.stem
        for package in PACKAGES
        for path in sorted((REPOSITORY / package / "management" / "commands").glob("[a-z]*.py"))
    ]


@pytest.mark.parametrize("name", sorted(settings_read()))
def test_a_setting_has_its_row(name):
    assert f"`{name}`" in text_of("docs/configuration.md")


@pytest.mark.parametrize("key", [adapter.key for adapter in ADAPTERS])
def test_a_provider_has_its_row(key):
    assert f"`{key}`" in text_of("docs/protocols/providers.md")


def channel_settings() -> list[str]:
    return [
        setting_name(channel, name)
        for channel in CHANNELS
        for name in (*channel.defaults, *(name for name, _ in channel.required_settings))
    ]


@pytest.mark.parametrize("name", channel_settings())
def test_a_channels_setting_has_its_row(name):
    assert f"| `{name}` |" in text_of("docs/logins.md")


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.key)
def test_a_channel_has_its_page(channel):
    assert "## Login\n" in text_of(f"docs/protocols/{channel.key}.md")
    assert f"protocols/{channel.key}.md" in text_of("docs/logins.md")
    for _, where in channel.required_settings:
        assert where in text_of("docs/logins.md")


@pytest.mark.parametrize("name", error_types())
def test_an_error_type_has_its_row(name):
    assert f"`{name}`" in text_of("docs/errors.md")


@pytest.mark.parametrize("target", make_targets())
def test_a_make_target_is_explained(target):
    assert f"`make {target}`" in text_of("docs/contributing.md")


@pytest.mark.parametrize("command", commands())
def test_a_command_is_explained(command):
    assert re.search(rf"manage\.py {command}\b", text_of("docs/operations.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_and_pictures_are_there(document):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("http:", "https:", "mailto:"))]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_the_lists_above_are_not_empty():
    assert ADAPTERS
    assert {"serve"} <= set(commands())
    assert {"serve", "test"} <= set(make_targets())
    assert "CLIPROXY_DATA_DIR" in settings_read()
