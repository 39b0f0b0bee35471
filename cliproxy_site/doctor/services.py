"""What the gateway stands on: the database with its tables and keys, Redis, and what is configured in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import redis
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from cliproxy_site.doctor.findings import Finding, note, ok, problem
from management_api import access
from providers.models import Credential, CredentialCooldown, CredentialHealth, Provider
from routing import table
from routing.models import ClientKey
from routing.probing import probe_and_record

REDIS_TIMEOUT_S = 2.0
SLOW_TABLE_S = 2.0


def database() -> Iterator[Finding]:
    """Reachable and migrated. Says nothing else when it is not, since nothing else could be looked at."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and connection.connection is None and not Path(name).exists():
        yield problem(
            "database", f"{name} does not exist yet.", "python manage.py serve (or migrate) makes it."
        )
        return
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        yield problem(
            "database",
            f"The {connection.vendor} database cannot be used: {reason}.",
            "See DATABASE_URL; with SQLite, see that the data folder is writable.",
        )
        return
    if plan:
        yield problem(
            "database",
            f"{len(plan)} migrations are not applied, beginning with {plan[0][0]}.",
            "python manage.py migrate (serve does it at its start)",
        )
        return
    where = name if connection.vendor == "sqlite" else connection.vendor
    yield ok("database", f"{where} answers and is migrated.")
    if connection.vendor == "sqlite" and settings.REDIS_URL:
        yield note(
            "database",
            "Redis is set, and the database is SQLite, which one machine alone can use.",
            "For several machines set DATABASE_URL to a PostgreSQL.",
        )


def is_usable(findings: list[Finding]) -> bool:
    """Whether ``database`` found one with all its tables."""
    return not any(one.area == "database" and one.remedy and one.level == "problem" for one in findings)


def system_checks() -> Iterator[Finding]:
    """Django's own and ours: encryption keys, kinds of providers."""
    messages: list[CheckMessage] = run_checks(databases=["default"])
    for message in messages:
        if not message.is_silenced():
            make = note if message.level <= CheckWarning("").level else problem
            yield make("checks", f"{message.msg} ({message.id})", message.hint or "")
    if not messages:
        yield ok("checks", "Encryption keys and stored secrets fit together; system checks are silent.")


def clients() -> Iterator[Finding]:
    usable = ClientKey.objects.filter(enabled=True).exclude(expires_at__lte=timezone.now()).count()
    if usable:
        yield ok("clients", f"{usable} client key{'' if usable == 1 else 's'} can be used.")
    else:
        yield problem(
            "clients",
            "No client key can be used: every request gets 401.",
            'python manage.py client_key create --note "…", or api-keys in config.yaml',
        )


def providers() -> Iterator[Finding]:
    """Whether anything can be asked for, and who cannot be called."""
    enabled = Provider.objects.filter(enabled=True)
    if not enabled.exists():
        yield problem(
            "providers", "No provider is switched on: there is no model to ask for.", "Add one in the admin."
        )
        return
    for row in enabled.exclude(credentials__enabled=True).distinct():
        yield note(
            "providers",
            f"{row.key} has no credential that is switched on.",
            "Add a key to it, or switch it off.",
        )
    broken = Credential.objects.filter(
        enabled=True, provider__enabled=True, health=CredentialHealth.BROKEN
    ).select_related("provider")
    for credential in broken[:20]:
        yield problem(
            "providers",
            f"{credential.provider.key}, {credential}: {credential.health_message or 'broken'}",
            "Replace the key or log in again, then Test now on its page.",
        )
    resting = CredentialCooldown.objects.filter(until__gt=timezone.now()).count()
    if resting:
        yield note(
            "providers",
            f"{resting} cooldown{' runs' if resting == 1 else 's run'}.",
            "See the admin's first page.",
        )


def routing() -> Iterator[Finding]:
    """The table that every process routes by."""
    began = time.perf_counter()
    built = table.build()
    took = time.perf_counter() - began
    if not built.models and not built.open_prefixes and not built.open_offers:
        yield problem(
            "routing",
            "No model can be asked for.",
            "List models at a provider, or read its list with Test now; manage.py route says what hides one.",
        )
        return
    yield ok("routing", f"{len(built.models)} models can be asked for (table built in {took * 1000:.0f} ms).")
    if took > SLOW_TABLE_S:
        yield note(
            "routing", "Building the table is slow; changes arrive late.", "Look at the database's load."
        )


def management() -> Iterator[Finding]:
    granted = access.current()
    if not granted.exists:
        yield ok("management", "The management API is off: no management key is set.")
    elif granted.allows_remote:
        yield note(
            "management",
            "The management API can be used from other machines.",
            "Without need, set allow-remote to false and leave MANAGEMENT_PASSWORD out.",
        )
    else:
        yield ok("management", "The management API can be used from this machine alone.")


def shared_state() -> Iterator[Finding]:
    """Redis, where it is configured."""
    if not settings.REDIS_URL:
        yield ok("redis", "Not configured: each process keeps its own state.")
        return
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )
    try:
        began = time.perf_counter()
        client.ping()
        took = (time.perf_counter() - began) * 1000
    except redis.RedisError as error:
        yield problem(
            "redis",
            f"It does not answer: {str(error).strip() or type(error).__name__}",
            "See REDIS_URL. Until it answers, each process keeps its own state; no request fails.",
        )
        return
    finally:
        client.close()
    yield ok("redis", f"It answers in {took:.1f} ms.")


def upstreams() -> Iterator[Finding]:
    """One real call with each credential that is switched on, as "Test now" does it."""
    rows = Credential.objects.filter(enabled=True, provider__enabled=True).select_related("provider")
    for credential in rows.order_by("provider__key", "pk"):
        result = probe_and_record(credential)
        who = f"{credential.provider.key}, {credential}"
        if result.ok:
            yield ok("upstream", f"{who}: works, {result.latency_ms} ms.")
        else:
            yield problem("upstream", f"{who}: {result.message}", "See the credential's page in the admin.")
