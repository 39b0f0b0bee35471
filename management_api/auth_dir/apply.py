"""Puts credential files into the database: a new file is a credential, a changed one its new tokens and
settings, a file that is gone takes its credential along.

Every process may do so at the same moment: a file whose digest the row has already is left alone, and the
digest is claimed by a conditional update. A file that cannot be read, or is no credential any more, changes
nothing: it may be half written, and what was imported before goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from django.db import IntegrityError, transaction

from management_api.auth_dir.entries import (
    KEY_FILE_NAME,
    FileEntry,
    NotACredential,
    channel_of,
    read_entry,
)
from oauth import credential_files
from oauth.credential_files import CredentialFile
from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.flows.registry import BY_KEY, KEY_FILE
from oauth.models import OAuthToken
from oauth.signals import logins_changed
from oauth.tokens import store_grant
from providers import secrets
from providers.models import Credential
from routing.models import ChannelAlias, ChannelExclusion

logger = logging.getLogger("oauth.files")

DEEPEST = 4
"""Folders below ``auth-dir`` that are looked through."""

SEALS: dict[str, Callable[[Any], str]] = {
    "proxy_token": secrets.seal,
    "headers_token": secrets.seal_headers,
}


class Outcome(msgspec.Struct, kw_only=True):
    """What one look at a folder did, by file name. ``skipped`` says why."""

    added: list[str] = msgspec.field(default_factory=list)
    changed: list[str] = msgspec.field(default_factory=list)
    removed: list[str] = msgspec.field(default_factory=list)
    skipped: dict[str, str] = msgspec.field(default_factory=dict)


def apply_folder(folder: Path) -> Outcome:
    """Make the database say what the folder says. Raises DatabaseError, SecretsError."""
    outcome = Outcome()
    if not folder.is_dir():
        return outcome  # an unmounted disk must not delete every login
    known = {
        row.file_path: row
        for row in OAuthToken.objects.filter(file_path__startswith=f"{folder}/").select_related("credential")
    }
    for path in sorted(credential_paths(folder)):
        row = known.pop(str(path), None)
        _one(path, row, outcome, folder)
    for file_path, row in known.items():
        if credential_files.path_of(file_path).exists():
            continue
        with transaction.atomic():
            deleted, _ = Credential.objects.filter(pk=row.credential_id).delete()
        if deleted:
            outcome.removed.append(Path(file_path).name)
    return outcome


def credential_paths(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The ``*.json`` files, in sub-folders too."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        logger.warning("a folder of credential files cannot be read: %s", error.strerror)
        return
    for path in found:
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            if depth < DEEPEST:
                yield from credential_paths(path, depth + 1)
        elif path.suffix.lower() == ".json" and not KEY_FILE_NAME.fullmatch(path.name):
            yield path


def credential_folders(folder: Path, depth: int = 0) -> Iterator[Path]:
    """``folder`` and the folders below it in which credential files are looked for."""
    if not folder.is_dir():
        return
    yield folder
    if depth >= DEEPEST:
        return
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    for path in found:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from credential_folders(path, depth + 1)


def token_file_path(given: str) -> Path | None:
    """Where a ``token-file`` is; None for ``~`` where nobody knows the home folder."""
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        return None


def _one(path: Path, row: OAuthToken | None, outcome: Outcome, folder: Path) -> None:
    name = str(path.relative_to(folder))
    try:
        found = credential_files.read(path)
    except OSError as error:
        outcome.skipped[name] = f"It cannot be read: {error.strerror}."
        return
    if found is None or not found.text.strip():
        return
    if row is not None and row.file_digest == found.digest:
        return
    if not found.content:
        outcome.skipped[name] = "It is no JSON object."
        return
    try:
        entry = read_entry(credential_files.with_registration(found), channel_of(found.content, path.name))
    except OAuthError as error:
        outcome.skipped[name] = error.message
        return
    if entry.notes:
        outcome.skipped[name] = "Imported, but " + "; ".join(entry.notes) + "."
    with transaction.atomic():
        if row is not None and not claim(row):
            return  # another process has it
        if row is None and OAuthToken.objects.filter(file_path=str(path)).exists():
            return  # imported meanwhile, and perhaps renewed since: what was read here may be spent
        if row is not None and row.channel != entry.channel.key:
            Credential.objects.filter(pk=row.credential_id).delete()  # another login altogether
        import_entry(entry, file=found)
    (outcome.changed if row is not None else outcome.added).append(name)


def claim(row: OAuthToken) -> bool:
    """Whether this process may apply the file's new content. Call it in the transaction that does so: the
    new digest is stored together with what it stands for."""
    return bool(OAuthToken.objects.filter(pk=row.pk, file_digest=row.file_digest).update(file_digest=""))


def import_entry(
    entry: FileEntry, *, file: CredentialFile | None = None, credential: Credential | None = None
) -> Credential:
    """Store a file's login with its settings. ``file`` stays the owner; without one it is copied once.
    ``credential`` is one that the configuration file describes: its settings are not the file's."""
    try:
        with transaction.atomic():
            return _stored(entry, file, credential)
    except IntegrityError:
        with transaction.atomic():  # another process imported the same file at the same moment
            held = OAuthToken.objects.filter(file_path=str(file.path)).first() if file is not None else None
            return held.credential if held is not None else _stored(entry, file, credential)


