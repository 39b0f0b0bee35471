"""``manage.py client_key``: make, list, disable and enable the keys with which clients call the gateway."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from providers.models import Origin
from routing import client_keys
from routing.models import LONGEST_KEPT_DAYS, ClientKey

EXAMPLES = """
examples:
  manage.py client_key create --note "Claude Code, Mira" --owner mira
  manage.py client_key create --note CI --expires 30d --models 'gpt-4o-mini,claude-*'
  manage.py client_key create --note Agents --keep-responses 30
  manage.py client_key list
  manage.py client_key disable 7
  manage.py client_key enable 7

A key is printed once, by create, and kept nowhere in plain text.
"""


class Command(BaseCommand):
    help = "Make, list, disable and enable client keys."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="create | list | disable | enable"
        )
        create = actions.add_parser("create", help="make a key and print it, once")
        create.add_argument("--note", default="", help="what the key is for")
        create.add_argument("--owner", default="", help="name of the user whose key it is")
        create.add_argument("--expires", default="", help="30d, 12h, 2027-01-31 or an ISO date and time")
        create.add_argument("--models", default="", help="allowed models, patterns separated by commas")
        create.add_argument(
            "--keep-responses",
            type=int,
            default=0,
            metavar="DAYS",
            help="keep answers of /v1/responses here for so long, so that later turns may name them",
        )
        actions.add_parser("list", help="show all keys, never their text")
        for action in ("disable", "enable"):
            actions.add_parser(action, help=f"{action} a key").add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["action"]:
            case "create":
                self._create(options)
            case "list":
                self._list()
            case action:
                self._switch(options["id"], enabled=action == "enable")

    def _create(self, options: dict[str, Any]) -> None:
        patterns = [pattern.strip() for pattern in options["models"].split(",") if pattern.strip()]
        row, plain = client_keys.create(
            note=options["note"],
            owner_id=_owner_id(options["owner"]),
            expires_at=expiry(options["expires"], timezone.now()),
            allowed_models=patterns,
            keeps_responses_days=kept_days(options["keep_responses"]),
        )
        self.stderr.write(f"Client key {row.pk} made. It is shown only now:")
        self.stdout.write(plain)  # alone on standard output, for KEY=$(manage.py client_key create)

    def _list(self) -> None:
        rows = list(ClientKey.objects.select_related("owner"))
        if not rows:
            self.stdout.write("There is no client key. Make one: manage.py client_key create --note NAME")
        for row in rows:
            state = "disabled" if not row.enabled else "expired" if row.has_expired else "active"
            until = f" until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else ""
            owner = f" owner {row.owner.get_username()}" if row.owner else ""
            models = f" models {','.join(row.allowed_models)}" if row.allowed_models else ""
            source = " (config.yaml)" if row.is_from_file else ""
            note = row.note or "without a note"
            self.stdout.write(f"{row.pk}  {row.fingerprint}  {state}{until}  {note}{owner}{models}{source}")

    def _switch(self, pk: int, *, enabled: bool) -> None:
        row = ClientKey.objects.filter(pk=pk).first()
        if row is None:
            raise CommandError(f"There is no client key {pk}; see manage.py client_key list.")
        if row.origin == Origin.FILE:
            raise CommandError(f"Client key {pk} is owned by config.yaml: change it there.")
        row.enabled = enabled
        row.save(update_fields=["enabled", "updated_at"])
        self.stdout.write(f"Client key {pk} {'enabled' if enabled else 'disabled'}.")


def _owner_id(name: str) -> int | None:
    if not name:
        return None
    owner = get_user_model()._default_manager.filter(username=name).first()
    if owner is None:
        raise CommandError(f"There is no user {name!r}.")
    return int(owner.pk)


def kept_days(days: int) -> int:
    """Raises CommandError."""
    if not 0 <= days <= LONGEST_KEPT_DAYS:
        raise CommandError(f"--keep-responses takes 0 to {LONGEST_KEPT_DAYS} days.")
    return days


def expiry(text: str, now: datetime) -> datetime | None:
    """``30d``, ``12h``, a date (its end, UTC) or a date and time. Raises CommandError."""
    if not text:
        return None
    if text[:-1].isdecimal() and text[-1] in "dh":
        count = int(text[:-1])
        return now + (timedelta(days=count) if text[-1] == "d" else timedelta(hours=count))
    try:
        day, moment = parse_date(text), parse_datetime(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no date: {error}.") from error
    if day is not None:
        return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
    if moment is None:
        raise CommandError(f"{text!r} is no date; write 30d, 12h, 2027-01-31 or 2027-01-31T12:00.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
