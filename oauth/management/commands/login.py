"""``manage.py login CHANNEL``: connect an account from a terminal, through the same flows as the pages."""

from __future__ import annotations

import argparse
import getpass
import os
import select
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import segno
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from oauth import attempts, logins
from oauth.attempts import Beginner, Delivery, Shown
from oauth.browser import is_private_by_default, open_page
from oauth.flows.callback import CallbackUnreadable, read_pasted
from oauth.flows.channel import Channel, LoginMethod
from oauth.flows.errors import OAuthError
from oauth.flows.registry import CHANNELS, UnknownChannel, channel_for
from oauth.models import AttemptStatus, AttemptStep, LoginAttempt
from oauth.runner import RUNNER
from oauth.sheets import missing_settings

EXAMPLES = """
examples:
  manage.py login kiro                                AWS Builder ID: shows a code and waits
  manage.py login kiro --method idc --set start_url=https://d-1234567890.awsapps.com/start
  manage.py login github-copilot --accept-terms       without the question about the vendor's terms
  manage.py login claude --no-browser                 prints the address; the callback may be pasted
  manage.py login codex --oauth-callback-port 2455    another local port
  manage.py login kiro --method import --file ~/.aws/sso/cache/kiro-auth-token.json
  manage.py login --list                              channels, methods, settings that are missing

exit codes: 0 connected, 1 failed, 2 wrong usage or a missing setting, 3 refused, 4 expired,
13 the local port is taken and nobody can paste, 130 interrupted
"""
EXIT = {AttemptStatus.FAILED: 1, AttemptStatus.DENIED: 3, AttemptStatus.EXPIRED: 4}
USAGE, PORT_TAKEN, INTERRUPTED = 2, 13, 130
ASKS_AFTER_S = 15.0
"""After this long without a callback, the person is asked to paste one."""
LOOKS_EVERY_S = 0.3


