"""Whole answers: what Google sends, and what a Gemini client gets."""

import pytest
from google.genai import types

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.model import (
    Activity,
    Candidate,
    Media,
    Reasoning,
    ReasoningConfig,
    RefusalText,
    Response,
    Signature,
    Stop,
    StopKind,
    Text,
    Tool,
    Unknown,
    Usage,
)
from providers.translation.names import NameMap
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import call, context, request


def decode(*parts, ctx=None, **candidate):
    body = {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, **candidate}],
        "responseId": "r1",
    }
    types.GenerateContentResponse.model_validate(body)
    return CODEC.decode_response(body, ctx or context())


def encode(*parts, stop=None, ctx=None, **fields):
    candidate = Candidate(parts=parts, stop=stop or Stop(StopKind.END), **fields)
    body = CODEC.encode_response(Response(id="r1", model="up", candidates=(candidate,)), ctx or context())
    types.GenerateContentResponse.model_validate(body)
    return body["candidates"][0]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("STOP", StopKind.END),
        ("MAX_TOKENS", StopKind.LENGTH),
        ("SAFETY", StopKind.CONTENT_FILTER),
        ("MODEL_ARMOR", StopKind.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", StopKind.MALFORMED_CALL),
        ("CONTINUATION", StopKind.PAUSE),
        ("NO_IMAGE", StopKind.OTHER),
        ("SOMETHING_NEW", StopKind.OTHER),
    ],
)
def test_each_finish_reason_has_a_kind_and_is_kept(reason, kind):
    body = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": reason}]}
    assert CODEC.decode_response(body, context()).candidates[0].stop == Stop(kind, detail=reason)


def test_every_finish_reason_of_the_sdk_is_known():
    for reason in types.FinishReason:
        stop = decode({"text": "a"}, finishReason=reason.value).candidates[0].stop
        assert stop.kind is not StopKind.OTHER or "OTHER" in reason.value or reason.value in (
            "NO_IMAGE", "ESCALATION", "PUP_LIMITED_DISABLED",
        )  # fmt: skip


def test_calls_that_ended_with_stop_shall_be_run():
    said = decode({"functionCall": {"name": "f"}}, {"text": "x"}, finishReason="STOP").candidates[0]
    assert said.stop == Stop(StopKind.TOOL_CALLS, detail="STOP")
    cut = decode({"functionCall": {"name": "f"}}, finishReason="MAX_TOKENS").candidates[0]
    assert cut.stop.kind is StopKind.LENGTH


def test_a_whole_answer_without_a_reason_has_ended():
    assert decode({"text": "a"}).candidates[0].stop == Stop(StopKind.END)


def test_parallel_calls_of_one_name_get_distinct_stable_ids():
    parts = [{"functionCall": {"name": "f", "args": {"n": 1}}}] * 3
    ids = [part.id for part in decode(*parts).candidates[0].parts]
    assert len(set(ids)) == 3
    assert all(id.startswith("call_") and len(id) <= 40 for id in ids)
    assert [part.id for part in decode(*parts).candidates[0].parts] == ids
    assert [part.id for part in decode(*parts, ctx=context(seed="other")).candidates[0].parts] != ids


def test_googles_own_ids_are_kept_but_never_twice():
    parts = [{"functionCall": {"id": "x", "name": "f"}}] * 2
    first, second = decode(*parts).candidates[0].parts
    assert first.id == "x"
    assert second.id != "x"


def test_names_are_restored_and_free_form_arguments_unwrapped():
    ctx = context(
        names=NameMap({"1 patch": "_1_patch"}), request=request(tools=(Tool(name="1 patch", kind="custom"),))
    )
    free, odd = (
        decode(
            {"functionCall": {"name": "_1_patch", "args": {"input": "*** x"}}},
            {"functionCall": {"name": "_1_patch", "args": {"n": 1}}},
            ctx=ctx,
        )
        .candidates[0]
        .parts
    )
    assert (free.name, free.kind, free.arguments) == ("1 patch", "custom", "*** x")
    assert odd.arguments == '{"n":1}'


def test_texts_join_until_one_is_signed():
    said = decode(
        {"text": "a", "thought": True},
        {"text": "b", "thought": True},
        {"text": "Hel"},
        {"text": "lo"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "!"},
        {"text": ""},
    )
    assert said.candidates[0].parts == (
        Reasoning(text="ab"),
        Text(text="Hello", signature=Signature("c2ln", Format.GEMINI)),
        Text(text="!"),
    )


def test_images_and_what_only_google_knows():
    assert decode(
        {"inlineData": {"mimeType": "image/png", "data": "_-8"}},
        {"fileData": {"fileUri": "gs://b/x.png"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"thoughtSignature": "c2ln"},
    ).candidates[0].parts == (
        Media(kind="image", mime="image/png", data="/+8="),
        Media(kind="image", mime="image/png", url="gs://b/x.png"),
        Unknown(raw={"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, format=Format.GEMINI),
        Unknown(
            raw={"executableCode": {"language": "PYTHON", "code": "1"}},
            format=Format.GEMINI,
            activity=Activity(kind="code_execution", text="1"),
        ),
    )


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
            Usage(input_total=10, output_total=5, total=15),
        ),
        (
            {
                "promptTokenCount": 10, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 5,
                "thoughtsTokenCount": 7, "cachedContentTokenCount": 4, "totalTokenCount": 25,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 8}, {"modality": "AUDIO", "tokenCount": 2},
                ],
            },
            Usage(input_total=13, output_total=12, reasoning=7, cache_read=4, total=25, audio_in=2),
        ),
        ({"promptTokenCount": 10, "totalTokenCount": 10}, Usage(input_total=10, output_total=0, total=10)),
        ({"promptTokenCount": 10}, Usage(input_total=10)),
    ],
)  # fmt: skip
def test_thoughts_and_tool_prompts_are_added(raw, wanted):
    body = {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "usageMetadata": raw}
    assert CODEC.decode_response(body, context()).usage == wanted


