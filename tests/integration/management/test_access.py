"""Who gets in, in which order it is asked, and what the others are told."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from routing.models import ManagementLockout
from tests.integration.management.conftest import HASH, KEY

pytestmark = pytest.mark.django_db
ROUTE = "/v0/management/openapi.json"
REMOTE = "10.0.0.9"


def test_without_any_key_there_is_no_management_api(grant):
    grant(key_hash="")
    for key in ("", "Bearer whatever"):
        answer = Client().get(ROUTE, headers={"Authorization": key})
        assert (answer.status_code, answer.content) == (404, b"")
        assert "X-CPA-VERSION" not in answer.headers


def test_a_key_taken_away_takes_the_routes_away(grant, call):
    assert call("get", "openapi.json").status_code == 200
    grant(key_hash="")
    answer = call("get", "openapi.json")
    assert (answer.status_code, answer.content) == (404, b"")


def test_an_unknown_path_is_an_empty_404_whoever_asks(call):
    for key in (KEY, "wrong", ""):
        answer = call("get", "no/such/route", key=key)
        assert (answer.status_code, answer.content) == (404, b"")
    assert not ManagementLockout.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_AUTHORIZATION": f"Bearer {KEY}"},
        {"HTTP_AUTHORIZATION": f"bEARER   {KEY}"},
        {"HTTP_AUTHORIZATION": KEY},
        {"HTTP_X_MANAGEMENT_KEY": KEY},
        {"HTTP_AUTHORIZATION": "", "HTTP_X_MANAGEMENT_KEY": KEY},
    ],
)
def test_the_key_is_read_from_both_headers(call, headers):
    assert call("get", "openapi.json", key="", **headers).status_code == 200


def test_authorization_wins_over_the_other_header(call):
    answer = call("get", "openapi.json", key="wrong", HTTP_X_MANAGEMENT_KEY=KEY)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid management key"})


def test_refusals_carry_the_servers_headers(call):
    answer = call("get", "openapi.json", key="")
    assert (answer.status_code, answer.json()) == (401, {"error": "missing management key"})
    assert answer.headers["X-CPA-VERSION"]
    assert answer.headers["X-CPA-SUPPORT-PLUGIN"] == "false"


def test_the_password_of_the_environment_opens_remote_access(grant, settings):
    grant(key_hash="")
    settings.MANAGEMENT_PASSWORD = "from-the-environment"
    client = Client(REMOTE_ADDR=REMOTE)
    assert client.get(ROUTE, HTTP_X_MANAGEMENT_KEY="from-the-environment").status_code == 200
    assert client.get(ROUTE, HTTP_X_MANAGEMENT_KEY=KEY).json() == {"error": "invalid management key"}


def test_a_stored_key_counts_beside_the_password(grant, settings):
    grant()
    settings.MANAGEMENT_PASSWORD = "from-the-environment"
    assert Client(REMOTE_ADDR=REMOTE).get(ROUTE, HTTP_X_MANAGEMENT_KEY=KEY).status_code == 200


def test_others_than_this_machine_are_refused_and_never_banned(call):
    for _ in range(6):
        answer = call("get", "openapi.json", key="wrong", address=REMOTE)
        assert (answer.status_code, answer.json()) == (403, {"error": "remote management disabled"})
    assert not ManagementLockout.objects.exists()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_several_addresses(call, address):
    assert call("get", "openapi.json", address=address).status_code == 200


def test_the_fifth_wrong_key_bans_the_address_for_half_an_hour(grant, call):
    grant(remote=True)
    for _ in range(5):
        assert call("get", "openapi.json", key="wrong", address=REMOTE).status_code == 401
    answer = call("get", "openapi.json", address=REMOTE)
    assert answer.status_code == 403
    assert answer.json()["error"].startswith("IP banned due to too many failed attempts. Try again in ")
    assert answer.json()["error"].rpartition(" ")[2] in ("30m0s", "29m59s", "29m58s")
    assert call("get", "openapi.json", address="10.0.0.10").status_code == 200

    ManagementLockout.objects.update(banned_until=timezone.now() - timedelta(seconds=1))
    assert call("get", "openapi.json", key="wrong", address=REMOTE).status_code == 401
    assert ManagementLockout.objects.get(pk=REMOTE).failures == 1
    assert call("get", "openapi.json", address=REMOTE).status_code == 200
    assert not ManagementLockout.objects.exists()


def test_this_machine_is_banned_too_and_a_missing_key_counts(call):
    for key in ("wrong", "", "wrong", "", "wrong"):
        assert call("get", "openapi.json", key=key).status_code == 401
    assert call("get", "openapi.json").status_code == 403


def test_a_right_key_starts_the_count_anew(call):
    for _ in range(2):
        for _ in range(4):
            assert call("get", "openapi.json", key="wrong").status_code == 401
        assert call("get", "openapi.json").status_code == 200


def test_old_failures_are_forgotten(call):
    call("get", "openapi.json", key="wrong", address="::1")
    ManagementLockout.objects.update(failed_at=timezone.now() - timedelta(hours=3))
    call("get", "openapi.json", key="wrong")
    assert list(ManagementLockout.objects.values_list("address", flat=True)) == ["127.0.0.1"]


def test_a_forwarded_address_is_believed_only_from_a_trusted_proxy(grant, call, settings):
    forged = call("get", "openapi.json", address=REMOTE, HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert forged.status_code == 403
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.0/8")]
    behind = {"HTTP_X_FORWARDED_FOR": f"127.0.0.1, {REMOTE}, 127.0.0.9"}
    assert call("get", "openapi.json", **behind).json() == {"error": "remote management disabled"}
    assert call("get", "openapi.json").status_code == 200


@pytest.mark.parametrize("damaged", ["$2b$10$short", "not a hash", "$2y$04$" + "x" * 53])
def test_a_damaged_hash_matches_nothing(grant, call, damaged):
    grant(key_hash=damaged)
    assert call("get", "openapi.json").status_code == 401


def test_the_key_of_a_go_program_is_accepted(grant, call):
    grant(key_hash=HASH.replace("$2b$", "$2a$"))
    assert call("get", "openapi.json").status_code == 200
    assert call("get", "openapi.json", key="k" * 200).status_code == 401


def test_odd_keys_are_wrong_keys(call):
    for key in ("\x00", "ключ", "k" * 100_000):
        answer = call("get", "openapi.json", key="", HTTP_X_MANAGEMENT_KEY=key)
        assert answer.status_code in (401, 403)


class TestSignedIn:
    """People of the admin, in their browsers."""

    def client_of(self, group: str = "", **options) -> Client:
        user = User.objects.create_user("lena", password="x", is_staff=True, **options)
        if group:
            user.groups.add(Group.objects.get(name=group))
        client = Client(enforce_csrf_checks=True, REMOTE_ADDR=REMOTE)
        client.force_login(user)
        return client

    def test_a_viewer_may_read_from_anywhere_even_without_a_management_key(self, grant):
        grant(key_hash="")
        assert self.client_of("viewer").get(ROUTE).status_code == 200

    def test_who_lacks_the_permission_is_refused(self, grant):
        grant()
        answer = self.client_of("key manager").get(ROUTE)
        assert (answer.status_code, answer.json()) == (403, {"error": "your account may not do this"})

    def test_who_is_no_staff_is_nobody(self, grant):
        grant(key_hash="")
        user = User.objects.create_user("mallory", password="x")
        client = Client()
        client.force_login(user)
        assert client.get(ROUTE).status_code == 404

    def test_a_wrong_key_is_wrong_in_a_browser_too(self, grant):
        grant(remote=True)
        answer = self.client_of(is_superuser=True).get(ROUTE, HTTP_AUTHORIZATION="Bearer wrong")
        assert answer.status_code == 401
