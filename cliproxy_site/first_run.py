"""What a new deployment gets: tables, an admin user, a client key, and providers to begin with.

Everything here may be called at every start; it acts only where something is missing. Secrets are
returned to be printed once and are kept nowhere in plain text.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q

from cliproxy_site.data_dir import SetupProblem, prepare
from providers import sealed_columns
from providers import secrets as sealed
from providers.adapters.registry import ADAPTERS, adapter_for
from providers.models import Credential, Provider
from routing import client_keys
from routing.models import ClientKey, ModelAlias

DEMO = "demo"
ADMIN_NAME = "admin"
OWN_APPS = ("providers", "oauth", "routing")
SETUP_LOCK = 0x636C6970726F7879
"""The number of our advisory lock on PostgreSQL: "cliproxy" in ASCII."""


@dataclass
class Welcome:
    """What was made and must be shown now: plain secrets, never stored."""

    admin_password: str = ""
    client_key: str = ""
    providers: list[str] = field(default_factory=list)
    """Provider keys, each with the environment name that it came from."""

    def __bool__(self) -> bool:
        return bool(self.admin_password or self.client_key)


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time sets up: on this machine by a lock on a file, and among all that share a
    PostgreSQL by a lock there. Both end with their holder. Raises SetupProblem, DatabaseError."""
    path = settings.DATA_DIR / "setup.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupProblem(f"The file {path} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [SETUP_LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [SETUP_LOCK])
    finally:
        os.close(handle)


def migrate() -> None:
    """Bring the tables up to date. Raises SetupProblem when the database or the spool cannot be used."""
    prepare(settings.SPOOL_DIR)
    path = Path(settings.DATABASES["default"]["NAME"])
    if connection.vendor == "sqlite" and path.exists() and not os.access(path, os.W_OK):
        raise SetupProblem(f"The database {path} is not writable.")  # SQLite says so at the first write only
    try:
        with alone():
            executor = MigrationExecutor(connection)
            _refuse_newer(executor)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        where = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SetupProblem(f"The {where} database cannot be used: {reason}.") from error


def _refuse_newer(executor: MigrationExecutor) -> None:
    """An older program would write into tables whose columns it does not know. Raises
    SetupProblem."""
    newer = [
        f"{app} {name}"
        for app, name in executor.loader.applied_migrations
        if app in OWN_APPS and (app, name) not in executor.loader.disk_migrations
    ]
    if newer:
        raise SetupProblem(
            f"The database was made by a newer version of the gateway ({min(newer)}): start that version, or "
            "a backup from before the upgrade."
        )


def check_encryption_keys() -> None:
    """Every stored secret must be readable. Raises SetupProblem naming the key that is lost."""
    lost = sorted(set(sealed_columns.key_ids_in_use()) - set(sealed.KEYRING.ids))
    if lost:
        raise SetupProblem(
            f"The encryption key {', '.join(lost)} is missing, which sealed stored secrets; put it back into "
            f"{settings.ENCRYPTION_KEYS_FILE} or into CLIPROXY_ENCRYPTION_KEYS."
        )


def welcome(environ: Mapping[str, str] = os.environ) -> Welcome:
    """Make what a first run needs and is missing. Concurrent starts make it once."""
    made = Welcome()
    with alone(), transaction.atomic():
        users = get_user_model()
        is_first = not users._default_manager.filter(
            Q(is_superuser=True) | Q(username=ADMIN_NAME)  # of that name: somebody took its rights away
        ).exists()
        if is_first:
            sealed.KEYRING.ensure()
            made.admin_password = environ.get("CLIPROXY_ADMIN_PASSWORD", "") or secrets.token_urlsafe(12)
            users._default_manager.create_superuser(ADMIN_NAME, password=made.admin_password)
            made.providers = _from_environment(environ)
            if not ClientKey.objects.filter(enabled=True).exists():
                _, made.client_key = client_keys.create(note="first key")
            if not Provider.objects.exists():
                _add(DEMO, "")
    return made


def _from_environment(environ: Mapping[str, str]) -> list[str]:
    """A provider for each vendor key in the environment, unless one of its kind exists."""
    added = []
    for adapter in ADAPTERS:
        name = next((name for name in adapter.environment if environ.get(name, "").strip()), None)
        if (
            name is None
            or Provider.objects.filter(Q(adapter=adapter.key) | Q(key__iexact=adapter.key)).exists()
        ):
            continue
        _add(adapter.key, environ[name].strip())
        added.append(f"{adapter.key} ({name})")
    return added


def _add(kind: str, secret: str) -> None:
    adapter = adapter_for(kind)
    provider = Provider.objects.create(key=kind, adapter=kind, name=adapter.name)
    Credential.objects.create(
        provider=provider,
        label="from the environment" if secret else "",
        kind="api_key" if secret else "none",
        secret_token=sealed.seal(secret),
        fingerprint=sealed.fingerprint(secret),
    )


def example_model() -> str:
    """A model id that a first request can name; the demo's when that is all there is."""
    alias = ModelAlias.objects.filter(provider__enabled=True, credential__isnull=True, enabled=True).first()
    if alias is not None:
        prefix = alias.provider.prefix
        return f"{prefix}/{alias.alias}" if prefix else alias.alias
    for provider in Provider.objects.filter(enabled=True, credentials__enabled=True).distinct():
        catalogue = adapter_for(provider.adapter).catalogue
        if catalogue:
            return f"{provider.prefix}/{catalogue[0].id}" if provider.prefix else catalogue[0].id
    return DEMO


def banner(made: Welcome, host: str, port: int, scheme: str = "http") -> str:
    """The text of a first run: addresses, secrets, and a curl line that works as pasted."""
    shown_host = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104  (compared, not bound)
    if ":" in shown_host:
        shown_host = f"[{shown_host}]"
    base = f"{scheme}://{shown_host}:{port}"
    lines = ["", "First run. These secrets are shown once and are stored nowhere in plain text:", ""]
    lines += [f"  Admin       {base}/admin/"]
    if made.admin_password:
        lines += [f"              user {ADMIN_NAME}, password {made.admin_password}"]
    if made.client_key:
        lines += [f"  Client key  {made.client_key}", f"  Base URL    {base}/v1"]
    if made.providers:
        lines += ["", "  Providers found in the environment and set up: " + ", ".join(made.providers)]
    if made.client_key:
        lines += ["", "Try it:", "", *curl_lines(base, made.client_key)]
    return "\n".join([*lines, ""])


def curl_lines(base: str, key: str) -> list[str]:
    question = [{"role": "user", "content": "Who are you?"}]
    body = json.dumps({"model": example_model(), "stream": True, "messages": question})
    return [
        f"curl -N {base}/v1/chat/completions \\",
        f"  -H 'Authorization: Bearer {key}' \\",
        "  -H 'Content-Type: application/json' \\",
        f"  -d '{body}'",
    ]
