"""Serve the test application in a process of its own: ``python -m ... daphne '{"port": 0}'``.

Writes one line per event to standard output: ``started``, ``listening HOST PORT``, ``stopped``.
"""

import json
import sys

from cliproxy_site.servers.run import ServerOptions, run_daphne, run_uvicorn
from cliproxy_site.servers.sockets import CannotListen
from tests.integration.servers.application import application


def tell(line):
    print(line, flush=True)


async def on_start():
    tell("started")


async def on_stop():
    tell("stopped")


def too_large(path, headers):
    return json.dumps({"refused": path, "client": dict(headers)[b"x-client"].decode()}).encode()


def main():
    server, options = sys.argv[1], json.loads(sys.argv[2])
    run = {"daphne": run_daphne, "uvicorn": run_uvicorn}[server]
    try:
        run(
            application,
            ServerOptions(**options, too_large=too_large),
            on_start,
            on_stop,
            lambda host, port: tell(f"listening {host} {port}"),
        )
    except CannotListen as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
