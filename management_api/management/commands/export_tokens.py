"""``manage.py export_tokens``: logins as the credential files that CLIProxyAPI reads, secrets and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from management_api.auth_dir.export import export_file
from oauth.flows.registry import UnknownChannel, channel_for
from oauth.models import OAuthToken
from providers.secrets import SecretsError


class Command(BaseCommand):
    help = "Write logins as credential files (mode 0600) into a folder. They hold the tokens in plain text."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", help="Made with mode 0700 where it is not there.")
        parser.add_argument("--channel", help="Only the logins of this channel.")
        parser.add_argument("--credential", type=int, help="Only the login of the credential with this id.")
        parser.add_argument("--force", action="store_true", help="Replace files that are there.")
        parser.epilog = "Example: manage.py export_tokens ./auth-dir --channel kiro"

    def handle(self, *args: Any, **options: Any) -> None:
        rows = OAuthToken.objects.select_related("credential__provider").order_by("channel", "credential_id")
        if options["channel"]:
            try:
                rows = rows.filter(channel=channel_for(options["channel"]).key)
            except UnknownChannel as error:
                raise CommandError(str(error)) from error
        if options["credential"] is not None:
            rows = rows.filter(credential_id=options["credential"])
        folder = Path(options["folder"]).expanduser()
        written = 0
        for row in rows:
            try:
                path = export_file(row, folder, force=options["force"])
            except FileExistsError as error:
                raise CommandError(f"{error.filename} is there already; --force replaces it.") from error
            except OSError as error:
                raise CommandError(f"{folder} cannot be written: {error.strerror}.") from error
            except (SecretsError, UnknownChannel) as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"credential {row.credential_id}: {path.name}")
            written += 1
        if not written:
            raise CommandError("There is no such login.")
