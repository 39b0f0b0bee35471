"""A large table beside a small one: time to build it, time for a decision, requests per second.

Large is 200 providers, 2,000 credentials and 5,000 aliases, all enabled. Both gateways answer the same
request for the same model. Writes the table into ``docs/performance.md``.

    python -m tests.bench.tables [--no-docs]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import report, upstream
from tests.bench.load import hit, look, request_body, say
from tests.bench.processes import Running, ask, free_port, raise_open_files
from tests.bench.targets import CLIENT_KEY

PROVIDERS, CREDENTIALS_EACH, ALIASES_EACH = 200, 10, 25
DECISIONS = 20_000
BUILDS = 7
CONNECTIONS = 32
ROUNDS = 10
"""Of a second each. Large and small take turns, so that a machine that tires spoils neither."""


@dataclass
class Built:
    """``longest_stall_ms`` is how late an event loop woke that ran beside a build."""

    providers: int
    credentials: int
    aliases: int
    build_ms: float
    longest_stall_ms: float
    decision_us: float
    decision_p99_us: float


def fill(is_large: bool, upstream_port: int) -> tuple[int, int, int]:
    """Rows as an admin would make them; returns how many providers, credentials and aliases there are."""
    from providers import secrets
    from providers.models import Credential, Provider
    from routing import client_keys, revision
    from routing.models import ClientKey, ModelAlias

    def provider(key: str, credentials: int, aliases: list[str]) -> None:
        row = Provider(
            key=key,
            adapter="openai-compatibility",
            base_url=f"http://127.0.0.1:{upstream_port}/small/v1",
            options={"only-listed": True},
        )
        row.save()
        Credential.objects.bulk_create(
            Credential(
                provider=row,
                secret_token=secrets.seal(f"{key}-secret-{number}"),
                fingerprint=f"{key[-4:]}-{number}",
            )
            for number in range(credentials)
        )
        ModelAlias.objects.bulk_create(
            ModelAlias(provider=row, alias=alias, upstream_model="small-pass", position=place)
            for place, alias in enumerate(aliases)
        )

    ClientKey.objects.create(digest=client_keys.digest(CLIENT_KEY), fingerprint="bench", note="bench")
    provider("measured", 1, ["small-pass"])
    if is_large:
        for number in range(PROVIDERS - 1):
            names = [f"model-{number}-{place}" for place in range(ALIASES_EACH)]
            provider(f"provider-{number:03}", CREDENTIALS_EACH, names)
    revision.bump()
    return Provider.objects.count(), Credential.objects.count(), ModelAlias.objects.count()


def measured(counts: tuple[int, int, int]) -> Built:
    from cliproxy_site.runtime import GC_THRESHOLD
    from routing import table
    from routing.core.query import RouteQuery
    from routing.core.resolve import resolve, take_turn
    from routing.core.table import ClientEntry
    from routing.state.memory import MemoryState

    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)  # as in a gateway that serves
    builds = []
    for _ in range(BUILDS):
        began = time.perf_counter()
        built = table.build()
        builds.append(time.perf_counter() - began)
    stall = asyncio.run(_longest_stall(table.build))
    state, client = MemoryState(), ClientEntry(id=1, label="bench")
    models = random.Random(7).choices(list(built.models), k=DECISIONS)
    spent = []
    for model in models:
        query = RouteQuery(model=model)
        began = time.perf_counter()
        take_turn(state, resolve(built, state, client, query, 1_800_000_000.0), 1_800_000_000.0)
        spent.append(time.perf_counter() - began)
    return Built(
        *counts,
        build_ms=statistics.median(builds) * 1e3,
        longest_stall_ms=stall * 1e3,
        decision_us=statistics.median(spent) * 1e6,
        decision_p99_us=sorted(spent)[int(len(spent) * 0.99)] * 1e6,
    )


async def _longest_stall(build) -> float:
    """Beside a build in a thread: the most by which a 1 ms sleep overslept."""
    task = asyncio.get_running_loop().run_in_executor(None, build)
    longest = 0.0
    while not task.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - began - 0.001)
    await task
    return longest


def serve(folder: Path, server: str, port: int) -> Running:
    command = [sys.executable, "manage.py", "serve", "--server", server, "--port", str(port)]
    environment = {"CLIPROXY_DATA_DIR": str(folder), "CLIPROXY_LOG_LEVEL": "INFO"}
    return Running(command, log=folder / "gateway.log", env=environment)


def rates(folders: dict[str, Path]) -> dict[tuple[str, str], tuple[float, float]]:
    """(server, table) -> requests per second and the share of the small table's, medians over rounds in which
    both had their turn."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    body = request_body("small-pass", "small-pass")
    for server in ("daphne", "uvicorn"):
        ports = {name: free_port() for name in folders}
        running = {name: serve(folder, server, ports[name]) for name, folder in folders.items()}
        seen: dict[str, list[float]] = {name: [] for name in folders}
        try:
            for name, process in running.items():
                process.wait_ready(ports[name], "/health")
                status, answer = ask(ports[name], headers, body)
                if status != 200:
                    raise RuntimeError(f"{name}: {status} {answer[:300]!r}\n{process.tail()}")
                hit(ports[name], headers, body, CONNECTIONS, 1)
            for number in range(ROUNDS):
                for name in list(running) if number % 2 else reversed(running):
                    one = look(running[name], ports[name], headers, body, CONNECTIONS, 1)
                    seen[name].append(one.per_second)
        finally:
            for process in running.values():
                process.stop()
        for name, own in seen.items():
            share = statistics.median(mine / its for mine, its in zip(own, seen["small"], strict=True))
            found[server, name] = statistics.median(own), share
            say(f"  {server} {name:6} {found[server, name][0]:9.1f}/s ({share:.0%})")
    return found


