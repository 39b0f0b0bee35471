"""Cooldowns on the timeline."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from oauth.models import CredentialEvent
from providers.models import CredentialCooldown
from routing import timeline
from tests.integration.routing.makers import make_credential, make_provider

pytestmark = pytest.mark.django_db


def rest(seconds: float, cause: str = "quota", since: float = 0) -> CredentialCooldown:
    credential = make_credential(make_provider("p"))
    began = timezone.now() - timedelta(seconds=since)
    return CredentialCooldown.objects.create(
        credential=credential,
        model="m",
        cause=cause,
        message="slow down",
        since=began,
        until=began + timedelta(seconds=seconds),
    )


def events() -> list[tuple[str, str]]:
    return list(CredentialEvent.objects.order_by("id").values_list("kind", "message"))


def test_a_rest_is_told_with_its_cause_and_its_end():
    row = rest(3600)
    timeline.note_cooldown(row)
    event = CredentialEvent.objects.get()
    assert event.message == "Its allowance is spent: slow down"
    assert (event.cause, event.model, event.until) == ("quota", "m", row.until)


@pytest.mark.parametrize(
    ("since", "clear", "words"),
    [(0, False, "A call succeeded"), (0, True, "Cleared"), (3600, False, "Its time was over")],
)
def test_what_ended_it_is_told(since, clear, words):
    row = rest(3600, since=since)
    if clear:
        row.credential.cooldowns_cleared_at = timezone.now()
        row.credential.save(update_fields=["cooldowns_cleared_at"])
    timeline.note_ended(CredentialCooldown.objects.all(), timezone.now())
    assert not CredentialCooldown.objects.exists()
    ((kind, message),) = events()
    assert kind == "resumed"
    assert message.startswith(words)


def test_short_transient_rests_are_not_told():
    row = rest(4, "transient")
    timeline.note_cooldown(row)
    timeline.note_ended(CredentialCooldown.objects.all(), timezone.now())
    assert events() == []
