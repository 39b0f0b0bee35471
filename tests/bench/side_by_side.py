"""The gateway and the prototype in turns: short rounds, and of all that is seen in them the median.

A machine that others use too changes its speed within minutes, so that rates taken one after the other say
nothing of each other. In turns, each round compares what ran within a few seconds; a ratio is the median of
the rounds' own ratios. CPU time per request is steadier still, and stands beside.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from pathlib import Path

from tests.bench import report
from tests.bench.load import Look, check_answer, hit, look, request_body, say
from tests.bench.processes import Running, ask, free_port
from tests.bench.report import Result
from tests.bench.targets import Target, request_headers

ROUND_S = 1.0
ROUNDS = {1: 2, 32: 8, 256: 2}
"""By connections; the bar is set at 32."""


class Contender:
    """One target with its processes: one for all scenarios, or one for each shape of answer."""

    def __init__(self, target: Target, folder: Path, upstream_port: int) -> None:
        self.target = target
        self.server = target.server
        self._upstream_port = upstream_port
        self._folder = folder
        self._running: dict[str, tuple[Running, int]] = {}

    def process(self, scenario: str) -> tuple[Running, int]:
        """The process that answers ``scenario``, and its port; started on first use."""
        shape = scenario.partition("-")[0] if self.target.restarts else ""
        if shape not in self._running:
            port = free_port()
            place = Path(tempfile.mkdtemp(dir=self._folder))
            running = self.target.start(scenario, port, self._upstream_port, place)
            self._running[shape] = running, port
            running.wait_ready(port, self.target.ready_path)
        return self._running[shape]

    def asked(self, scenario: str) -> tuple[dict[str, str], dict[str, object]]:
        """Headers and body of the request."""
        call = self.target.call(scenario)
        assert call is not None
        headers = request_headers(self.target, call, scenario, self._upstream_port)
        return headers, request_body(scenario, call.model)

    def is_right(self, scenario: str) -> bool:
        running, port = self.process(scenario)
        wrong = check_answer(scenario, *ask(port, *self.asked(scenario)))
        if wrong:
            say(f"  {self.target.name} {scenario}: {wrong}\n{running.tail()}")
        return not wrong

    def look(self, scenario: str, connections: int) -> Look:
        running, port = self.process(scenario)
        return look(running, port, *self.asked(scenario), connections, ROUND_S)

    def stop(self) -> None:
        for running, _ in self._running.values():
            running.stop()


def run(targets: list[Target], folder: Path, upstream_port: int, options: argparse.Namespace) -> list[Result]:
    contenders = [Contender(target, folder, upstream_port) for target in targets]
    results: list[Result] = []
    try:
        with contextlib.suppress(KeyboardInterrupt):
            for scenario in options.scenario:
                able = [one for one in contenders if one.target.call(scenario) is not None]
                able = [one for one in able if one.is_right(scenario)]
                for connections in options.connections:
                    results += _compared(able, scenario, connections, options.rounds[connections])
    finally:
        for one in contenders:
            one.stop()
    return results


def _compared(able: list[Contender], scenario: str, connections: int, rounds: int) -> list[Result]:
    seen: dict[str, list[Look]] = {one.target.name: [] for one in able}
    for one in able:  # warm, and every connection of the pool there
        _, port = one.process(scenario)
        hit(port, *one.asked(scenario), connections, ROUND_S)
    for number in range(rounds):
        for one in able if number % 2 else reversed(able):
            seen[one.target.name].append(one.look(scenario, connections))
    results = []
    for one in able:
        own, line = seen[one.target.name], seen.get(f"prototype-{one.server}", [])
        running, _ = one.process(scenario)
        result = Result(
            target=one.target.name,
            scenario=scenario,
            connections=connections,
            per_second=statistics.median(round_.per_second for round_ in own),
            p50_ms=statistics.median(round_.p50_ms for round_ in own),
            p99_ms=statistics.median(round_.p99_ms for round_ in own),
            cpu_ms=statistics.median(round_.cpu_ms for round_ in own),
            peak_mib=running.memory_mib("VmHWM"),
            thin=False,
            errors=sum(round_.errors for round_ in own),
        )
        if line:
            pairs = [(mine, its) for mine, its in zip(own, line, strict=True) if its.requests and mine.cpu_ms]
            result.of_prototype = statistics.median(mine.per_second / its.per_second for mine, its in pairs)
            result.of_prototype_cpu = statistics.median(its.cpu_ms / mine.cpu_ms for mine, its in pairs)
        results.append(result)
        report.tell(result)
    return results
