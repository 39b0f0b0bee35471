"""``make bench``: requests per second, CPU time, latency and memory of the gateway beside its yardsticks.

One run on one machine: nginx as a fast static upstream, wrk as the client. The gateway and the prototype are
measured in turns, a second each (``side_by_side.py``); LiteLLM and Portkey, which are far away, once each.
Figures are compared within the run only. Writes the table into ``docs/performance.md``.

    python -m tests.bench.run [--quick] [--only NAME ...] [--scenario NAME ...] [--seconds N] [--no-docs]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

from tests.bench import report, side_by_side, upstream
from tests.bench.load import Look, check_answer, hit, look, request_body, say
from tests.bench.processes import BENCH_DIR, Running, ask, free_port, raise_open_files
from tests.bench.report import Result
from tests.bench.targets import SCENARIOS, TARGETS, Target, request_headers

CONNECTIONS = (1, 32, 256)

SLOW_ANSWER_S = 0.02
LONG_LOOK_S = 15.0
"""How long a target is watched again that finished too few answers in the ordinary time."""


def measure(
    target: Target,
    scenario: str,
    running: Running,
    port: int,
    upstream_port: int,
    options: argparse.Namespace,
) -> list[Result]:
    """Every number of connections for one target and scenario, after one checked answer."""
    call = target.call(scenario)
    assert call is not None
    headers = request_headers(target, call, scenario, upstream_port)
    body = request_body(scenario, call.model)
    results: list[Result] = []
    for connections in options.connections:
        running.settle()
        asked = time.monotonic()
        status, answer = ask(port, headers, body)
        took_s = time.monotonic() - asked
        if wrong := check_answer(scenario, status, answer):
            say(f"  {target.name} {scenario}: {wrong}\n{running.tail()}")
            break
        if took_s < SLOW_ANSWER_S:  # a slow target would still be busy with the warm-up when measured
            hit(port, headers, body, connections, 1)
        seen = look(running, port, headers, body, connections, options.seconds)
        if seen.requests < 2 * connections:
            seen = look(running, port, headers, body, connections, max(LONG_LOOK_S, options.seconds))
        results.append(_result(target, scenario, connections, seen, running))
        report.tell(results[-1])
        if seen.requests and seen.bytes < 0.9 * seen.requests * len(answer):
            say(f"  {target.name} {scenario}: answers under load are short")
    return results


def _result(target: Target, scenario: str, connections: int, seen: Look, running: Running) -> Result:
    return Result(
        target=target.name,
        scenario=scenario,
        connections=connections,
        per_second=seen.per_second,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        cpu_ms=seen.cpu_ms,
        peak_mib=running.memory_mib("VmHWM"),
        thin=seen.requests < 2 * connections,
        errors=seen.errors,
    )


def run_target(target: Target, folder: Path, upstream_port: int, options: argparse.Namespace) -> list[Result]:
    results: list[Result] = []
    wanted = [name for name in options.scenario if target.call(name) is not None]
    groups = [[name] for name in wanted] if target.restarts else [wanted]
    for group in groups:
        if not group:
            continue
        place = Path(tempfile.mkdtemp(dir=folder))
        port = free_port()
        running = target.start(group[0], port, upstream_port, place)
        try:
            running.wait_ready(port, target.ready_path)
            for scenario in group:
                results += measure(target, scenario, running, port, upstream_port, options)
        except (TimeoutError, OSError, subprocess.SubprocessError) as error:
            say(f"  {target.name}: {error}\n{running.tail()}")
        finally:
            running.stop()
    return results


def installed(target: Target) -> bool:
    """Whether ``target`` is there to be measured; where no registry is at hand, the others still are."""
    try:
        target.install()
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"{target.name} cannot be installed and is left out: {error}")
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    names = [target.name for target in TARGETS]
    parser.add_argument("--quick", action="store_true", help="3 rounds, 1 and 32 connections")
    parser.add_argument("--only", action="append", choices=names, help="a target; may be repeated")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="may be repeated")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="length of one look at a foreign target (default 3)"
    )
    parser.add_argument("--no-docs", action="store_true", help="print only; leave docs/performance.md alone")
    options = parser.parse_args()
    options.scenario = options.scenario or list(SCENARIOS)
    options.connections = CONNECTIONS[:2] if options.quick else CONNECTIONS
    options.rounds = dict.fromkeys(CONNECTIONS, 3) if options.quick else side_by_side.ROUNDS
    missing = [tool for tool in ("nginx", "wrk") if not shutil.which(tool)]
    if missing:
        sys.exit(f"The bench needs {' and '.join(missing)}: apt-get install nginx-light wrk")
    raise_open_files()
    BENCH_DIR.mkdir(exist_ok=True)
    chosen = [target for target in TARGETS if not options.only or target.name in options.only]
    chosen = [target for target in chosen if installed(target)]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="cliproxy-bench-") as name:
        folder = Path(name)
        upstream_port = free_port()
        nginx = upstream.start_nginx(folder, upstream_port)
        try:
            threading.Event().wait(0.5)
            own = [target for target in chosen if target.server]
            results += side_by_side.run(own, folder, upstream_port, options)
            for target in chosen:
                if not target.server:
                    say(target.name)
                    with contextlib.suppress(KeyboardInterrupt):
                        results += run_target(target, folder, upstream_port, options)
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)
    (BENCH_DIR / "last.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    text = report.render(results)
    say("\n" + text)
    if not options.no_docs and not options.only and len(options.scenario) == len(SCENARIOS):
        report.write_between_markers("bench", text)
        say("written to docs/performance.md")


if __name__ == "__main__":
    main()