def test_thoughts_are_taken_out_of_the_candidates_again():
    usage = Usage(input_total=13, output_total=12, reasoning=7, cache_read=4)
    response = Response(id="r", model="m", candidates=(Candidate(),), usage=usage)
    assert CODEC.encode_response(response, context())["usageMetadata"] == {
        "promptTokenCount": 13,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 25,
        "cachedContentTokenCount": 4,
    }


def test_a_blocked_prompt_is_an_answer_without_candidates():
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "No."}
    said = CODEC.decode_response(
        {"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 3}}, context()
    )
    assert (said.candidates, said.block_reason) == ((), "SAFETY")
    assert said.usage == Usage(input_total=3)
    assert CODEC.encode_response(said, context())["promptFeedback"] == feedback
    odd = Response(id="r", model="m", candidates=(), block_reason="because")
    assert CODEC.encode_response(odd, context())["promptFeedback"] == {"blockReason": "OTHER"}


@pytest.mark.parametrize(
    ("reason", "kind"), [("SAFETY", StopKind.CONTENT_FILTER), ("MAX_TOKENS", StopKind.LENGTH)]
)
def test_a_candidate_may_have_no_content(reason, kind):
    said = CODEC.decode_response({"candidates": [{"finishReason": reason, "index": 0}]}, context())
    assert said.candidates == (Candidate(stop=Stop(kind, detail=reason)),)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "x",
        {"candidates": []},
        {"usageMetadata": {}},
        {"candidates": [3]},
        {"candidates": [{"content": {"parts": [{"text": 3}]}}]},
        {"candidates": [{"content": {"parts": [{"inlineData": {"data": "!"}}]}}]},
        {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
    ],
)
def test_what_is_no_answer_is_the_upstreams_fault(body):
    with pytest.raises(UpstreamProtocolError):
        CODEC.decode_response(body, context())


def test_ids_and_names_have_fallbacks():
    said = CODEC.decode_response([{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}], context())
    assert (said.id, said.model, said.created) == ("5eed", "fast", None)
    dated = {"candidates": [{}], "createTime": "2023-11-14T22:13:20.123456Z", "modelVersion": "gemini-x"}
    assert CODEC.decode_response(dated, context()).created == 1_700_000_000
    assert CODEC.decode_response({**dated, "createTime": "soon"}, context()).created is None


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (Stop(StopKind.STOP_SEQUENCE, "stop", "END"), "STOP"),
        (Stop(StopKind.TOOL_CALLS, "tool_use"), "STOP"),
        (Stop(StopKind.CONTEXT_WINDOW), "MAX_TOKENS"),
        (Stop(StopKind.CONTENT_FILTER, "content_filter"), "SAFETY"),
        (Stop(StopKind.REFUSAL, "refusal"), "SAFETY"),
        (Stop(StopKind.PAUSE), "STOP"),
        (Stop(StopKind.ERROR), "OTHER"),
        (Stop(StopKind.CANCELLED), "OTHER"),
        (Stop(StopKind.MALFORMED_CALL), "OTHER"),
    ],
)
def test_every_stop_has_a_finish_reason(stop, reason):
    assert encode(Text(text="a"), stop=stop)["finishReason"] == reason


CLAUDES = Reasoning(text="hm", signature=Signature("abc", Format.CLAUDE))


def test_thoughts_are_shown_only_to_who_asked():
    shown = context(request=request(reasoning=ReasoningConfig(show="summary")))
    hidden = context(request=request())
    assert encode(CLAUDES, ctx=shown)["content"]["parts"][0]["text"] == "hm"
    (kept,) = encode(CLAUDES, Reasoning(text="unsigned"), ctx=hidden)["content"]["parts"]
    assert (kept["text"], kept["thought"]) == ("", True)
    assert kept["thoughtSignature"]


def test_foreign_state_comes_back_to_its_issuer():
    redacted = Reasoning(redacted=Signature("xyz", Format.CLAUDE))
    content = encode(CLAUDES, redacted, call())["content"]
    assert CODEC.decode_request({"contents": [content]}).turns[0].parts == (CLAUDES, redacted, call())


def test_parts_that_this_format_lacks_are_left_out():
    made = encode(
        RefusalText(text="No."),
        RefusalText(text=""),
        Media(kind="document", file_id="file-1"),
        Unknown(raw={"type": "x"}, format=Format.CLAUDE),
    )
    assert made["content"] == {"role": "model", "parts": [{"text": "No."}]}


def test_a_call_that_the_limit_cut_is_not_shown_as_one():
    half = call(arguments='{"a":')
    assert encode(half, stop=Stop(StopKind.LENGTH))["content"]["parts"] == [{"text": ""}]
    whole = encode(half)["content"]["parts"][0]["functionCall"]
    assert whole["args"] == {"input": '{"a":'}
