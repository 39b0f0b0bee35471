"""How the tests of one block read a text."""

from __future__ import annotations

from management_api.config import document, schema
from management_api.config.problems import Problem, errors, warnings
from management_api.config.values import GatewayConfig, ProviderConfig, SettingsConfig


def read(text: str, environ: dict[str, str] | None = None) -> tuple[GatewayConfig, list[Problem]]:
    return schema.read(document.parse(text), environ or {})


def accepted(text: str, environ: dict[str, str] | None = None) -> GatewayConfig:
    config, problems = read(text, environ)
    assert [str(problem) for problem in problems] == []
    return config


def settings(text: str, environ: dict[str, str] | None = None) -> SettingsConfig:
    found = accepted(text, environ).settings
    assert found is not None
    return found


def only(text: str, environ: dict[str, str] | None = None) -> ProviderConfig:
    (provider,) = accepted(text, environ).providers
    return provider


def refused(text: str, environ: dict[str, str] | None = None) -> list[str]:
    return [str(problem) for problem in errors(read(text, environ)[1])]


def warned(text: str, environ: dict[str, str] | None = None) -> list[str]:
    problems = read(text, environ)[1]
    assert errors(problems) == []
    return [str(problem) for problem in warnings(problems)]
