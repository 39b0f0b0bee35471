"""``manage.py import_config``: a file's configuration into the database, after a look at what it means."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from management_api.config import document, startup
from management_api.config.apply import Changes, import_rows
from management_api.config.plan import Plan, Traffic, plan
from management_api.config.problems import ConfigRefused, warnings
from management_api.config.values import GatewayConfig

EXAMPLES = """
examples:
  manage.py import_config config.yaml                  # what would change, and what that means (--plan)
  manage.py import_config config.yaml --apply
  manage.py import_config config.yaml --apply --prune  # also delete what the file does not have

The rows belong to the database afterwards and can be changed in the admin. Do not serve --config the same
file then: it would find its rows taken. Models and exclusions of a provider that the file names are replaced;
other providers, credentials and client keys stay unless --prune. host, port and tls are read by serve alone.
"""
SHOWN = 50


class Command(BaseCommand):
    help = "Take a config.yaml (CLIProxyAPI's, or one of export_config) over into the database."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file")
        way = parser.add_mutually_exclusive_group()
        way.add_argument(
            "--plan", action="store_true", help="change nothing, print what would change (default)"
        )
        way.add_argument("--apply", action="store_true", help="change the database, all or nothing")
        parser.add_argument("--prune", action="store_true", help="delete what the file does not have")

    def handle(self, *args: Any, **options: Any) -> None:
        config = self._read(Path(options["file"]))
        try:
            if options["apply"]:
                self._tell_changes(import_rows(config, prune=options["prune"]), "Changed")
            else:
                self._tell(plan(config, timezone.now(), prune=options["prune"]))
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from error

    def _read(self, path: Path) -> GatewayConfig:
        try:
            config, problems = startup.check(document.read_bytes(path), path.name)
        except ConfigRefused as refused:
            raise CommandError(str(refused)) from refused
        for problem in warnings(problems):
            self.stderr.write(str(problem))
        return config

    def _tell_changes(self, changes: Changes, what: str) -> None:
        for note in changes.notes:
            self.stderr.write(note)
        if not changes:
            self.stdout.write("Nothing to change: the database says the same already.")
            return
        self.stdout.write(
            f"{what}: {changes.created} rows new, {changes.updated} changed, {changes.deleted} deleted."
        )

    def _tell(self, found: Plan) -> None:
        self._tell_changes(found.changes, "Would change")
        self._list("Models that appear", list(found.appear))
        self._list(
            "Models that vanish (requests and tokens of the last 7 days)",
            [f"{model}  {_shown(traffic)}" for model, traffic in found.vanish],
        )
        self._list(
            "Client keys that lose a model they used in the last 7 days",
            [f"{loss.client}: {loss.model} ({loss.reason})  {_shown(loss.traffic)}" for loss in found.losses],
        )
        if found.changes:
            self.stdout.write("\nNothing has been changed; --apply does it.")

    def _list(self, title: str, lines: list[str]) -> None:
        if not lines:
            return
        self.stdout.write(f"\n{title}: {len(lines)}")
        for line in lines[:SHOWN]:
            self.stdout.write(f"  {line}")
        if len(lines) > SHOWN:
            self.stdout.write(f"  … and {len(lines) - SHOWN} more")


def _shown(traffic: Traffic) -> str:
    return f"{traffic.requests} requests, {traffic.tokens} tokens"
