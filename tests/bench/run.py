"""``make bench``: requests per second, latency and memory of the gateway beside its yardsticks.

One run on one machine: nginx as a fast static upstream, wrk as the client, one target at a time. Figures
are compared within the run only. Writes the table into ``docs/performance.md``.

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
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import report, upstream
from tests.bench.processes import BENCH_DIR, Running, ask, free_port, raise_open_files, streamed_text
from tests.bench.targets import SCENARIOS, TARGETS, Target, request_headers

CONNECTIONS = (1, 32, 256)

SLOW_ANSWER_S = 0.02
LONG_LOOK_S = 20.0
"""How long a target is watched again that finished too few answers in the ordinary time."""

WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
done = function(summary, latency, requests)
  io.write(string.format('\\nBENCH {{"requests":%d,"bytes":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\\n', summary.requests, summary.bytes,
    summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.connect,
    summary.errors.read, summary.errors.write, summary.errors.status, summary.errors.timeout))
end
"""


@dataclass
class Result:
    target: str
    server: str
    scenario: str
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    peak_mib: float
    thin: bool
    """Too few answers came for a rate: less than two for each connection."""
    errors: int


def request_body(scenario: str, model: str) -> dict[str, object]:
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Hello!"},
        ],
        "max_tokens": 400,
    }
    if scenario.startswith("stream"):
        body["stream"] = True
    return body


def check_answer(scenario: str, status: int, body: bytes) -> str:
    """ "" when the answer is whole and right, else what is wrong with it."""
    expected = (
        "".join(upstream.WORDS) if scenario.startswith("stream") else "Hello! How can I help you today?"
    )
    try:
        if status == 200 and streamed_text(body) == expected:
            return ""
    except (ValueError, KeyError, IndexError) as error:
        return f"unreadable answer: {error!r}: {body[:300]!r}"
    return f"status {status}: {body[:300]!r}"


def hit(
    port: int, headers: dict[str, str], body: dict[str, object], connections: int, seconds: float
) -> dict:
    """One wrk run. Returns its counters."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
        lines.append('wrk.headers["content-type"] = "application/json"')
        script.write(WRK_SCRIPT.format(body=json.dumps(body), headers="\n".join(lines)))
        script.flush()
        answer = subprocess.run(
            [
                *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"),
                *("-s", script.name, f"http://127.0.0.1:{port}/v1/chat/completions"),
            ],
            capture_output=True,
            text=True,
            timeout=seconds + 120,
            check=True,
        )
    line = next(line for line in answer.stdout.splitlines() if line.startswith("BENCH "))
    return dict(json.loads(line[6:]))


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
    results = []
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
            running.settle()
        counters = hit(port, headers, body, connections, options.seconds)
        if counters["requests"] < 2 * connections:
            running.settle()
            counters = hit(port, headers, body, connections, max(LONG_LOOK_S, options.seconds))
        results.append(
            Result(
                target=target.name,
                server=target.server,
                scenario=scenario,
                connections=connections,
                per_second=counters["requests"] / (counters["duration_us"] / 1e6),
                p50_ms=counters["p50_us"] / 1000,
                p99_ms=counters["p99_us"] / 1000,
                peak_mib=running.memory_mib("VmHWM"),
                thin=counters["requests"] < 2 * connections,
                errors=sum(counters[kind] for kind in ("connect", "read", "write", "status", "timeout")),
            )
        )
        latest = results[-1]
        say(
            f"  {target.name:18} {scenario:17} {connections:4} conn {latest.per_second:9.1f}/s"
            f"  p50 {latest.p50_ms:8.2f} ms  p99 {latest.p99_ms:8.2f} ms  peak {latest.peak_mib:5.0f} MiB"
            + ("  (too few answers for a rate)" if latest.thin else "")
            + (f"  ERRORS {latest.errors} {counters}" if latest.errors else "")
        )
        if latest.per_second * len(answer) and counters["requests"]:
            shortfall = counters["bytes"] / counters["requests"] / len(answer)
            if shortfall < 0.9:
                say(
                    f"  {target.name} {scenario}: answers under load are short ({shortfall:.0%} of the bytes)"
                )
    return results


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


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    names = [target.name for target in TARGETS]
    parser.add_argument("--quick", action="store_true", help="2 seconds each, 1 and 32 connections")
    parser.add_argument("--only", action="append", choices=names, help="a target; may be repeated")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="may be repeated")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (default 5)")
    parser.add_argument("--no-docs", action="store_true", help="print only; leave docs/performance.md alone")
    options = parser.parse_args()
    options.scenario = options.scenario or list(SCENARIOS)
    options.connections = CONNECTIONS[:2] if options.quick else CONNECTIONS
    if options.quick:
        options.seconds = min(options.seconds, 2.0)
    missing = [tool for tool in ("nginx", "wrk") if not shutil.which(tool)]
    if missing:
        sys.exit(f"The bench needs {' and '.join(missing)}: apt-get install nginx-light wrk")
    raise_open_files()
    BENCH_DIR.mkdir(exist_ok=True)
    chosen = [target for target in TARGETS if not options.only or target.name in options.only]
    for target in chosen:
        target.install()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="cliproxy-bench-") as name:
        folder = Path(name)
        upstream_port = free_port()
        nginx = upstream.start_nginx(folder, upstream_port)
        try:
            threading.Event().wait(0.5)
            for target in chosen:
                say(target.name)
                with contextlib.suppress(KeyboardInterrupt):
                    results += run_target(target, folder, upstream_port, options)
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)
    (BENCH_DIR / "last.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    text = report.render(results, options.seconds)
    say("\n" + text)
    if not options.no_docs and not options.only and len(options.scenario) == len(SCENARIOS):
        report.write_between_markers("bench", text)
        say("written to docs/performance.md")


if __name__ == "__main__":
    main()
