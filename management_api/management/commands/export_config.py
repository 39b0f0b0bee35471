"""``manage.py export_config``: the configuration of the database as a file."""

from __future__ import annotations

import os
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from management_api.config.export import Secrets, export
from providers.secrets import SecretsError

EXAMPLES = """
examples:
  manage.py export_config                                   # to look at, without secrets
  manage.py export_config --output config.yaml --secrets env --env-file .env
  manage.py export_config --output backup.yaml --secrets encrypted

import_config turns the file into the same rows again. Client keys are written as digests, which only a
gateway with the same CLIPROXY_CLIENT_KEY_PEPPER understands. Logins are left out: credential files move them.
"""


class Command(BaseCommand):
    help = "Write the configuration of the database as a config.yaml; secrets are left out unless asked for."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--output", default="-", metavar="FILE", help="where to (default: standard output)"
        )
        parser.add_argument(
            "--secrets",
            choices=[mode.value for mode in Secrets],
            default=Secrets.NONE.value,
            help="none (default): left out; env: as ${NAME}; encrypted: sealed with this gateway's keys",
        )
        parser.add_argument(
            "--env-file", metavar="FILE", help="with --secrets env: where the values go, NAME=value"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mode = Secrets(options["secrets"])
        if options["env_file"] and mode is not Secrets.ENV:
            raise CommandError("--env-file goes with --secrets env.")
        try:
            exported = export(mode)
        except SecretsError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be read: {str(error).strip()}") from error
        if options["env_file"]:
            lines = [f"{name}={_quoted(value)}\n" for name, value in exported.environment.items()]
            _write(options["env_file"], "".join(lines))
        if options["output"] == "-":
            self.stdout.write(exported.text, ending="")
        else:
            _write(options["output"], exported.text)
            self.stderr.write(f"Written to {options['output']}.")
        if exported.environment and not options["env_file"]:
            names = ", ".join(exported.environment)
            self.stderr.write(f"The file needs these names in the environment: {names}.")


def _quoted(value: str) -> str:
    """``value`` for a ``.env`` file."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _write(path: str, text: str) -> None:
    """``text`` for its owner alone: it may hold secrets."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            Path(path).chmod(0o600)
            file.write(text)
    except OSError as error:
        sys.exit(f"{path} cannot be written: {error.strerror}.")
