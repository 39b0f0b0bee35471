"""One look at one target: wrk's counters and the target's own CPU time, and whether an answer is right."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from tests.bench import upstream
from tests.bench.processes import Running, streamed_text

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
class Look:
    """What one run of wrk saw. ``cpu_ms`` is what the target's processes spent on each request."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    bytes: int
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


def look(
    running: Running,
    port: int,
    headers: dict[str, str],
    body: dict[str, object],
    connections: int,
    seconds: float,
) -> Look:
    """One run of wrk against a target that rests before and after it."""
    running.settle()
    before_s = running.cpu_s()
    counters = hit(port, headers, body, connections, seconds)
    running.settle()
    spent_s = running.cpu_s() - before_s
    requests = counters["requests"]
    return Look(
        requests=requests,
        per_second=requests / (counters["duration_us"] / 1e6),
        p50_ms=counters["p50_us"] / 1000,
        p99_ms=counters["p99_us"] / 1000,
        cpu_ms=spent_s * 1000 / requests if requests else 0.0,
        bytes=counters["bytes"],
        errors=sum(counters[kind] for kind in ("connect", "read", "write", "status", "timeout")),
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
