"""``manage.py route``: where a request would go and why, without sending it."""

from __future__ import annotations

import json
import sys
import time
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from providers.errors import ClientError
from routing import client_keys, offline
from routing.preview import ANYBODY, Question, Sent, question_format
from routing.why import Answer, Choice, Left, explain_route, find_client

EXAMPLES = """
examples:
  manage.py route gpt-4o
  manage.py route 'sonnet(high)' --key cpx-… --stream --tools
  manage.py route fast --header 'x-session-id: 42' --json
  manage.py route fast --format claude --body request.json

Nothing is sent. This is a process of its own: it reads the configuration and the cooldowns that the serving
processes wrote into the database (within a second), and neither whose turn it is there, nor conversations,
nor what limits have left. With REDIS_URL it reads cooldowns and conversations there. The admin's page
"Why?" and POST /v0/management/route/explain ask a process that serves.

Exit status: 0 when the request would be sent or would wait, 1 when the client would get an error.
"""


class Command(BaseCommand):
    help = "Explain where a request for MODEL would go, and why to nobody else. Sends nothing."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="the model id that a client would send")
        parser.add_argument("--key", default="", help="a client key, or the number or note of one")
        parser.add_argument(
            "--header", action="append", default=[], metavar="NAME:VALUE", help="a header of the client"
        )
        parser.add_argument("--stream", action="store_true", help="the client wants a stream")
        parser.add_argument("--tools", action="store_true", help="the request has tools")
        parser.add_argument("--images", action="store_true", help="the request has pictures")
        parser.add_argument("--tokens", type=int, default=0, metavar="N", help="input tokens, estimated")
        parser.add_argument(
            "--format", default="openai", help="the client's format: openai, responses, claude, gemini"
        )
        parser.add_argument("--body", default="", metavar="FILE", help="a sample request (JSON), - for stdin")
        parser.add_argument("--json", action="store_true", help="the whole answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            routing, source = offline.read_shared(timezone.now(), settings.REDIS_URL)
        except DatabaseError as error:
            raise CommandError(f"The database cannot be read: {error}") from error
        client = ANYBODY
        if options["key"]:
            found = find_client(routing.table, client_keys.digest, options["key"])
            if found is None:
                raise CommandError("There is no such client key; `manage.py client_key list` shows them.")
            client = found
        try:
            question = Question(
                model=options["model"],
                client=client,
                format=question_format(options["format"]),
                stream=options["stream"],
                tools=options["tools"],
                images=options["images"],
                input_tokens=max(0, options["tokens"]),
                headers=dict(_header(text) for text in options["header"]),
                body=_body(options["body"]),
            )
            answer = explain_route(routing, question, time.time(), source=source)
        except ClientError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(answer), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(lines(answer)))
        if answer.error is not None:
            sys.exit(1)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandError(f"--header must be NAME:VALUE, not {text!r}.")
    return name.strip().lower(), value.strip()


def _body(name: str) -> dict[str, Any] | None:
    if not name:
        return None
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        body = msgspec.json.decode(content)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} is no JSON: {error}.") from error
    if not isinstance(body, dict):
        raise CommandError(f"{name} must hold a JSON object.")
    return body


def lines(answer: Answer) -> list[str]:
    """The answer as a person reads it in a terminal."""
    text = [answer.verdict, ""]
    if answer.route_model:
        reached = answer.route_model + (f", suffix {answer.suffix}" if answer.suffix else "")
        text += [f"  model       {answer.model} → {reached}", f"  strategy    {answer.strategy}"]
    text += [f"  client key  {answer.client_key}", f"  looked at   {answer.state}"]
    if answer.similar:
        text += [f"  similar     {', '.join(answer.similar)}"]
    for cause, models in answer.fallbacks.items():
        text += [f"  fallback    {cause.replace('_', ' ')}: {', '.join(models)}"]
    if answer.candidates:
        text += ["", "Candidates, in order:"]
        for number, choice in enumerate(answer.candidates, 1):
            text += _choice(number, choice)
    if answer.rejected:
        text += ["", "Left out:"]
        text += [line for left in answer.rejected for line in _left(left)]
    return text


def _choice(number: int, choice: Choice) -> list[str]:
    rounds = "" if choice.in_first_round else " (not in the first round)"
    found = [
        f"  {number}. {choice.provider}, {choice.credential}, as {choice.upstream_model}{rounds}",
        f"       {choice.why}",
    ]
    return found + (_sent(choice.sent) if choice.sent is not None else [])


def _sent(sent: Sent) -> list[str]:
    if sent.error:
        return [f"       cannot be sent: {sent.error}"]
    how = "passed through" if sent.passes else "translated"
    found = [f"       {sent.method} {sent.url}", f"       {sent.format}, {how}"]
    if sent.proxy:
        found.append(f"       through {sent.proxy}")
    found += [f"       {name}: {value}" for name, value in sent.headers.items()]
    if sent.dropped:
        found.append(f"       drops {', '.join(sent.dropped)}")
    if sent.body is not None:
        found.append(f"       {json.dumps(sent.body, ensure_ascii=False)}")
    return found


def _left(left: Left) -> list[str]:
    until = f", until {left.until} ({left.left_s} s)" if left.until else ""
    return [
        f"  {left.provider}, {left.credential}, as {left.model}",
        f"       {left.reason.replace('_', ' ')}{until}: {left.detail}",
    ]
