"""What the admin's history says of actions that change many rows at once."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from providers.models import Credential, Provider

pytestmark = pytest.mark.django_db


def test_an_action_is_in_the_history_under_the_name_of_who_did_it(admin_client, admin_user):
    provider = Provider.objects.create(key="acme", adapter="openai")
    credential = Credential.objects.create(provider=provider, fingerprint="f")
    for action in ("disable", "clear_cooldowns"):
        admin_client.post(
            reverse("admin:providers_credential_changelist"),
            {"action": action, "_selected_action": [credential.pk]},
        )
    entries = LogEntry.objects.filter(object_id=str(credential.pk), user=admin_user)
    assert {entry.get_change_message() for entry in entries} == {"Disabled.", "Cooldowns cleared."}
