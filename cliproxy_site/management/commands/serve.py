"""``manage.py serve``: set up what is missing, apply the configuration file, and answer requests.

Whatever is wrong with the deployment is one sentence on standard error and exit status 1.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from cliproxy_site import first_run
from cliproxy_site.data_dir import SetupProblem
from cliproxy_site.environment import misspelt
from cliproxy_site.servers import sockets, tls, workers
from cliproxy_site.servers.options import ServerOptions
from management_api.config.problems import ConfigRefused
from management_api.config.startup import load_and_apply
from management_api.config.values import GatewayConfig
from oauth.sheets import setting_names
from providers.secrets import SecretsError
from routing.proxy import shared_totals

logger = logging.getLogger(__name__)

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8317

EXAMPLES = """examples:
  manage.py serve
  manage.py serve --config config.yaml --port 9000
  manage.py serve --server uvicorn --workers 4
  manage.py serve --config config.yaml --password "$(cat management-key)"
"""
FOREIGN = {
    "PGSTORE_DSN": "set DATABASE_URL to keep everything in PostgreSQL",
    "GITSTORE_GIT_URL": "keep config.yaml in git and start with --config",
    "OBJECTSTORE_ENDPOINT": "set DATABASE_URL to keep everything in one place",
    "HOME_JWT": "several processes share their state through DATABASE_URL and REDIS_URL",
    "MANAGEMENT_STATIC_PATH": "the admin is the control panel",
}
"""Names that CLIProxyAPI reads and this gateway does not, and what does their work here."""


class Command(BaseCommand):
    help = "Run the gateway: sets up the database on first use, then serves until stopped."
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
        parser.add_argument("--config", help="config.yaml; also CLIPROXY_CONFIG")
        parser.add_argument("--host", help=f"address to listen on (default {DEFAULT_HOST})")
        parser.add_argument("--port", type=_port, help=f"port to listen on (default {DEFAULT_PORT})")
        parser.add_argument("--workers", type=_workers, default=1, help="processes on one socket")
        parser.add_argument("--server", choices=("daphne", "uvicorn"), default="daphne")
        parser.add_argument(
            "--password", help="a management key for this run, accepted from this machine only"
        )
        for name in ("--no-browser", "--local-model"):
            parser.add_argument(
                name, action="store_true", help="accepted as in CLIProxyAPI; it is so in any case"
            )
        parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
        parser.add_argument("--tls", nargs=2, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)  # what the gateway writes is for its own user
        try:
            self._serve(options)
        except (
            SetupProblem,
            sockets.CannotListen,
            tls.BadCertificate,
            ConfigRefused,
            SecretsError,
        ) as problem:
            sys.exit(str(problem))
        except DatabaseError as error:
            sys.exit(f"The database cannot be used: {str(error).strip().splitlines()[0]}.")

    def _serve(self, options: dict[str, Any]) -> None:
        config_path = options["config"] or settings.CONFIG_FILE
        if options["password"]:
            os.environ["CLIPROXY_LOCAL_PASSWORD"] = options["password"]  # for the workers
            settings.LOCAL_MANAGEMENT_PASSWORD = options["password"]
        if options["fd"] is not None:
            workers.end_with_parent()
            settings.CONFIG_FILE = config_path
            settings.TOTALS_DIR = _totals_dir()
            pair = tuple(options["tls"]) if options["tls"] else None
            listening = ServerOptions(fd=options["fd"], tls=pair, **_limits())
            self._run(options["server"], listening, announce=False)
            return
        first_run.migrate()
        first_run.check_encryption_keys()
        config = self._configured(config_path)
        settings.CONFIG_FILE = config_path
        self._secure = tls.check(config.tls.cert, config.tls.key) if config and config.tls else None
        host, port = _address(options, config)
        listener = sockets.bind(host, port)
        made = first_run.welcome()
        host_shown, port = sockets.address_of(listener)
        if made:
            self.stdout.write(first_run.banner(made, host_shown, port, self._scheme))
        self.stdout.flush()
        if options["workers"] > 1:
            self._run_workers(options, config_path, listener)
            return
        listening = ServerOptions(fd=listener.detach(), tls=self._secure, **_limits())
        self._run(options["server"], listening, announce=True)

    _secure: tuple[str, str] | None = None
    """Certificate and key, once they are known."""

    @property
    def _scheme(self) -> str:
        return "https" if self._secure else "http"

    def _configured(self, config_path: str) -> GatewayConfig | None:
        """The configuration of the file, applied; None without a file. Raises ConfigRefused, but for a cloud
        deployment (``DEPLOY=cloud``), which starts without until a good file is there."""
        for name, instead in FOREIGN.items():
            if os.environ.get(name):
                logger.warning("%s has no effect here: %s", name, instead)
        known = settings.ENVIRONMENT_NAMES | setting_names()
        for name, meant in misspelt(os.environ, known):
            logger.warning("%s is no setting and has no effect; is %s meant?", name, meant)
        if not config_path:
            if Path("config.yaml").is_file():
                logger.warning(
                    "config.yaml lies in this folder and is not used; serve --config config.yaml does"
                )
            return None
        try:
            _from_template(Path(config_path))
            return load_and_apply(Path(config_path))
        except ConfigRefused as refused:
            if os.environ.get("DEPLOY") != "cloud":
                raise
            logger.warning("%s; the gateway starts without it until that changes", refused)
            return None

    def _run_workers(self, options: dict[str, Any], config_path: str, listener: socket.socket) -> None:
        child = [sys.executable, sys.argv[0], "serve", "--server", options["server"]]
        if config_path:
            child += ["--config", config_path]
        if self._secure:
            child += ["--tls", *self._secure]
        shared_totals.prepare(_totals_dir())
        connection.close()  # the parent only watches its children
        host, port = sockets.address_of(listener)
        self._announce(host, port, f"{options['workers']} processes of {options['server']}")
        sys.exit(
            workers.run_workers(
                options["workers"],
                listener,
                lambda fd: [*child, "--fd", str(fd)],
                settings.DRAIN_TIMEOUT_S,
            )
        )

    def _run(self, server: str, server_options: ServerOptions, *, announce: bool) -> None:
        from cliproxy_site.asgi import application, runtime
        from cliproxy_site.servers.run import run_daphne, run_uvicorn

        async def start() -> None:
            await runtime.start()

        def listening(host: str, port: int) -> None:
            if announce:
                self._announce(host, port, server)

        run = run_uvicorn if server == "uvicorn" else run_daphne
        run(application, server_options, on_start=start, on_stop=runtime.stop, announce=listening)

    def _announce(self, host: str, port: int, by: str) -> None:
        shown = f"[{host}]" if ":" in host else host
        self.stdout.write(f"Serving on {self._scheme}://{shown}:{port} ({by}). Ctrl-C stops.")
        self.stdout.flush()


def _from_template(path: Path) -> None:
    """On a first start, the file may be made from the one that ``CLIPROXY_CONFIG_TEMPLATE`` names."""
    template = os.environ.get("CLIPROXY_CONFIG_TEMPLATE", "")
    if template and not path.exists():
        try:
            path.write_bytes(Path(template).read_bytes())
        except OSError as error:
            raise SetupProblem(f"{path} cannot be made from {template}: {error.strerror}.") from error


def _limits() -> dict[str, Any]:
    from routing.proxy.endpoints import dialect_of
    from routing.proxy.intake import too_large
    from routing.proxy.wire import client_headers, error_body

    limit = settings.BODY_LIMIT_BYTES

    def refusal(path: str, headers: list[tuple[bytes, bytes]]) -> bytes:
        return error_body(too_large(limit), dialect_of(path, client_headers({"headers": headers})))

    return {
        "body_limit": limit,
        "drain_timeout_s": settings.DRAIN_TIMEOUT_S,
        "too_large": refusal,
    }


def _address(options: dict[str, Any], config: GatewayConfig | None) -> tuple[str, int]:
    """Flags win over the environment, that over the file, that over the defaults."""
    host = options["host"]
    if host is None:
        host = os.environ.get("CLIPROXY_HOST") or (config.host if config else None)
    port = options["port"]
    if port is None:
        port = _port_of_environment() or (config.port if config else None)
    return DEFAULT_HOST if host is None else host, DEFAULT_PORT if port is None else port


def _port_of_environment() -> int | None:
    """``CLIPROXY_PORT``; what is no port is ignored with a warning, as in CLIProxyAPI."""
    given = os.environ.get("CLIPROXY_PORT", "").strip()
    if not given:
        return None
    if given.isascii() and given.isdigit() and 1 <= int(given) <= 65535:
        return int(given)
    logger.warning("CLIPROXY_PORT is not a port (1 to 65535) and is ignored")
    return None


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port number from 0 to 65535, not {text!r}")
    return int(text)


def _totals_dir() -> Path:
    path: Path = settings.DATA_DIR / "totals"
    return path


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"must be a number of processes from 1 to 256, not {text!r}")
    return int(text)
