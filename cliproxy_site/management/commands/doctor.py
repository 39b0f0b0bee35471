"""``manage.py doctor``: is this installation well, and if not, what to do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from cliproxy_site.doctor import machine, services
from cliproxy_site.doctor.findings import Finding, Level, problem

EXAMPLES = """examples:
  manage.py doctor
  manage.py doctor --config config.yaml
  manage.py doctor --providers          (calls every provider once, with every credential)
  manage.py doctor --json

Exit status: 0 when there is no problem, 1 when there is one. Nothing is changed, but for what --providers
learns of credentials, which the admin shows too.
"""


class Command(BaseCommand):
    help = "Look at the configuration, the database, keys, folders, Redis and providers; say what is wrong."
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--config", default="", metavar="FILE", help="the file that serve would be given")
        parser.add_argument(
            "--providers", action="store_true", help="call every provider with every credential"
        )
        parser.add_argument("--json", action="store_true", help="the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        for finding in look(options["config"] or settings.CONFIG_FILE, calls_providers=options["providers"]):
            findings.append(finding)
            if not options["json"]:
                self.stdout.write(line(finding))
        count = sum(1 for finding in findings if finding.level is Level.PROBLEM)
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(findings), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("")
            self.stdout.write("All is well." if not count else f"{count} problem{'' if count == 1 else 's'}.")
        if count:
            sys.exit(1)


def look(config: str, *, calls_providers: bool = False) -> Iterator[Finding]:
    """Every finding, from the ground up; what needs the database only where there is one."""
    yield from machine.data_folder(settings.DATA_DIR)
    yield from machine.environment(settings.DEBUG)
    yield from machine.configuration(config)
    of_database = list(services.database())
    yield from of_database
    if services.is_usable(of_database):
        try:
            yield from services.system_checks()
            yield from services.clients()
            yield from services.providers()
            yield from services.routing()
            yield from services.management()
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            yield problem("database", f"A query failed: {reason}.", "See the database's log.")
    yield from services.shared_state()
    if calls_providers and services.is_usable(of_database):
        yield from services.upstreams()


def line(finding: Finding) -> str:
    """``problem  data        /srv/… can be read by others.`` and the remedy beneath."""
    text = f"{finding.level.value:<8} {finding.area:<11} {finding.text}"
    return f"{text}\n{'':<21}→ {finding.remedy}" if finding.remedy else text
