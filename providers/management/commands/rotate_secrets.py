"""``manage.py rotate_secrets``: a new encryption key, and every stored secret sealed under it."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers import secrets
from providers.sealed_columns import Unreadable, key_ids_in_use, reseal, sealed_columns

PASSES = 20
"""Each pass finds only what was edited during the one before; twenty without an end means a fault."""

EXAMPLES = """
examples:
  manage.py rotate_secrets             make a new key and seal everything under it
  manage.py rotate_secrets --no-new-key
                                       finish an interrupted rotation, or follow a key that was
                                       put in front of CLIPROXY_ENCRYPTION_KEYS

The gateway may keep running. Old keys stay in force until you remove them, so that a backup
of the database can still be read; the command says which ones no row needs any more.
"""


class Command(BaseCommand):
    help = "Make a new encryption key and seal every stored secret under it, while the gateway serves."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-new-key", action="store_true", help="Seal under the newest key that there is already."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        keyring = secrets.KEYRING
        try:
            newest = keyring.newest if options["no_new_key"] or keyring.is_given else keyring.rotate()
        except secrets.SecretsError as error:
            raise CommandError(str(error)) from error
        if not newest:
            self.stdout.write("There is no encryption key yet, and so nothing to seal anew.")
            return
        if keyring.is_given:
            self.stdout.write("The keys come from CLIPROXY_ENCRYPTION_KEYS; the first one there seals.")
        changed, unreadable = self._reseal_until_done(newest)
        self.stdout.write(f"Sealed {changed} secret{'' if changed == 1 else 's'} under key {newest}.")
        self._tell_old_keys(newest)
        if unreadable:
            lines = "\n".join(f"  {bad.place}: {bad.reason}" for bad in unreadable)
            raise CommandError(f"These secrets could not be sealed anew:\n{lines}")

    def _reseal_until_done(self, newest: str) -> tuple[int, list[Unreadable]]:
        """Passes over all columns until one finds nothing more to do."""
        total = 0
        for _ in range(PASSES):
            changed, unreadable = 0, []
            for column in sealed_columns():
                count, bad = reseal(column, newest)
                changed += count
                unreadable += bad
            total += changed
            if not changed:
                return total, unreadable
        raise CommandError(f"After {PASSES} passes some secrets are still under an old key: run it again.")

    def _tell_old_keys(self, newest: str) -> None:
        in_use = key_ids_in_use()
        for key_id in secrets.KEYRING.ids:
            if key_id == newest:
                continue
            if key_id in in_use:
                self.stdout.write(f"Old key {key_id} is still needed by {', '.join(in_use[key_id])}.")
            else:
                self.stdout.write(
                    f"Old key {key_id} is no longer needed by this database; remove it once no backup "
                    f"needs it ({secrets.KEYRING.place_of(key_id)})."
                )
