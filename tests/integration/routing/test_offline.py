"""Routing looked at from a process that serves nothing."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from providers.models import CredentialCooldown
from providers.values import RefusalKind
from routing import offline
from tests.integration.routing.makers import make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def credential():
    provider = make_provider()
    make_alias(provider, "fast", "up")
    return make_credential(provider)


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def mirrored(credential, minutes, cause="quota", model="up"):
    now = timezone.now()
    CredentialCooldown.objects.create(
        credential=credential, model=model, cause=cause, since=now, until=now + timedelta(minutes=minutes)
    )


def test_running_cooldowns_are_read_and_ended_ones_not(credential):
    mirrored(credential, 5)
    mirrored(credential, -1, model="other")
    found, source = offline.read_shared(timezone.now(), "")
    assert [rest.cause for rest in found.state.running(credential.pk, time.time())] == [RefusalKind.QUOTA]
    assert "fast" in found.table.models
    assert source == offline.SOURCE


def test_a_cause_of_a_later_version_is_some_cause(credential):
    mirrored(credential, 5, cause="bad-weather")
    state = offline.read(timezone.now()).state
    assert [rest.cause for rest in state.running(credential.pk, time.time())] == [RefusalKind.OTHER]


def test_a_redis_that_does_not_answer_is_said(credential, closed_port):
    mirrored(credential, 5)
    found, source = offline.read_shared(timezone.now(), f"redis://127.0.0.1:{closed_port}/0")
    assert [rest.cause for rest in found.state.running(credential.pk, time.time())] == [RefusalKind.QUOTA]
    assert source == offline.SILENT_SOURCE
