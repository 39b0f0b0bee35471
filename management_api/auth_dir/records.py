"""Logins as CLIProxyAPI's management API knows them: credential files by name, to list, store and edit.

A login that came from a file is that file: an edit is written into it, and the watcher finds nothing new. A
login made here has no file; it goes by the name that an export would give it, and an edit goes into its rows.
Credentials that ``config.yaml`` describes are shown and not changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from management_api.auth_dir.apply import KEY_COLUMNS, import_entry, replace_rules, sealed
from management_api.auth_dir.entries import FileEntry, channel_of, read_entry
from management_api.auth_dir.export import exported
from oauth import credential_files
from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.flows.registry import UnknownChannel, channel_for
from oauth.models import OAuthToken, TokenStatus, seal_grant
from providers.models import Credential
from providers.secrets import SecretsError
from routing import revision
from routing.models import GatewaySettings, UsageRecord

NAME = re.compile(r"[^/\\\x00-\x1f]{1,200}")
SLOT = timedelta(minutes=10)
SLOTS = 20
RULES = {"model_aliases", "excluded_models"}
SETTINGS = KEY_COLUMNS.keys() | RULES
"""Keys of a file that are columns or rows here; any other is only kept."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One login and the name that it goes by."""

    name: str
    token: OAuthToken

    @property
    def path(self) -> Path | None:
        return credential_files.path_of(self.token.file_path) if self.token.file_path else None

    @property
    def type(self) -> str:
        try:
            channel = channel_for(self.token.channel)
        except UnknownChannel:
            return self.token.channel
        return channel.file_type or channel.key

    @property
    def auth_index(self) -> str:
        """CLIProxyAPI's handle: of type and path for a file, of the id for what has none."""
        seed = f"{self.type}:{self.path}" if self.path is not None else f"id:{self.token.credential_id}"
        return hashlib.sha256(seed.encode()).hexdigest()[:16]


