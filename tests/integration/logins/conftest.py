"""A gateway whose vendors are ours, and a member of staff in front of it; both for all tests here."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.logins.person import PASSWORD, Person
from tests.integration.logins.vendor import Vendor, running_vendor
from tests.processes import Gateway, running_gateways


@pytest.fixture(scope="package")
def vendor() -> Iterator[Vendor]:
    with running_vendor() as vendor:
        yield vendor


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest) -> None:
    """Each test finds the vendor as it was made."""
    if "vendor" in request.fixturenames:
        vendor = request.getfixturevalue("vendor")
        vendor.slow_downs, vendor.drops, vendor.life_s, vendor.start_status = 0, 0, 600, 200


@pytest.fixture(scope="package")
def logins(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway whose only vendor is ours."""
    environment = {
        **vendor.environment(),
        "CLIPROXY_ADMIN_PASSWORD": PASSWORD,
        "MANAGEMENT_PASSWORD": "management-key-0001",
    }
    with running_gateways(tmp_path_factory.mktemp("logins")) as start:
        gateway = start(config=vendor.config(), environment=environment)
        yield gateway
        assert "does not resolve" not in gateway.log
        assert not re.search(r"canary-\w+|[?&](?:state|code)=", gateway.log)


@pytest.fixture(scope="package")
def admin(logins: Gateway) -> Iterator[Person]:
    with httpx.Client(base_url=logins.url, timeout=20) as browser:
        person = Person(browser)
        person.sign_in()
        yield person


@pytest.fixture(scope="package")
def manager(logins: Gateway) -> Iterator[httpx.Client]:
    """Holds the management key."""
    key = {"Authorization": "Bearer management-key-0001"}
    with httpx.Client(base_url=f"{logins.url}/v0/management", headers=key, timeout=20) as client:
        yield client
