"""Events decoded: text, thoughts, calls, usage, endings and failures."""

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext
from providers.translation.codecs.kiro.framing import EventStreamReader
from providers.translation.codecs.kiro.stream import Decoder, missing_end
from providers.translation.model import (
    ArgumentsDelta,
    End,
    Heartbeat,
    Reasoning,
    ReasoningConfig,
    Request,
    Role,
    Signature,
    Stop,
    StopKind,
    StreamError,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    Turn,
    Usage,
)
from providers.translation.names import IDENTITY, NameMap
from providers.values import Format
from tests.unit.providers.translation.codecs.kiro.wire import CALL, HELLO, event, exception, said


def context(*, thinks=False, names=IDENTITY, model="m"):
    request = Request(
        model=model,
        turns=(Turn(role=Role.USER, parts=(Text(text="x" * 400),)),),
        tools=(Tool(name="get_weather"),),
        reasoning=ReasoningConfig(mode="on" if thinks else None),
    )
    return AnswerContext(model=model, now=1, seed="f" * 32, names=names, request=request)


def decoded(*messages, **fields):
    reader, decoder = EventStreamReader(), Decoder(context(**fields))
    events = [one for message in messages for frame in reader.feed(message) for one in decoder.feed(frame)]
    return [*events, *decoder.close()]


def whole(*messages, **fields):
    accumulator = Accumulator()
    for one in decoded(*messages, **fields):
        accumulator.add(one)
    return accumulator.response(context())


def answer(*messages, **fields):
    (candidate,) = whole(*messages, **fields).candidates
    return candidate


def test_text_comes_as_it_is_said():
    texts = [one.text for one in decoded(*HELLO) if isinstance(one, TextDelta)]
    assert texts == ["Hel", "lo, Wörld"]
    response = whole(*HELLO)
    assert response.candidates[0].parts == (Text(text="Hello, Wörld"),)
    assert response.candidates[0].stop == Stop(StopKind.END, "end_turn")
    assert response.usage == Usage(
        input_total=120, cache_read=20, output_total=7, total=127, cache_write=None
    )


def test_a_call_streams_its_arguments():
    fragments = [one.text for one in decoded(*CALL) if isinstance(one, ArgumentsDelta)]
    assert fragments == ['{"city":', ' "Paris"}']
    made = answer(*CALL)
    assert made.parts[1] == ToolCall(id="tooluse_1", name="get_weather", arguments='{"city": "Paris"}')
    assert made.stop == Stop(StopKind.TOOL_CALLS)


def test_usage_that_nobody_reported_is_estimated_and_marked():
    usage = whole(*CALL).usage
    assert (usage.input_total, usage.is_estimated) == (3000 - usage.output_total, True)
    usage = whole(said("x" * 40)).usage
    assert (usage.output_total, usage.is_estimated) == (10, True)
    assert 100 <= usage.input_total <= 110
    flat = whole(said("Hi"), event("usageEvent", inputTokens=5, outputTokens=2, totalTokens=7)).usage
    assert flat == Usage(input_total=5, output_total=2, total=7)


def test_a_payload_may_be_nested_under_its_name():
    assert answer(event("assistantResponseEvent", assistantResponseEvent={"content": "Hi"})).parts == (
        Text(text="Hi"),
    )
    assert answer(event("", assistantResponseEvent={"content": "Hi"})).parts == (Text(text="Hi"),)


def test_a_whole_object_an_empty_call_and_a_call_within_the_text_event():
    made = answer(
        event("toolUseEvent", toolUseId="a", name="get_weather", input={"n": 1}, stop=True),
        event("toolUseEvent", toolUseId="b", name="get_weather", input="", stop=True),
        event(
            "assistantResponseEvent",
            content="",
            toolUses=[{"toolUseId": "c", "name": "get_weather", "input": {"n": 3}}],
        ),
        event("toolUseEvent", toolUseId="a", name="get_weather", input={"n": 9}, stop=True),
    )
    calls = [(part.id, part.arguments) for part in made.parts]
    assert calls == [("a", '{"n":1}'), ("b", "{}"), ("c", '{"n":3}')]


