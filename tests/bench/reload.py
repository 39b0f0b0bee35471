"""200 changes of ``config.yaml`` while 64 clients stream, on each server. Fails when a stream does, when a
connection leaks, or when a change is not in force within a second.

    python -m tests.bench.reload [--changes 200] [--clients 64] [--no-docs]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests import reload_under_load
from tests.bench import report
from tests.bench.load import say
from tests.processes import running_gateways
from tests.reload_under_load import Outcome

WITHIN_S = 1.0


def row(server: str, outcome: Outcome, clients: int) -> str:
    waits = sorted(outcome.seen_after_s)
    middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    return (
        f"| {server} | {len(waits)} | {clients} | {outcome.streams:,} | {len(outcome.failures)} "
        f"| {outcome.client_sockets_left} | {middle:.2f} s | {late:.2f} s | {waits[-1]:.2f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--no-docs", action="store_true", help="print only; leave docs/performance.md alone")
    options = parser.parse_args()
    lines = [
        "| server | changes | clients | streams served | failed | connections leaked | seen after, median "
        "| p99 | longest |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    is_good = True
    for server in ("daphne", "uvicorn"):
        with (
            tempfile.TemporaryDirectory(prefix="cliproxy-bench-") as name,
            running_gateways(Path(name)) as start,
        ):
            running = reload_under_load.run(
                start, changes=options.changes, clients=options.clients, server=server
            )
            outcome = asyncio.run(running)
        lines.append(row(server, outcome, options.clients))
        say(lines[-1])
        for failure in outcome.failures[:5]:
            say(f"  {failure}")
        is_good &= not outcome.failures and not outcome.client_sockets_left
        is_good &= max(outcome.seen_after_s) <= WITHIN_S
    if not options.no_docs:
        report.write_between_markers("reload", "\n".join(lines))
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
