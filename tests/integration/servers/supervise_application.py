"""Supervise workers that serve the test application; a worker is this module with ``--fd``."""

import json
import logging
import os
import sys

from cliproxy_site.servers import workers
from cliproxy_site.servers.run import ServerOptions, run_daphne, run_uvicorn
from cliproxy_site.servers.sockets import bind
from tests.integration.servers.application import application


async def no_hook():
    """Nothing to start or stop."""


def tell(host, port):
    # One system call, so that the lines of several workers do not mix.
    os.write(1, json.dumps({"pid": os.getpid(), "port": port}).encode() + b"\n")


def be_worker(server, fd):
    workers.end_with_parent()
    run = {"daphne": run_daphne, "uvicorn": run_uvicorn}[server]
    run(application, ServerOptions(fd=fd), no_hook, no_hook, tell)


def supervise(server, count, crash):
    def argv(fd):
        if crash:
            return [sys.executable, "-c", "raise SystemExit(3)"]
        return [sys.executable, "-m", __spec__.name, server, "--fd", str(fd)]

    listener = bind("127.0.0.1", 0)
    sys.exit(workers.run_workers(count, listener, argv, drain_timeout_s=5, pauses_s=(0.1, 0.1)))


def main():
    logging.basicConfig(level=logging.WARNING)
    if sys.argv[2] == "--fd":
        be_worker(sys.argv[1], int(sys.argv[3]))
    else:
        supervise(sys.argv[1], int(sys.argv[2]), "--crash" in sys.argv)


if __name__ == "__main__":
    main()
