"""``serve --password``: a management key of one run, for callers on this machine."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("address", "key", "status"),
    [("127.0.0.1", "run-time", 200), ("127.0.0.1", "other", 401), ("192.0.2.7", "run-time", 401)],
)
def test_it_counts_on_this_machine_only(grant, call, settings, address, key, status):
    settings.LOCAL_MANAGEMENT_PASSWORD = "run-time"
    grant(key_hash="", remote=True)
    assert call("get", "openapi.json", key=key, address=address).status_code == status
