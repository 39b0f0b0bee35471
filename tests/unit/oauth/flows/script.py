"""A flow driven by hand: a list of answers goes in, the steps that it took come out. No network, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from oauth.flows.base import (
    Answer,
    Callback,
    Flow,
    HttpAnswer,
    HttpCall,
    OpenPage,
    Renewed,
    ShowCode,
    SlowedDown,
    Step,
    Wait,
)
from oauth.flows.channel import LoginAsk
from oauth.flows.errors import NetworkTrouble, OAuthError

NOW = 1_800_000_000.0
SEED = "ab" * 32


def ask(method: str = "", redirect_uri: str = "", **values: str) -> LoginAsk:
    return LoginAsk(method=method, seed=SEED, now=NOW, values=values, redirect_uri=redirect_uri)


@dataclass
class Vendor:
    """Answers a flow's calls from ``answers``: (status, body), (status, body, headers) or an exception.

    The clock moves with every wait. ``back`` makes the Callback that answers an OpenPage.
    """

    answers: list[Any]
    back: Callback | Exception | None = None
    now: float = NOW
    steps: list[Step] = field(default_factory=list)

    def run(self, flow: Flow[Any]) -> Any:
        answer: Answer = None
        trouble: Exception | None = None
        try:
            while True:
                step = flow.send(answer) if trouble is None else flow.throw(trouble)
                self.steps.append(step)
                answer, trouble = None, None
                try:
                    answer = self._answer(step)
                except OAuthError as error:
                    trouble = error
        except StopIteration as end:
            return end.value

    def _answer(self, step: Step) -> Answer:
        if isinstance(step, Wait):
            self.now += step.seconds
            return None
        if isinstance(step, OpenPage):
            if isinstance(self.back, Exception):
                raise self.back
            return self.back or Callback(code="the-code", state=step.state)
        if isinstance(step, ShowCode | SlowedDown | Renewed):
            return None
        if not self.answers:
            raise AssertionError(f"no answer left for {step}")
        given = self.answers.pop(0)
        if isinstance(given, Exception):
            raise given
        status, body, *rest = given
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpAnswer(status=status, headers=rest[0] if rest else {}, body=raw, at=self.now)

    @property
    def calls(self) -> list[HttpCall]:
        return [step for step in self.steps if isinstance(step, HttpCall)]

    @property
    def waits(self) -> list[float]:
        return [step.seconds for step in self.steps if isinstance(step, Wait)]

    @property
    def shown(self) -> ShowCode:
        return next(step for step in self.steps if isinstance(step, ShowCode))

    @property
    def page(self) -> OpenPage:
        return next(step for step in self.steps if isinstance(step, OpenPage))


def sent(call: HttpCall) -> dict[str, Any]:
    """The form or JSON object that a call carries."""
    if dict(call.headers).get("content-type") == "application/x-www-form-urlencoded":
        return dict(parse_qsl(call.body.decode()))
    found: dict[str, Any] = json.loads(call.body)
    return found


LOST = NetworkTrouble("the upstream dropped the connection")
