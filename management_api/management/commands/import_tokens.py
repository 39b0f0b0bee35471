"""``manage.py import_tokens``: logins from credential files and from other programs' own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from management_api.auth_dir.apply import credential_paths, import_entry
from management_api.auth_dir.entries import channel_of, read_entry
from oauth import credential_files
from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.flows.registry import UnknownChannel, channel_for
from providers.secrets import SecretsError

USUAL = (
    "~/.claude/.credentials.json",
    "~/.codex/auth.json",
    "~/.gemini/oauth_creds.json",
    "~/.qwen/oauth_creds.json",
    "~/.kimi/credentials/kimi-code.json",
    "~/.aws/sso/cache/kiro-auth-token.json",
    "~/.kiro/kiro-auth-token.json",
    "~/.config/github-copilot/apps.json",
    "~/.config/github-copilot/hosts.json",
)
"""Where Claude Code, Codex, Gemini CLI, Qwen Code, Kimi, Kiro and Copilot's editors keep their logins."""

CHANNELS_BY_NAME = {"kimi-code.json": "kimi", "apps.json": "github-copilot", "hosts.json": "github-copilot"}


class Command(BaseCommand):
    help = "Import logins from credential files, from a folder of them, or from other programs' own files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="FILE", help="Files or folders of *.json.")
        parser.add_argument(
            "--channel", help="Whose login it is, where the file does not tell (kiro, codex)."
        )
        parser.add_argument(
            "--usual", action="store_true", help="Also look where the usual programs keep their logins."
        )
        parser.add_argument(
            "--follow",
            action="store_true",
            help="The file stays the owner: refreshed tokens are written back into it. Without it the login "
            "is copied, and the program that made it may have to log in again once it is refreshed here.",
        )
        parser.epilog = (
            "Examples: manage.py import_tokens ~/.cli-proxy-api · manage.py import_tokens --usual --follow · "
            "manage.py import_tokens ~/.codex/auth.json --channel codex"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        paths = list(_expanded(options["paths"]))
        if options["usual"]:
            paths += [path for text in USUAL if (path := Path(text).expanduser()).is_file()]
        if not paths:
            raise CommandError("Name a file or a folder, or say --usual. Nothing was found to import.")
        channel = _channel(options["channel"])
        failed = 0
        for path in dict.fromkeys(paths):
            try:
                self.stdout.write(f"{path.name}: {_imported(path, channel, follow=options['follow'])}")
            except (OAuthError, OSError, SecretsError) as error:
                failed += 1
                self.stderr.write(f"{path.name}: {_words(error)}")
        if failed:
            raise CommandError(f"{failed} of {len(paths)} files were not imported.")


def _expanded(given: list[str]) -> list[Path]:
    found: list[Path] = []
    for text in given:
        path = Path(text).expanduser().absolute()
        found += credential_paths(path) if path.is_dir() else [path]
    return found


def _channel(name: str | None) -> Channel | None:
    if not name:
        return None
    try:
        return channel_for(name)
    except UnknownChannel as error:
        raise CommandError(str(error)) from error


def _imported(path: Path, channel: Channel | None, *, follow: bool) -> str:
    found = credential_files.read(path)
    if found is None:
        raise OAuthError("There is no such file, or it is too large for a credential.")
    if not found.content:
        raise OAuthError("It is no JSON object.")
    if channel is None and "type" not in found.content and path.name in CHANNELS_BY_NAME:
        channel = channel_for(CHANNELS_BY_NAME[path.name])
    content = credential_files.with_registration(found)
    entry = read_entry(content, channel or channel_of(found.content, path.name))
    credential = import_entry(entry, file=found if follow else None)
    notes = f" ({'; '.join(entry.notes)})" if entry.notes else ""
    return f"imported as {entry.channel.key} credential {credential.pk}, {credential.label}{notes}"


def _words(error: Exception) -> str:
    if isinstance(error, OAuthError):
        return error.message
    return error.strerror or "cannot be read" if isinstance(error, OSError) else str(error)
