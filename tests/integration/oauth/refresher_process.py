"""Processes that refresh what is due, as every gateway process does; driven by test_refresh_race.py.

``python -m tests.integration.oauth.refresher_process`` reads one JSON object a line and answers with one:
``{"do": "start", "seconds": 4, "die_at": "", "lease_s": 20}`` forks a refresher and tells its pid, ``wait``
tells its exit code, ``reset`` puts one expiring login into the database, ``state`` tells what became of it.
Forked, so that Django is loaded once; each child opens connections of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cliproxy_site.settings")
django.setup()

from django.core.management import call_command  # noqa: E402  (Django must be set up first)
from django.db import connections  # noqa: E402

from management_api.auth_dir.watch import CredentialFileWatcher  # noqa: E402
from oauth import leases, refresh  # noqa: E402
from oauth.driver import own_client  # noqa: E402
from oauth.models import OAuthToken  # noqa: E402
from oauth.refresh import Refresher  # noqa: E402
from providers.models import Provider  # noqa: E402
from tests.integration.oauth.makers import qwen_login  # noqa: E402


def die_at(step: str) -> None:
    """Let this process kill itself, as ``kill -9`` would, at one step of a refresh."""

    def killed(*args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    real_claim, real_commit = leases.claim, leases.commit
    match step:
        case "before the lease":
            leases.claim = killed  # type: ignore[assignment]
        case "with the lease":
            leases.claim = lambda *args: killed(real_claim(*args))
        case "with the answer":
            leases.commit = killed  # type: ignore[assignment]
        case "after the commit":
            leases.commit = lambda *args: killed(real_commit(*args))  # type: ignore[assignment]


async def refreshing(seconds: float, folder: str) -> None:
    client = own_client()
    refresher = Refresher(client, interval_s=0.05)
    tasks = [asyncio.get_running_loop().create_task(refresher.run())]
    if folder:
        watcher = CredentialFileWatcher(lambda: folder, interval_s=0.1)
        tasks.append(asyncio.get_running_loop().create_task(watcher.run()))
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await refresher.stop()
    await client.close()


def start(order: dict[str, Any]) -> int:
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(0)
        leases.LEASE = timedelta(seconds=order.get("lease_s", 20))
        refresh.EXTEND_EVERY_S = 0.2
        die_at(order.get("die_at", ""))
        asyncio.run(refreshing(order["seconds"], order.get("folder", "")))
    except Exception as error:  # noqa: BLE001  (a child ends here)
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def obey(order: dict[str, Any]) -> Any:
    match order["do"]:
        case "migrate":
            call_command("migrate", verbosity=0)
        case "reset":
            Provider.objects.all().delete()
            qwen_login()
        case "empty":
            Provider.objects.all().delete()
        case "state":
            token = OAuthToken.objects.get()
            return [token.version, token.grant().refresh_token, token.status]
        case "start":
            return start(order)
        case "wait":
            return os.waitstatus_to_exitcode(os.waitpid(order["pid"], 0)[1])
        case "kill":
            os.kill(order["pid"], signal.SIGKILL)
            os.waitpid(order["pid"], 0)
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)