class Refused(Exception):
    """``status`` and the text for the caller."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


# --- finding -----------------------------------------------------------------------------------


def folder() -> Path:
    """``auth-dir`` as configured now."""
    row = GatewaySettings.objects.filter(pk=1).values_list("auth_dir", flat=True).first()
    return Path(row or "~/.cli-proxy-api").expanduser().absolute()


def records() -> list[Record]:
    """Every login, by lower-cased name. Two that an export would call alike are told apart by number."""
    rows = OAuthToken.objects.select_related("credential__provider").order_by("pk")
    named: set[str] = set()
    found = []
    for token in rows:
        name = _name_of(token)
        if name.lower() in named:
            name = f"{name.removesuffix('.json')}-{token.credential_id}.json"
        named.add(name.lower())
        found.append(Record(name=name, token=token))
    return sorted(found, key=lambda record: record.name.lower())


def _name_of(token: OAuthToken) -> str:
    if token.file_path:
        return credential_files.path_of(token.file_path).name
    try:
        return channel_for(token.channel).file_name(token.grant())
    except (UnknownChannel, SecretsError):
        return f"{token.channel}-{token.credential_id}.json"


def find(name: str, auth_index: str = "") -> Record | None:
    for record in records():
        if record.name == name and auth_index in ("", record.auth_index):
            return record
    return None


def checked_name(name: str) -> str:
    """Raises Refused: a name may not lead out of the folder."""
    if not NAME.fullmatch(name) or name.startswith(".") or ".." in name:
        raise Refused(400, "invalid name")
    if not name.lower().endswith(".json"):
        raise Refused(400, "name must end with .json")
    return name


# --- showing -----------------------------------------------------------------------------------


def described(found: Iterable[Record], now: datetime) -> list[dict[str, Any]]:
    """As ``GET /auth-files`` lists them."""
    found = list(found)
    ids = [record.token.credential_id for record in found]
    counts = _counts(ids, now)
    resting = {
        row.pk: [cooldown.until for cooldown in row.cooldowns.all() if not cooldown.model]
        for row in Credential.objects.filter(pk__in=ids).prefetch_related("cooldowns")
    }
    return [
        _described(record, counts[record.token.credential_id], resting[record.token.credential_id], now)
        for record in found
    ]


def _described(
    record: Record, slots: list[dict[str, Any]], rests: list[datetime], now: datetime
) -> dict[str, Any]:
    token, credential = record.token, record.token.credential
    until = max((moment for moment in rests if moment > now), default=None)
    path = record.path
    account = token.account
    entry: dict[str, Any] = {
        "id": record.name,
        "auth_index": record.auth_index,
        "name": record.name,
        "type": record.type,
        "provider": record.type,
        "label": credential.label,
        "status": status_of(token, now),
        "status_message": token.last_error if token.status != TokenStatus.OK else "",
        "disabled": not credential.enabled,
        "unavailable": until is not None,
        "runtime_only": False,
        "source": "file" if path is not None else "memory",
        "size": _size(path),
        "success": sum(slot["success"] for slot in slots),
        "failed": sum(slot["failed"] for slot in slots),
        "recent_requests": slots,
        "account_type": "oauth",
        "created_at": _time(credential.created_at),
        "updated_at": _time(credential.updated_at),
        "modtime": _modified(path) or _time(token.refreshed_at or token.connected_at),
    }
    known = {
        "email": account.get("email"),
        "account": account.get("email") or account.get("username") or token.identity.partition("|")[0],
        "project_id": account.get("project_id"),
        "last_refresh": _time(token.refreshed_at),
        "expires_at": _time(token.expires_at),
        "next_retry_after": _time(until),
        "path": str(path) if path is not None else None,
        "priority": credential.priority,
        "weight": credential.weight if credential.weight != 1 else None,
        "request_retry": credential.request_retry,
        "websockets": credential.websockets,
        "note": _note(token),
        "id_token": _claims(token),
    }
    return entry | {name: value for name, value in known.items() if value not in (None, "")}


def status_of(token: OAuthToken, now: datetime) -> str:
    """``active``, ``disabled``, ``refreshing``, ``pending`` or ``error``."""
    if not token.credential.enabled:
        return "disabled"
    if token.status == TokenStatus.LOGIN_NEEDED:
        return "error"
    if token.lease_until is not None and token.lease_until > now:
        return "refreshing"
    return "active"


def _counts(ids: list[int], now: datetime) -> dict[int, list[dict[str, Any]]]:
    """Requests of the last 200 minutes by credential, in slots of ten, oldest first."""
    first = _slot_start(now) - (SLOTS - 1) * SLOT
    rows = UsageRecord.objects.filter(credential_id__in=ids, started_at__gte=first)
    found: dict[int, list[dict[str, Any]]] = {}
    for credential_id in ids:
        starts = [first + number * SLOT for number in range(SLOTS)]
        found[credential_id] = [
            {"time": f"{start:%H:%M}-{start + SLOT:%H:%M}", "success": 0, "failed": 0} for start in starts
        ]
    for slot in range(SLOTS):
        start = first + slot * SLOT
        within = rows.filter(started_at__gte=start, started_at__lt=start + SLOT).order_by()
        totals = within.values("credential_id").annotate(
            success=Count("pk", filter=Q(outcome="ok")), failed=Count("pk", filter=~Q(outcome="ok"))
        )
        for row in totals:
            found[row["credential_id"]][slot] |= {"success": row["success"], "failed": row["failed"]}
    return found


def _slot_start(now: datetime) -> datetime:
    return now.replace(minute=now.minute - now.minute % 10, second=0, microsecond=0)


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0


def _modified(path: Path | None) -> str | None:
    try:
        return (
            datetime.fromtimestamp(path.stat().st_mtime, timezone.get_current_timezone()).isoformat()
            if path
            else None
        )
    except OSError:
        return None


def _note(token: OAuthToken) -> str:
    try:
        return str(token.grant().file_extras.get("note", "") or "")
    except SecretsError:
        return ""


def _claims(token: OAuthToken) -> dict[str, str] | None:
    """What a panel shows of a ChatGPT login."""
    if token.channel != "codex":
        return None
    account = token.account
    return {"chatgpt_account_id": account.get("account_id", ""), "plan_type": account.get("plan", "")}


def content_of(record: Record) -> bytes:
    """The credential file, secrets and all. Raises Refused."""
    if record.path is not None:
        found = credential_files.read(record.path)
        if found is not None:
            return found.text.encode()
    try:
        return (json.dumps(exported(record.token)[1], ensure_ascii=False, indent=2) + "\n").encode()
    except (SecretsError, UnknownChannel) as error:
        raise Refused(500, str(error)) from error


# --- changing ----------------------------------------------------------------------------------


def store(name: str, raw: bytes) -> Record:
    """A credential file under ``name`` in ``auth-dir``, and at once in use. Raises Refused, DatabaseError."""
    path = folder() / checked_name(name)
    if len(raw) > credential_files.MAX_BYTES:
        raise Refused(400, "the file is too large for a credential")
    try:
        content = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(500, "invalid JSON content") from error
    if not isinstance(content, dict):
        raise Refused(400, "the file holds no JSON object")
    try:
        entry = read_entry(content, channel_of(content, name))
    except OAuthError as error:
        raise Refused(400, error.message) from error
    _write(path, content)
    _import(entry, path)
    record = find(name)
    if record is None:
        raise Refused(500, "the file was stored but is in use by nobody")
    return record


def _write(path: Path, content: dict[str, Any]) -> str:
    if path.is_symlink():
        raise Refused(400, "invalid name")
    try:
        return credential_files.write(path, content)
    except OSError as error:
        raise Refused(500, f"the file cannot be written: {error.strerror}") from error


def _import(entry: FileEntry, path: Path) -> None:
    file = credential_files.read(path)
    if file is None:
        raise Refused(500, "the file cannot be read back")
    known = OAuthToken.objects.filter(file_path=str(path)).exclude(channel=entry.channel.key).first()
    with transaction.atomic():
        if known is not None:
            Credential.objects.filter(pk=known.credential_id).delete()  # another login altogether
        import_entry(entry, file=file)


def delete(record: Record) -> None:
    """The login with its file. Raises Refused."""
    _check_ours(record)
    if record.path is not None:
        try:
            record.path.unlink(missing_ok=True)
        except OSError as error:
            raise Refused(500, f"the file cannot be deleted: {error.strerror}") from error
    Credential.objects.get(pk=record.token.credential_id).delete()


def _check_ours(record: Record) -> None:
    if record.token.credential.is_from_file:
        raise Refused(409, "config.yaml describes this credential; change it there")


def edit(record: Record, change: Callable[[dict[str, Any]], None]) -> None:
    """Apply ``change`` to the file's content. Settings take effect at once; other tokens are a new login.

    Raises Refused, DatabaseError; then nothing has changed.
    """
    _check_ours(record)
    channel = _channel(record)
    before = msgspec.json.decode(content_of(record), type=dict[str, Any])
    content = msgspec.json.decode(msgspec.json.encode(before), type=dict[str, Any])
    change(content)
    try:
        old, entry = read_entry(before, channel), read_entry(content, channel)
    except OAuthError as error:
        raise Refused(400, error.message) from error
    changed = {key for key in {*before, *content} if before.get(key) != content.get(key)}
    is_same_login = _tokens(old) == _tokens(entry)
    if record.path is not None:
        digest = _write(record.path, content)
        if not is_same_login:
            _import(entry, record.path)
            return
        _set_columns(record, entry, changed)
        OAuthToken.objects.filter(pk=record.token.pk).update(file_digest=digest)
    else:
        if not is_same_login or changed - SETTINGS:
            _store_grant(record, entry, changed - SETTINGS)
        _set_columns(record, entry, changed)


def _channel(record: Record) -> Channel:
    try:
        return channel_for(record.token.channel)
    except UnknownChannel as error:
        raise Refused(409, str(error)) from error


def _tokens(entry: FileEntry) -> tuple[str, str, str, dict[str, str]]:
    grant = entry.grant
    return grant.access_token, grant.refresh_token, grant.id_token, grant.private


def _set_columns(record: Record, entry: FileEntry, changed: set[str]) -> None:
    """Only what the edit changed: the rest of the row may have been set in the admin meanwhile."""
    columns = {
        column: sealed(column, entry.columns[column]) for key, column in KEY_COLUMNS.items() if key in changed
    }
    if columns.get("label") == "":
        del columns["label"]
    with transaction.atomic():
        if columns:
            rows = Credential.objects.filter(pk=record.token.credential_id)
            rows.update(**columns, updated_at=timezone.now())
        if changed & RULES:
            replace_rules(record.token.credential, entry)
        revision.bump()


def _store_grant(record: Record, entry: FileEntry, changed: set[str]) -> None:
    """Keys that are no settings, kept with the sealed tokens for a later export; and tokens, if those were
    edited. Never beside a refresh: what that brings must not be lost."""
    token, now = record.token, timezone.now()
    grant = token.grant()
    kept = {key: value for key, value in grant.file_extras.items() if key not in changed}
    given = {key: value for key, value in entry.grant.file_extras.items() if key in changed}
    fresh = msgspec.structs.replace(
        grant,
        access_token=entry.grant.access_token or grant.access_token,
        refresh_token=entry.grant.refresh_token or grant.refresh_token,
        id_token=entry.grant.id_token or grant.id_token,
        file_extras={**kept, **given},
    )
    free = OAuthToken.objects.filter(Q(lease_until=None) | Q(lease_until__lte=now), pk=token.pk)
    if not free.filter(version=token.version).update(grant_token=seal_grant(fresh), version=F("version") + 1):
        raise Refused(409, "the login is being refreshed at this moment; try again")
