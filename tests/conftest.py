"""Fixtures that every folder shares; kept few."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import Gateway, running_gateways


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts real gateways: ``start_gateway(config=yaml, server="uvicorn", arguments=(), environment={})``.

    Each is a ``manage.py serve`` subprocess on a free port with its own data folder, ready when returned;
    afterwards it is stopped by SIGTERM and must have exited with 0.
    """
    with running_gateways(tmp_path) as start:
        yield start


@pytest.fixture
def gateway(start_gateway: Callable[..., Gateway]) -> Gateway:
    """One gateway on Daphne with a client key and no provider."""
    return start_gateway()