def _stored(entry: FileEntry, file: CredentialFile | None, credential: Credential | None) -> Credential:
    before = _settings_before(file) if file is not None else frozenset()
    path = str(file.path) if file is not None and file.path.name else ""
    if path and credential is not None:
        path = _own_path(path, credential)
    found = store_grant(
        entry.grant,
        credential=credential,
        file_path=path,
        file_digest=file.digest if file is not None else "",
    )
    if credential is not None:
        return found
    said = {key for key in entry.grant.file_extras if key in KEY_COLUMNS} | before
    columns = {
        column: value
        for key, column in KEY_COLUMNS.items()
        if key in said
        for value in (sealed(column, entry.columns[column]),)
    }
    if columns.get("label") == "":
        del columns["label"]
    if columns:
        Credential.objects.filter(pk=found.pk).update(**columns)
    replace_rules(found, entry)
    logins_changed.send(sender=Credential)
    found.refresh_from_db()
    return found


KEY_COLUMNS = {
    "disabled": "enabled",
    "label": "label",
    "prefix": "prefix",
    "proxy_url": "proxy_token",
    "headers": "headers_token",
    "base_url": "base_url",
    "priority": "priority",
    "weight": "weight",
    "request_retry": "request_retry",
    "disable_cooling": "disable_cooling",
    "websockets": "websockets",
    "request_scoped_errors": "error_rules",
}
"""Of a file, and of its Credential. A file sets what it says, or said before: the rest is the admin's."""


def _settings_before(file: CredentialFile) -> frozenset[str]:
    """The settings that the file's last content had."""
    row = OAuthToken.objects.filter(file_path=str(file.path)).first()
    if row is None:
        return frozenset()
    try:
        return frozenset(row.grant().file_extras) & KEY_COLUMNS.keys()
    except secrets.SecretsError:
        return frozenset()


def sealed(column: str, value: Any) -> Any:
    return SEALS[column](value) if column in SEALS else value


def replace_rules(credential: Credential, entry: FileEntry) -> None:
    """Aliases and exclusions of this one login, where the file says something of them."""
    extras = entry.grant.file_extras
    owner = {"channel": entry.channel.key, "credential": credential}
    origin = f"file of credential {credential.pk}"
    old_aliases = ChannelAlias.objects.filter(credential=credential, origin_key=origin)
    if "model_aliases" in extras or old_aliases.exists():
        old_aliases.delete()
        for position, alias in enumerate(entry.aliases):
            ChannelAlias.objects.update_or_create(
                credential=credential,
                alias__iexact=alias.alias,
                defaults={
                    **owner,
                    "alias": alias.alias,
                    "upstream_model": alias.upstream_model,
                    "fork": alias.fork,
                    "display_name": alias.display_name,
                    "force_mapping": alias.force_mapping,
                    "position": position,
                    "origin_key": origin,
                },
            )
    old_exclusions = ChannelExclusion.objects.filter(credential=credential, origin_key=origin)
    if "excluded_models" in extras or old_exclusions.exists():
        old_exclusions.delete()
        for pattern in entry.excluded:
            ChannelExclusion.objects.update_or_create(
                credential=credential, pattern=pattern, defaults={**owner, "origin_key": origin}
            )


def _own_path(path: str, credential: Credential) -> str:
    """Two credentials of the configuration may name one token file."""
    taken = OAuthToken.objects.filter(file_path=path).exclude(credential=credential).exists()
    return f"{path}{credential_files.PART}{credential.pk}" if taken else path


def adopt_configured() -> Outcome:
    """Tokens of credentials that the configuration file describes: from its ``token-file``, or given there
    directly. Raises DatabaseError, SecretsError."""
    outcome = Outcome()
    rows = Credential.objects.filter(kind="oauth").exclude(channel="").select_related("oauth_token")
    for credential in rows:
        if credential.options.get("token-file") or credential.secret_token:
            _adopt(credential, outcome)
    return outcome


def _adopt(credential: Credential, outcome: Outcome) -> None:
    token = getattr(credential, "oauth_token", None)
    given = str(credential.options.get("token-file", ""))
    name = given or credential.origin_key
    try:
        if given:
            path = token_file_path(given)
            file = credential_files.read(path) if path is not None else None
        else:
            text = secrets.reveal(credential.secret_token)
            digest = credential_files.digest_of((text + repr(sorted(credential.options.items()))).encode())
            file = CredentialFile(path=Path(), digest=digest, text=text, content=_object(text))
    except OSError as error:
        outcome.skipped[name] = f"It cannot be read: {error.strerror}."
        return
    if file is None or not file.text.strip():
        if token is None:
            outcome.skipped[name] = "There is no such file (yet)."
        return
    if token is not None and token.file_digest == file.digest:
        return
    try:
        entry = _configured_entry(credential, file)
    except OAuthError as error:
        outcome.skipped[name] = error.message
        return
    with transaction.atomic():
        if token is not None and not claim(token):
            return
        import_entry(entry, file=file, credential=credential)
    (outcome.changed if token is not None else outcome.added).append(name)


def _object(text: str) -> dict[str, object]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


OPTION_KEYS = {"profile-arn": "profile_arn", "region": "region", "start-url": "start_url"}


def _configured_entry(credential: Credential, file: CredentialFile) -> FileEntry:
    """A token file may be JSON of the channel, JSON with a key, or the bare key."""
    channel = configured_channel(credential)
    content = dict(credential_files.with_registration(file)) or {"access_token": file.text.strip()}
    for option, key in OPTION_KEYS.items():
        if credential.options.get(option) and not content.get(key):
            content[key] = str(credential.options[option])
    content.pop("type", None)
    if "auth_token" in content and not content.get("access_token"):
        content["access_token"] = content["auth_token"]
    if not file.content and any(character.isspace() for character in file.text.strip()):
        raise NotACredential("It is neither JSON nor a key.")
    return read_entry(content, channel)


def configured_channel(credential: Credential) -> Channel:
    return BY_KEY.get(credential.channel, KEY_FILE)