def test_names_are_the_clients_again():
    made = answer(
        event("toolUseEvent", toolUseId="a", name="short", input="{}", stop=True),
        names=NameMap({"a/long/name": "short"}),
    )
    assert made.parts[0].name == "a/long/name"


def test_thoughts_in_tags_and_in_events():
    made = answer(said("<thin"), said("king>\nhm\n</thinking>\n\nSo"), thinks=True)
    assert made.parts == (Reasoning(text="hm"), Text(text="So"))
    assert answer(said("<thinking>hm</thinking>")).parts == (Text(text="<thinking>hm</thinking>"),)
    made = answer(
        event("reasoningContentEvent", text="h"),
        event("reasoningContentEvent", text="m"),
        event("reasoningContentEvent", signature="sig"),
        said("So"),
        event("reasoningContentEvent", redactedContent="xyz"),
    )
    assert made.parts == (
        Reasoning(text="hm", signature=Signature("sig", Format.KIRO)),
        Text(text="So"),
        Reasoning(redacted=Signature("xyz", Format.KIRO)),
    )


def test_a_call_written_into_the_text_is_one():
    made = answer(said('Ok [Called get_weather with args: {"city": "Rome"}]'))
    assert isinstance(made.parts[1], ToolCall)
    assert (made.parts[1].name, made.parts[1].value()) == ("get_weather", {"city": "Rome"})
    assert made.stop.kind is StopKind.TOOL_CALLS


def test_links_are_citations_of_the_text():
    links = [{"url": "https://example.com", "title": "Example"}]
    made = answer(said("So"), event("supplementaryWebLinksEvent", supplementaryWebLinks=links))
    assert made.parts[0].citations == ({"url": "https://example.com", "title": "Example"},)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("max_tokens", StopKind.LENGTH),
        ("STOP_SEQUENCE", StopKind.STOP_SEQUENCE),
        ("CONTENT_FILTERED", StopKind.CONTENT_FILTER),
        ("whatever", StopKind.OTHER),
    ],
)
def test_a_stop_reason_is_told(reason, kind):
    assert answer(said("So"), event("messageStopEvent", stopReason=reason)).stop == Stop(kind, reason)


@pytest.mark.parametrize(
    "noise",
    ["followupPromptEvent", "codeReferenceEvent", "meteringEvent", "invalidStateEvent", "somethingNewEvent"],
)
def test_other_events_only_show_that_it_lives(noise):
    events = decoded(said("So"), event(noise, usage=0.2, reason="x"))
    assert any(isinstance(one, Heartbeat) for one in events)
    assert isinstance(events[-1], End)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (exception("ThrottlingException", message="Slow"), 429, "ThrottlingException"),
        (exception("AccessDeniedException", message="Slow"), 403, "AccessDeniedException"),
        (event("internalServerException", message="Slow"), 500, "internalServerException"),
        (event("error", __type="com.amazon#ValidationException", message="Slow"), 400, "ValidationException"),
        (exception("Strange", message="Slow", reason="WHY"), 502, "WHY"),
    ],
)
def test_a_failure_inside_the_stream_is_told(message, status, code):
    events = decoded(said("So"), message)
    assert isinstance(events[-1], StreamError)
    info = events[-1].info
    assert (info.status, info.message, info.code) == (status, "Slow", code)
    assert not any(isinstance(one, End) for one in events)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (event("meteringEvent", usage=1),),
        (said("So"), event("toolUseEvent", toolUseId="a", name="run", input='{"x":')),
        (event("toolUseEvent", toolUseId="a"),),
    ],
)
def test_an_answer_that_is_not_all_there_is_an_error(messages):
    with pytest.raises(UpstreamProtocolError):
        decoded(*messages)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"a": "b', '"}'),
        ('{"a": ["b", {"c": 1', "}]}"),
        ('{"a":', "null}"),
        ('{"a', '":null}'),
        ('{"a": 1,', ""),
        ("nonsense", ""),
    ],
)
def test_arguments_that_broke_off_are_closed(text, rest):
    assert missing_end(text) == rest


def test_a_call_that_ran_out_of_room_is_said_to_be_cut_short():
    made = answer(event("toolUseEvent", toolUseId="a", name="run", input='{"text": "lon', stop=True))
    assert made.parts[0].value() == {"text": "lon"}
    assert made.stop.kind is StopKind.LENGTH