def render(built: dict[str, Built], found: dict[tuple[str, str], tuple[float, float]]) -> str:
    lines = [
        "| table | providers | credentials | aliases | build | loop stalled by a build | decision, median "
        "| p99 | Daphne req/s | uvicorn req/s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in built.items():
        cells = [
            f"| {name} | {row.providers:,} | {row.credentials:,} | {row.aliases:,} | {row.build_ms:.0f} ms",
            f"{row.longest_stall_ms:.0f} ms | {row.decision_us:.1f} µs | {row.decision_p99_us:.1f} µs",
        ]
        for server in ("daphne", "uvicorn"):
            rate, share = found[server, name]
            cells.append(f"{rate:,.0f} ({share:.0%})")
        lines.append(" | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--no-docs", action="store_true", help="print only; leave docs/performance.md alone")
    parser.add_argument("--fill", choices=["small", "large"], help=argparse.SUPPRESS)
    parser.add_argument("--upstream", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        _fill_and_measure(options.fill == "large", options.upstream)
        return
    if missing := [tool for tool in ("nginx", "wrk") if not shutil.which(tool)]:
        sys.exit(f"The bench needs {' and '.join(missing)}: apt-get install nginx-light wrk")
    raise_open_files()
    with tempfile.TemporaryDirectory(prefix="cliproxy-bench-") as name:
        folder, upstream_port = Path(name), free_port()
        nginx = upstream.start_nginx(folder, upstream_port)
        try:
            threading.Event().wait(0.5)
            folders, built = {}, {}
            for size in ("small", "large"):
                folders[size] = folder / size
                built[size] = _in_process(size, folders[size], upstream_port)
                say(f"  {size}: {built[size]}")
            text = render(built, rates(folders))
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)
    say("\n" + text)
    if not options.no_docs:
        report.write_between_markers("tables", text)
        say("written to docs/performance.md")


def _in_process(size: str, folder: Path, upstream_port: int) -> Built:
    """Django reads its settings once, so each database is filled and measured by a process of its own."""
    command = [sys.executable, "-m", "tests.bench.tables", "--fill", size, "--upstream", str(upstream_port)]
    folder.mkdir()
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "CLIPROXY_DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "cliproxy_site.settings",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("BUILT "))
    values = [float(part) for part in line.split()[1:]]
    return Built(*(int(value) for value in values[:3]), *values[3:])  # type: ignore[arg-type]  # seven values


def _fill_and_measure(is_large: bool, upstream_port: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    built = measured(fill(is_large, upstream_port))
    say("BUILT " + " ".join(str(value) for value in vars(built).values()))


if __name__ == "__main__":
    main()
