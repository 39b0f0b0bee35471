"""The bench's tables, and their place between the markers of ``docs/performance.md``."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.processes import REPOSITORY
from tests.bench.targets import SCENARIOS

if TYPE_CHECKING:
    from tests.bench.run import Result

DOCUMENT = REPOSITORY / "docs" / "performance.md"


def render(results: Sequence[Result], seconds: float) -> str:
    """One Markdown table per scenario, ratios first of all to the prototype on the same server."""
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    head = (
        f"Measured {datetime.date.today().isoformat()} on {machine}, {seconds:.0f} s for each figure; "
        "wrk, nginx and the target share the cores."
    )
    parts = [head]
    for scenario, title in SCENARIOS.items():
        rows = [result for result in results if result.scenario == scenario]
        if rows:
            parts.append(f"**{title}** (`{scenario}`)\n\n" + table(rows))
    return "\n\n".join(parts)


def table(rows: Sequence[Result]) -> str:
    by_place = {(row.target, row.connections): row for row in rows}
    targets = list(dict.fromkeys(row.target for row in rows))
    counts = sorted({row.connections for row in rows})
    columns = ["target"]
    for count in counts:
        columns += [f"{count}: req/s", "p50 ms", "p99 ms", "of prototype"]
    columns += ["× Portkey", "× LiteLLM", "peak MiB", "errors"]
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    for target in targets:
        cells = [f"`{target}`"]
        mine = [by_place[target, count] for count in counts if (target, count) in by_place]
        for count in counts:
            row = by_place.get((target, count))
            if row is None:
                cells += ["–"] * 4
                continue
            line = by_place.get((f"prototype-{row.server}", count))
            rate = f"({row.per_second:,.1f})" if row.thin else f"{row.per_second:,.1f}"
            cells += [rate, f"{row.p50_ms:.2f}", f"{row.p99_ms:.2f}", share(row, line)]
        middle = 32 if 32 in counts else counts[0]
        for other in ("portkey", "litellm"):
            cells.append(times(by_place.get((target, middle)), by_place.get((other, middle))))
        cells += [f"{max(row.peak_mib for row in mine):.0f}", str(sum(row.errors for row in mine))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def share(row: Result, line: Result | None) -> str:
    return f"{row.per_second / line.per_second:.0%}" if line and line.per_second else "–"


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
