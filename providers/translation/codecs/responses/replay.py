"""A finished answer as the stream that it would have been: for a client that asks for a kept response anew.

Events and their order: the types of the official SDK (``ResponseStreamEvent``, 2026). Each text is one delta,
since where it was cut is not kept. Items that are not taken apart here begin and end as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

from providers.translation.json_text import dump_bytes
from providers.translation.model import Json

Block = dict[str, Json]
_ENDS = {"completed": "response.completed", "incomplete": "response.incomplete"}


def replayed(response: Block, starting_after: int = -1) -> bytes:
    """The frames of ``response`` whose sequence number is greater than ``starting_after``."""
    return b"".join(
        b"event: " + str(event["type"]).encode() + b"\ndata: " + dump_bytes(event) + b"\n\n"
        for event in numbered(response)
        if number_of(event) > starting_after
    )


def number_of(event: Block) -> int:
    number = event["sequence_number"]
    return number if isinstance(number, int) else 0


def numbered(response: Block) -> Iterator[Block]:
    for number, event in enumerate(_events(response)):
        yield {**event, "sequence_number": number}


def _events(response: Block) -> Iterator[Block]:
    begun: Block = {**response, "status": "in_progress", "output": [], "usage": None}
    for name in ("completed_at", "incomplete_details", "error"):
        if name in begun:
            begun[name] = None
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    output = response.get("output")
    for index, item in enumerate(output if isinstance(output, list) else []):
        if isinstance(item, dict):
            yield from _item(item, index)
    yield {"type": _ENDS.get(str(response.get("status")), "response.failed"), "response": response}


def _item(item: Block, index: int) -> Iterator[Block]:
    kind = item.get("type")
    place: Block = {"item_id": item.get("id") or "", "output_index": index}
    empty: Block = {name: _EMPTY[name] for name in _EMPTIED.get(str(kind), ()) if name in item}
    if "status" in item:
        empty["status"] = "in_progress"
    yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **empty}}
    if kind == "message":
        yield from _contents(item, place)
    elif kind == "reasoning":
        yield from _thoughts(item, place)
    elif kind == "function_call":
        arguments = item.get("arguments") or ""
        named: Block = {"name": item.get("name") or "", "arguments": arguments}
        yield from _told("response.function_call_arguments", place, arguments, named)
    elif kind == "custom_tool_call":
        given = item.get("input") or ""
        yield from _told("response.custom_tool_call_input", place, given, {"input": given})
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


_EMPTY: Block = {"content": [], "summary": [], "arguments": "", "input": ""}
_EMPTIED = {
    "message": ("content",),
    "reasoning": ("content", "summary"),
    "function_call": ("arguments",),
    "custom_tool_call": ("input",),
}


def _told(kind: str, place: Block, text: Json, done: Block) -> Iterator[Block]:
    if text:
        extra: Block = {"logprobs": []} if kind == "response.output_text" else {}
        yield {"type": f"{kind}.delta", **place, "delta": text, **extra}
    yield {"type": f"{kind}.done", **place, **done}


def _blocks(item: Block, name: str) -> Iterator[tuple[int, Block]]:
    found = item.get(name)
    for index, block in enumerate(found if isinstance(found, list) else []):
        if isinstance(block, dict):
            yield index, block


def _contents(item: Block, place: Block) -> Iterator[Block]:
    for index, part in _blocks(item, "content"):
        here: Block = {**place, "content_index": index}
        if part.get("type") == "refusal":
            refusal = part.get("refusal") or ""
            yield {"type": "response.content_part.added", **here, "part": {**part, "refusal": ""}}
            yield from _told("response.refusal", here, refusal, {"refusal": refusal})
        else:
            text, notes = part.get("text") or "", part.get("annotations")
            empty: Block = {**part, "text": "", "annotations": []}
            yield {"type": "response.content_part.added", **here, "part": empty}
            done: Block = {"text": text, "logprobs": part.get("logprobs") or []}
            yield from _told("response.output_text", here, text, done)
            for number, note in enumerate(notes if isinstance(notes, list) else []):
                yield {
                    "type": "response.output_text.annotation.added",
                    **here,
                    "annotation_index": number,
                    "annotation": note,
                }
        yield {"type": "response.content_part.done", **here, "part": part}


def _thoughts(item: Block, place: Block) -> Iterator[Block]:
    for index, part in _blocks(item, "summary"):
        here: Block = {**place, "summary_index": index}
        text = part.get("text") or ""
        yield {"type": "response.reasoning_summary_part.added", **here, "part": {**part, "text": ""}}
        yield from _told("response.reasoning_summary_text", here, text, {"text": text})
        yield {"type": "response.reasoning_summary_part.done", **here, "part": part}
    for index, part in _blocks(item, "content"):
        text = part.get("text") or ""
        yield from _told("response.reasoning_text", {**place, "content_index": index}, text, {"text": text})