class Command(BaseCommand):
    _has_asked = False
    _is_private = False
    help = "Connect an account of a vendor by logging in, and store its tokens."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs |= {"epilog": EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("channel", nargs="?", help="kiro, github-copilot, claude, codex …")
        parser.add_argument("--list", action="store_true", help="list channels and their methods")
        parser.add_argument("--method", default="", help="how to log in; by default the channel's first way")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a field of the method",
        )
        parser.add_argument("--file", help="the credential file of --method import; - reads standard input")
        parser.add_argument(
            "--no-browser", action="store_true", help="print the address instead of opening it"
        )
        private = parser.add_mutually_exclusive_group()
        private.add_argument("--incognito", action="store_true", default=None, help="open a private window")
        private.add_argument(
            "--no-incognito", action="store_false", dest="incognito", help="open the usual window"
        )
        parser.add_argument(
            "--oauth-callback-port", type=int, metavar="PORT", help="local port for the vendor's page"
        )
        parser.add_argument(
            "--accept-terms", action="store_true", help="the vendor's terms are read and accepted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"] or not options["channel"]:
            self._list()
            if not options["list"]:
                raise CommandError("Name a channel.", returncode=USAGE)
            return
        try:
            self._log_in(options)
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used: {error}. Start `manage.py serve` once."
            ) from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted; nothing was stored.")
            sys.exit(INTERRUPTED)
        finally:
            RUNNER.stop()

    def _list(self) -> None:
        for channel in CHANNELS:
            methods = ", ".join(method.key for method in channel.methods)
            self.stdout.write(f"{channel.key:16} {channel.name:22} {methods}")
            for name, where in missing_settings(channel):
                self.stdout.write(f"{'':16} not set: {name} ({where})")

    # --- the login ------------------------------------------------------------------------------

    def _log_in(self, options: dict[str, Any]) -> None:
        channel = _channel(options["channel"])
        method = _method(channel, options)
        values = self._values(method, options)
        name = self._accepted(channel, options["accept_terms"])
        port = options["oauth_callback_port"]
        if port is not None and not 1 <= port <= 65535:
            raise CommandError("--oauth-callback-port must be 1 to 65535.", returncode=USAGE)
        overrides = {"callback_port": str(port)} if port else {}
        try:
            attempt, _ = logins.start(
                channel, method, values, Beginner(name=name, via="command"), overrides=overrides
            )
        except OAuthError as error:
            raise CommandError(error.message, returncode=USAGE) from error
        is_private = options["incognito"]
        self._is_private = is_private_by_default() if is_private is None else is_private
        try:
            self._follow(channel, attempt.pk, opens=not options["no_browser"])
        finally:
            attempts.cancel(attempt.pk)  # an interrupted login is over; an ended one stays as it ended

    def _values(self, method: LoginMethod, options: dict[str, Any]) -> dict[str, str]:
        values = {}
        for pair in options["set"]:
            name, equals, value = pair.partition("=")
            if not equals or name not in {field for field, _, _ in method.fields}:
                known = ", ".join(field for field, _, _ in method.fields) or "none"
                raise CommandError(
                    f"--set {name}: the fields of {method.key!r} are: {known}.", returncode=USAGE
                )
            values[name] = value
        if options["file"]:
            values[method.fields[0][0]] = self._read(options["file"])
        for name, label, is_secret in method.fields:
            if name not in values:
                values[name] = self._ask(label, is_secret=is_secret)
        return values

    def _read(self, path: str) -> str:
        try:
            return sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise CommandError(f"{path} cannot be read: {reason}.", returncode=USAGE) from error

    def _ask(self, label: str, *, is_secret: bool) -> str:
        if not sys.stdin.isatty():
            return ""
        return getpass.getpass(f"{label}: ") if is_secret else input(f"{label}: ")

    def _accepted(self, channel: Channel, is_accepted: bool) -> str:
        """Who accepts the terms. Ends the command when nobody does."""
        name = _user_name()
        self.stdout.write(f"{channel.terms.text}\n{channel.terms.url}\n")
        if is_accepted:
            return name
        if not sys.stdin.isatty():
            raise CommandError("Nobody is there to accept the terms: add --accept-terms.", returncode=USAGE)
        answer = input("May this account be used here? Type yes: ").strip().lower()
        if answer not in ("yes", "y"):
            raise CommandError("Not accepted; nothing was begun.", returncode=USAGE)
        return name

    def _follow(self, channel: Channel, attempt_id: uuid.UUID, *, opens: bool) -> None:
        changed = threading.Event()
        end_watch = RUNNER.watch(attempt_id, changed.set)
        told, asks_at, is_slowed = "", float("inf"), False
        try:
            while True:
                changed.clear()
                attempt = attempts.find(attempt_id)
                if attempt is None or not attempt.is_pending:
                    break
                shown = attempts.shown_of(attempt)
                if shown is not None and attempt.step != told:
                    told = attempt.step
                    asks_at = self._tell(attempt, shown, opens=opens)
                if shown is not None and shown.is_slowed and not is_slowed:
                    is_slowed = True
                    self.stdout.write("The vendor asked for patience; waiting longer between looks.")
                if time.monotonic() >= asks_at and told == AttemptStep.PAGE and sys.stdin.isatty():
                    self._ask_for_callback(shown)
                    asks_at = time.monotonic() + 0.1
                changed.wait(LOOKS_EVERY_S)
        finally:
            end_watch()
        self._conclude(channel, attempts.find(attempt_id))

    def _tell(self, attempt: LoginAttempt, shown: Shown, *, opens: bool) -> float:
        """Show the step. Returns when to ask for a pasted callback."""
        if attempt.step == AttemptStep.CODE:
            link = shown.verification_url_complete or shown.verification_url
            self.stdout.write(f"\nOpen   {link}")
            if shown.user_code:
                self.stdout.write(f"Code   {shown.user_code}")
            self.stdout.write(f"Until  {attempt.expires_at:%H:%M:%S} UTC\n")
            if self.stdout.isatty():
                segno.make(link, micro=False).terminal(out=sys.stdout, compact=True)
            self.stdout.write("Waiting until the access is allowed …")
            if opens:
                open_page(link, private=self._is_private)
            return float("inf")
        if attempt.step == AttemptStep.PAGE:
            self.stdout.write(f"\nOpen   {shown.page_url}\n")
            if shown.port_trouble:
                self.stdout.write(shown.port_trouble)
                if not sys.stdin.isatty():
                    raise CommandError(
                        "The vendor's page cannot come back here; choose another --oauth-callback-port.",
                        returncode=PORT_TAKEN,
                    )
            elif shown.port and not opens:
                self.stdout.write(
                    "From another machine, forward the port first:  "
                    f"ssh -L {shown.port}:127.0.0.1:{shown.port} <this machine>"
                )
            self.stdout.write("Waiting for the vendor's page to come back …")
            if opens:
                open_page(shown.page_url, private=self._is_private)
            return time.monotonic() + (0.0 if shown.port_trouble else ASKS_AFTER_S)
        return float("inf")

    def _ask_for_callback(self, shown: Shown | None) -> None:
        """One look at what was typed; an empty line keeps waiting for the callback."""
        if not self._has_asked:
            self.stdout.write("Or paste the address that the browser ended on, and press Enter:")
            self._has_asked = True
        ready, _, _ = select.select([sys.stdin], [], [], LOOKS_EVERY_S)
        line = sys.stdin.readline().strip() if ready else ""
        if not line or shown is None:
            return
        try:
            callback = read_pasted(line)
        except CallbackUnreadable as error:
            self.stderr.write(error.message)
            return
        if callback.state and callback.state != shown.state:
            self.stderr.write("invalid_state: this address belongs to another login.")
            return
        outcome = attempts.deliver(msgspec.structs.replace(callback, state=shown.state))
        RUNNER.wake()
        if outcome is not Delivery.TAKEN:
            self.stderr.write(f"{outcome}")

    def _conclude(self, channel: Channel, attempt: LoginAttempt | None) -> None:
        if attempt is None:
            raise CommandError("The login is gone from the database.", returncode=1)
        if attempt.status != AttemptStatus.SUCCESS:
            code = EXIT.get(AttemptStatus(attempt.status), 1)
            raise CommandError(attempt.error or "The login did not succeed.", returncode=code)
        credential = attempt.credential
        label = f" as {credential.label}" if credential is not None and credential.label else ""
        number = credential.pk if credential is not None else "?"
        self.stdout.write(self.style.SUCCESS(f"\n{channel.name} is connected{label} (credential {number})."))


def _user_name() -> str:
    """Who runs the command; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _channel(name: str) -> Channel:
    try:
        return channel_for(name)
    except UnknownChannel as error:
        known = ", ".join(channel.key for channel in CHANNELS)
        raise CommandError(f"There is no channel {name!r}. Channels: {known}.", returncode=USAGE) from error


def _method(channel: Channel, options: dict[str, Any]) -> LoginMethod:
    key = options["method"] or ("import" if options["file"] else "")
    method = logins.find_method(channel, key)
    if method is None:
        known = ", ".join(method.key for method in channel.methods)
        raise CommandError(f"{channel.name} has no method {key!r}. Methods: {known}.", returncode=USAGE)
    if options["file"] and not method.fields:
        raise CommandError(f"{method.key!r} takes no file.", returncode=USAGE)
    return method
