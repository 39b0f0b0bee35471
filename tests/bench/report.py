"""The bench's tables, and their place between the markers of ``docs/performance.md``."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import say
from tests.bench.processes import REPOSITORY
from tests.bench.targets import SCENARIOS

DOCUMENT = REPOSITORY / "docs" / "performance.md"


@dataclass
class Result:
    """One target in one scenario at one number of connections: medians, where there were several rounds."""

    target: str
    scenario: str
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """Of all its processes, per request."""
    peak_mib: float
    thin: bool
    """Too few answers came for a rate: less than two for each connection."""
    errors: int
    of_prototype: float | None = None
    """The share of the prototype's rate on the same server."""
    of_prototype_cpu: float | None = None
    """The prototype's CPU time per request as a share of its own: the same question, asked of the clock that
    stands still while other people's programs have the core."""


def tell(result: Result) -> None:
    """One line on the terminal, while the run goes on."""
    shares = ""
    if result.of_prototype is not None:
        shares = f"  of prototype {share(result.of_prototype)} (CPU {share(result.of_prototype_cpu)})"
    say(
        f"  {result.target:18} {result.scenario:17} {result.connections:4} conn {result.per_second:9.1f}/s"
        f"  cpu {result.cpu_ms:7.3f} ms  p50 {result.p50_ms:8.2f} ms  p99 {result.p99_ms:8.2f} ms"
        f"  peak {result.peak_mib:5.0f} MiB{shares}"
        + ("  (too few answers for a rate)" if result.thin else "")
        + (f"  ERRORS {result.errors}" if result.errors else "")
    )


def render(results: Sequence[Result]) -> str:
    """One Markdown table per scenario, ratios first of all to the prototype on the same server."""
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    head = (
        f"Measured {datetime.date.today().isoformat()} on {machine}; "
        "wrk, nginx and the target share the cores."
    )
    parts = [head, summary(results)]
    for scenario, title in SCENARIOS.items():
        rows = [result for result in results if result.scenario == scenario]
        if rows:
            parts.append(f"**{title}** (`{scenario}`)\n\n" + table(rows))
    return "\n\n".join(parts)


def middle_of(rows: Sequence[Result]) -> int:
    counts = sorted({row.connections for row in rows})
    return 32 if 32 in counts else counts[0]


def summary(results: Sequence[Result]) -> str:
    """The bar and the gateway's distance from it, and what a translation costs, all at one glance."""
    middle = middle_of(results)
    by_place = {(row.target, row.scenario): row for row in results if row.connections == middle}
    servers = ("daphne", "uvicorn")
    lines = [
        f"| at {middle} connections | " + " | ".join(f"{server}: rate | CPU" for server in servers) + " |",
        "|---" + "|---:" * (2 * len(servers)) + "|",
    ]
    for scenario in SCENARIOS:
        rows = [by_place.get((f"gateway-{server}", scenario)) for server in servers]
        if any(row is not None and row.of_prototype is not None for row in rows):
            cells = []
            for row in rows:
                cells += [share(row and row.of_prototype), share(row and row.of_prototype_cpu)]
            lines.append(f"| `{scenario}`, of the prototype | " + " | ".join(cells) + " |")
    cells = []
    for server in servers:
        edit, other = (
            by_place.get((f"gateway-{server}", name)) for name in ("stream-edit", "stream-translate")
        )
        is_there = edit is not None and other is not None and other.per_second > 0
        cells.append(f"{edit.per_second / other.per_second:.2f} ×" if edit and other and is_there else "–")
        cells.append(f"{other.cpu_ms / edit.cpu_ms:.2f} ×" if edit and other and edit.cpu_ms else "–")
    lines.append("| `stream-translate`, cost in `stream-edit`s (bar: 2 ×) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(rows: Sequence[Result]) -> str:
    by_place = {(row.target, row.connections): row for row in rows}
    targets = list(dict.fromkeys(row.target for row in rows))
    counts = sorted({row.connections for row in rows})
    columns = ["target"]
    for count in counts:
        columns += [f"{count}: req/s", "p50 ms", "p99 ms", "CPU ms", "of prototype"]
    columns += ["× Portkey", "× LiteLLM", "peak MiB", "errors"]
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    for target in targets:
        cells = [f"`{target}`"]
        mine = [by_place[target, count] for count in counts if (target, count) in by_place]
        for count in counts:
            row = by_place.get((target, count))
            if row is None:
                cells += ["–"] * 5
                continue
            rate = f"({row.per_second:,.1f})" if row.thin else f"{row.per_second:,.1f}"
            cells += [rate, f"{row.p50_ms:.2f}", f"{row.p99_ms:.2f}", f"{row.cpu_ms:.3f}"]
            cells.append(share(row.of_prototype))
        middle = middle_of(rows)
        for other in ("portkey", "litellm"):
            cells.append(times(by_place.get((target, middle)), by_place.get((other, middle))))
        cells += [f"{max(row.peak_mib for row in mine):.0f}", str(sum(row.errors for row in mine))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def share(part: float | None) -> str:
    return "–" if part is None else f"{part:.0%}"


def times(row: Result | None, other: Result | None) -> str:
    """A dash where either did too little to compare."""
    if row is None or other is None or row.thin or other.thin:
        return "–"
    return f"{row.per_second / other.per_second:.1f}"


def write_between_markers(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``."""
    pattern = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    content = document.read_text(encoding="utf-8")
    if not pattern.search(content):
        raise ValueError(f"{document} has no markers named {name}")
    document.write_text(
        pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", content), encoding="utf-8"
    )
