"""What each group may do, and above all what it may not: pages, actions, and addresses called directly."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from providers.models import CredentialCooldown, Provider
from routing.models import ClientKey
from tests.integration.admin.cast import browser_of, make_credential, make_person, make_provider, make_usage

pytestmark = pytest.mark.django_db
GATEWAY_PAGES = (
    "providers_provider",
    "providers_credential",
    "routing_modelalias",
    "routing_modelexclusion",
    "routing_clientkey",
    "routing_usagerecord",
)


def url(page: str, *args) -> str:
    return reverse(f"admin:{page}", args=args)


@pytest.fixture
def resting(db):
    credential = make_credential(make_provider(), label="Team key")
    now = timezone.now()
    CredentialCooldown.objects.create(
        credential=credential, cause="quota", since=now, until=now + timedelta(hours=1)
    )
    return credential


def test_a_gateway_admin_may_open_and_add_everything(admin):
    for page in GATEWAY_PAGES:
        assert admin.get(url(f"{page}_changelist")).status_code == 200
    for page in (*GATEWAY_PAGES[:-1], "auth_user", "auth_group"):
        assert admin.get(url(f"{page}_add")).status_code == 200
    assert admin.get(url("routing_gatewaysettings_change", 1)).status_code == 200


def test_a_gateway_admin_cannot_make_or_edit_a_superuser(admin):
    boss = make_person("boss")
    plain = User.objects.create_user("plain", password="a-long-password")
    assert admin.post(url("auth_user_change", boss.pk), {"username": "mine"}).status_code == 403
    assert admin.post(url("auth_user_password_change", boss.pk), {}).status_code == 403
    assert admin.post(url("auth_user_delete", boss.pk), {"post": "yes"}).status_code == 403
    data = {"username": "plain", "is_superuser": "on", "is_active": "on", "date_joined_0": "2026-01-01"}
    admin.post(url("auth_user_change", plain.pk), data | {"date_joined_1": "00:00:00"})
    plain.refresh_from_db()
    assert not plain.is_superuser


def test_a_key_manager_works_with_client_keys_and_reads_usage(key_manager):
    make_usage(client_key_label="CI")
    assert key_manager.get(url("routing_clientkey_changelist")).status_code == 200
    assert (
        key_manager.post(
            url("routing_clientkey_add"), {"note": "CI", "enabled": "on", "keeps_responses_days": "0"}
        ).status_code
        == 200
    )
    row = ClientKey.objects.get()
    data = {"action": "disable", "_selected_action": [row.pk]}
    key_manager.post(url("routing_clientkey_changelist"), data)
    row.refresh_from_db()
    assert not row.enabled
    assert key_manager.get(url("routing_usagerecord_changelist")).status_code == 200
    assert key_manager.post(url("routing_clientkey_delete", row.pk), {"post": "yes"}).status_code == 302
    assert not ClientKey.objects.exists()


def test_a_key_manager_sees_no_provider_and_no_settings(key_manager, resting):
    for page in (
        "providers_provider",
        "providers_credential",
        "routing_modelalias",
        "routing_modelexclusion",
    ):
        assert key_manager.get(url(f"{page}_changelist")).status_code == 403
        assert key_manager.get(url(f"{page}_add")).status_code == 403
    assert key_manager.get(url("providers_provider_change", resting.provider_id)).status_code == 403
    assert key_manager.get(url("routing_gatewaysettings_changelist")).status_code == 403
    assert key_manager.get(url("routing_gatewaysettings_change", 1)).status_code == 403
    assert key_manager.get(url("auth_user_changelist")).status_code == 403
    home = key_manager.get(url("index")).content.decode()
    assert "Acme" not in home
    assert "Cooldowns running" not in home


@pytest.mark.parametrize("person", ["key_manager", "viewer"])
def test_neither_may_act_on_providers_or_credentials(person, request, resting):
    client = request.getfixturevalue(person)
    for page, pk in (("providers_provider", resting.provider_id), ("providers_credential", resting.pk)):
        for action in ("test_now", "clear_cooldowns"):
            assert client.post(url(f"{page}_{action}", pk)).status_code == 403
        for action in ("test_now", "clear_cooldowns", "enable", "disable", "delete_selected"):
            data = {"action": action, "_selected_action": [pk], "post": "yes"}
            client.post(url(f"{page}_changelist"), data)
        assert client.post(url(f"{page}_change", pk), {"label": "mine", "name": "mine"}).status_code == 403
        assert client.post(url(f"{page}_delete", pk), {"post": "yes"}).status_code == 403
        assert client.post(url(f"{page}_add"), {"adapter": "demo"}).status_code == 403
    resting.refresh_from_db()
    assert resting.label == "Team key"
    assert resting.enabled
    assert resting.provider.enabled
    assert resting.cooldowns.exists()
    assert resting.health_at is None
    assert Provider.objects.count() == 1


def test_a_viewer_sees_every_page_and_changes_nothing(viewer, resting):
    record = make_usage()
    row = ClientKey.objects.create(digest="d" * 64, fingerprint="cpx-ab…wxyz", note="CI")
    for page in GATEWAY_PAGES:
        assert viewer.get(url(f"{page}_changelist")).status_code == 200
        assert viewer.get(url(f"{page}_add")).status_code == 403
    html = viewer.get(url("providers_provider_change", resting.provider_id)).content.decode()
    assert "Team key" in html
    assert "Test now" not in html
    assert viewer.get(url("routing_usagerecord_change", record.pk)).status_code == 200
    assert viewer.get(url("routing_gatewaysettings_change", 1)).status_code == 200
    assert viewer.post(url("routing_gatewaysettings_change", 1), {"request_retry": 9}).status_code == 403
    assert viewer.post(url("routing_clientkey_change", row.pk), {"note": "mine"}).status_code == 403
    for action in ("disable", "delete_selected"):
        data = {"action": action, "_selected_action": [row.pk], "post": "yes"}
        viewer.post(url("routing_clientkey_changelist"), data)
    row.refresh_from_db()
    assert (row.note, row.enabled) == ("CI", True)
    assert viewer.get(url("auth_user_changelist")).status_code == 403


def test_actions_do_not_follow_a_link(admin, resting):
    assert admin.get(url("providers_provider_test_now", resting.provider_id)).status_code == 403
    assert admin.get(url("providers_credential_clear_cooldowns", resting.pk)).status_code == 403
    assert resting.cooldowns.exists()


def test_who_is_in_no_group_is_told_whom_to_ask(db):
    nora = make_person("nora", "viewer")
    shown = browser_of(nora).get(reverse("admin:index")).content.decode()
    assert "in no group" not in shown
    nora.groups.clear()
    shown = browser_of(nora).get(reverse("admin:index")).content.decode()
    assert "in no group. Ask an admin" in shown
    assert "cpx-buttons" not in shown


def test_nobody_adds_changes_or_deletes_usage_records(root):
    record = make_usage()
    assert root.get(url("routing_usagerecord_add")).status_code == 403
    assert root.post(url("routing_usagerecord_change", record.pk), {"status": 200}).status_code == 403
    assert root.post(url("routing_usagerecord_delete", record.pk), {"post": "yes"}).status_code == 403


def test_the_settings_are_one_page_without_add_or_delete(root):
    response = root.get(url("routing_gatewaysettings_changelist"))
    assert response.headers["Location"] == url("routing_gatewaysettings_change", 1)
    assert root.get(url("routing_gatewaysettings_add")).status_code == 403
    assert root.get(url("routing_gatewaysettings_change", 1)).status_code == 200
    assert root.post(url("routing_gatewaysettings_delete", 1), {"post": "yes"}).status_code == 403


def test_strangers_are_sent_to_the_login_page(db):
    client = Client()
    make_person("root")
    for page in ("index", "providers_provider_changelist", "routing_clientkey_add"):
        assert client.get(url(page)).headers["Location"].startswith(url("login"))


def test_the_groups_hold_permissions_that_exist():
    for group in Group.objects.prefetch_related("permissions__content_type"):
        for permission in group.permissions.all():
            assert permission.content_type.model_class() is not None
    assert Permission.objects.filter(group__name="viewer").exclude(codename__startswith="view_").count() == 0


def granted_by_routing() -> int:
    """How many permissions the gateway admins have of that migration; logins and their rules have others."""
    found = Group.objects.get(name="gateway admin").permissions
    others = found.exclude(content_type__app_label="oauth")
    return others.exclude(content_type__model__startswith="channel").count()


def test_the_groups_migration_can_be_undone_and_done_again():
    migration = import_module("routing.migrations.0002_groups")
    editor = SimpleNamespace(connection=connection)
    names = {"gateway admin", "key manager", "viewer"}
    assert set(Group.objects.values_list("name", flat=True)) == names
    granted = granted_by_routing()
    migration.remove_groups(apps, editor)
    assert not Group.objects.filter(name__in=names).exists()
    migration.make_groups(apps, editor)
    assert granted_by_routing() == granted
