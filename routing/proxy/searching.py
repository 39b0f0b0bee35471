"""Attempts in which the gateway runs a web search for the model.

Some services let their models call a search that the caller has to run (``Adapter.search_tool``). A client
that offers a web search expects it to be run for it, so this answers the model's calls until it has said what
it found, and tells the client of the searches as its format does. The answer is put together before it goes
out: nobody could take back a word that the model said before it searched again.
"""

from __future__ import annotations

import msgspec

from providers.adapters.base import Found
from providers.adapters.registry import adapter_for
from providers.errors import UpstreamError
from providers.translation.model import (
    Activity,
    Candidate,
    Part,
    Response,
    Role,
    Stop,
    StopKind,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    Usage,
)
from providers.translation.registry import CODECS
from providers.upstream.read_answer import ReadAnswer
from routing.core.resolve import Candidate as Target
from routing.outgoing import Ask
from routing.proxy.attempt import Attempt, WholeAnswer
from routing.proxy.delivery import Delivery, UnfoldedStream

MOST_ROUNDS = 5
"""Answers of the model that are searched for; CLIProxyAPIPlus makes as many."""
MOST_AT_ONCE = 4
"""Searches of one answer."""
MAX_RESULT_BYTES = 1024 * 1024
ENOUGH = "No more searches can be made. Answer with what was found."
FAILED = "The search could not be made. Answer from what you know, and say so."


def runs_search(ask: Ask, target: Target) -> bool:
    """Whether a web search is all that the client offers to a provider whose searches the caller runs.

    Raises MalformedRequest.
    """
    if not adapter_for(target.credential.adapter).search_tool:
        return False
    tools = ask.neutral().tools
    return bool(tools) and all(tool.kind == "web_search" for tool in tools)


class SearchingAttempt(Attempt):
    """One candidate's try, with as many upstream calls as the model's searches take."""

    async def start(self) -> WholeAnswer | Delivery:
        asked = self._ask
        parts: list[Part] = []
        usage: Usage | None = None
        rounds = self._most_rounds()
        while True:
            answer = await self._asked()
            usage = _sum(usage, answer.usage)
            said = answer.candidates[0].parts if answer.candidates else ()
            calls = [part for part in said if self._is_search(part)]
            kept = [part for part in said if not self._is_search(part)]
            parts += kept
            if not calls or rounds < 0:
                self._ask = asked  # the answer is to what the client sent
                return self._told(answer, parts, usage)
            results = []
            for n, call in enumerate(calls):
                found = await self._found(call) if rounds and n < MOST_AT_ONCE else None
                if found is not None:
                    parts.append(self._shown(call, found))
                results.append(_result(call, found or Found(text=ENOUGH)))
            rounds -= 1
            self._continue([*kept, *calls], results)

    def _most_rounds(self) -> int:
        """How often the client lets the model search, where it says so."""
        wanted = [tool.search.max_uses for tool in self._ask.neutral().tools if tool.search is not None]
        return min([MOST_ROUNDS, *(uses for uses in wanted if uses is not None and uses > 0)])

    async def _asked(self) -> Response:
        response = await self._open()
        self._answered = response
        try:
            if response.status >= 400:
                raise await self._refusal(response)
            self.has_opened = True
            return await self._gathered(response)
        finally:
            await response.close()

    def _is_search(self, part: Part) -> bool:
        return isinstance(part, ToolCall) and part.name == self._adapter.search_tool

    async def _found(self, call: Part) -> Found:
        """A search that fails is told to the model, which goes on without."""
        credential = self._candidate.credential
        request = self._adapter.search_request(credential, _query(call), self._ask.seed)
        try:
            response = await self._client.open(request, proxy_url=credential.proxy_url, adapter=self._adapter)
            try:
                body = await response.read(MAX_RESULT_BYTES)
            finally:
                await response.close()
        except UpstreamError:
            return Found(text=FAILED, is_error=True)
        return self._adapter.read_search(response.status, body)

    def _shown(self, call: Part, found: Found) -> Part:
        activity = Activity(kind="web_search", text=_query(call), sources=found.sources)
        return Unknown(raw={}, format=self._format, activity=activity)

    def _continue(self, said: list[Part], results: list[ToolResult]) -> None:
        """The next round; who insists on a search (Claude Code does) has had it."""
        request = self._ask.neutral()
        turns = (
            *request.turns,
            Turn(role=Role.ASSISTANT, parts=tuple(said)),
            Turn(role=Role.USER, parts=tuple(results)),
        )
        further = msgspec.structs.replace(request, turns=turns, tool_choice=None)
        self._ask = msgspec.structs.replace(self._ask, request=further)

    def _told(self, answer: Response, parts: list[Part], usage: Usage | None) -> WholeAnswer | Delivery:
        stop = answer.candidates[0].stop if answer.candidates else None
        if stop is not None and stop.kind is StopKind.TOOL_CALLS:
            stop = Stop(StopKind.END)  # the client has no tool to answer for
        whole = msgspec.structs.replace(
            answer, candidates=(Candidate(parts=tuple(parts), stop=stop),), usage=usage
        )
        if not self._ask.parsed.stream:
            return self._encoded_answer(whole)
        over = ReadAnswer(200, self.answer_headers, b"")
        return UnfoldedStream(over, whole, CODECS[self._ask.format].stream_encoder(self._context()))


def _query(call: Part) -> str:
    value = call.value() if isinstance(call, ToolCall) else None
    query = value.get("query") if isinstance(value, dict) else None
    return query if isinstance(query, str) else ""


def _result(call: Part, found: Found) -> ToolResult:
    identity = call.id if isinstance(call, ToolCall) else ""
    return ToolResult(call_id=identity, parts=(Text(text=found.text),), is_error=found.is_error)


def _sum(before: Usage | None, later: Usage | None) -> Usage | None:
    """Every round was paid for."""
    if before is None or later is None:
        return before or later
    fields = {}
    for name in Usage.__struct_fields__:
        one, other = getattr(before, name), getattr(later, name)
        fields[name] = one if other is None else other if one is None else one + other
    fields["is_estimated"] = before.is_estimated or later.is_estimated
    return Usage(**fields)
