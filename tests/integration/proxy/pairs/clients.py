"""The vendors' own SDKs behind one face: a question in, what the SDK made of the answer out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from openai.lib.streaming.chat import ChatCompletionStreamState

from providers.values import Format
from tests.integration.proxy.conftest import KEY

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = ("get_weather", "The weather of a city", SCHEMA)


@dataclass(frozen=True)
class Question:
    """``history`` puts a call of two tools and their results between the text and the answer."""

    text: str = "Hi there"
    system: str = "Be brief."
    with_tools: bool = False
    with_image: bool = False
    with_history: bool = False


RESULTS = (("call_a", "Paris", "rain"), ("call_b", "Rome", "sun"))


@dataclass(frozen=True)
class Heard:
    text: str
    calls: list[tuple[str, dict[str, Any]]]
    stop: str
    input: int | None
    output: int | None
    model: str = ""


class Failure(Exception):
    """What the SDK raised, with the status and the words."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class OpenAIClient:
    format = Format.OPENAI
    stops = {"stop": "end", "tool_calls": "calls", "length": "length"}

    def __init__(self, url: str) -> None:
        self.sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=10)

    async def close(self) -> None:
        await self.sdk.close()

    def body(self, question: Question, model: str = "m") -> dict[str, Any]:
        content: Any = question.text
        if question.with_image:
            content = [
                {"type": "text", "text": question.text},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ]
        messages: list[Any] = [
            {"role": "system", "content": question.system},
            {"role": "user", "content": content},
        ]
        if question.with_history:
            calls = [
                {
                    "id": call_id,
                    "type": "function",
                    "function": {"name": TOOL[0], "arguments": json.dumps({"city": city})},
                }
                for call_id, city, _ in RESULTS
            ]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            messages += [
                {"role": "tool", "tool_call_id": call_id, "content": result} for call_id, _, result in RESULTS
            ]
        body: dict[str, Any] = {"model": model, "messages": messages}
        if question.with_tools:
            name, description, schema = TOOL
            function = {"name": name, "description": description, "parameters": schema}
            body["tools"] = [{"type": "function", "function": function}]
        return body

    async def ask(self, question: Question, *, stream: bool = False, model: str = "m") -> Heard:
        try:
            if stream:
                return self.heard(await self._streamed(self.body(question, model)))
            return self.heard(await self.sdk.chat.completions.create(**self.body(question, model)))
        except openai.APIError as error:
            raise Failure(getattr(error, "status_code", None), error.message) from error

    async def _streamed(self, body: dict[str, Any]) -> Any:
        state = ChatCompletionStreamState()
        chunks = await self.sdk.chat.completions.create(
            **body, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in chunks:
            state.handle_chunk(chunk)
        return state.current_completion_snapshot

    def heard(self, answer: Any) -> Heard:
        choice = answer.choices[0]
        calls = choice.message.tool_calls or []
        return Heard(
            text=choice.message.content or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            stop=self.stops[choice.finish_reason],
            input=answer.usage.prompt_tokens,
            output=answer.usage.completion_tokens,
            model=answer.model,
        )


class ResponsesClient(OpenAIClient):
    format = Format.RESPONSES

    def body(self, question: Question, model: str = "m") -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "input_text", "text": question.text}]
        if question.with_image:
            content.append({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"})
        items: list[Any] = [{"role": "user", "content": content}]
        if question.with_history:
            items += [
                {
                    "type": "function_call",
                    "call_id": call_id,
                    "name": TOOL[0],
                    "arguments": json.dumps({"city": city}),
                }
                for call_id, city, _ in RESULTS
            ]
            items += [
                {"type": "function_call_output", "call_id": call_id, "output": result}
                for call_id, _, result in RESULTS
            ]
        body: dict[str, Any] = {"model": model, "instructions": question.system, "input": items}
        if question.with_tools:
            name, description, schema = TOOL
            body["tools"] = [
                {"type": "function", "name": name, "description": description, "parameters": schema}
            ]
        return body

    async def ask(self, question: Question, *, stream: bool = False, model: str = "m") -> Heard:
        try:
            if not stream:
                return self.heard(await self.sdk.responses.create(**self.body(question, model)))
            async with self.sdk.responses.stream(**self.body(question, model)) as events:
                last = None
                async for event in events:
                    if event.type == "error":
                        raise Failure(None, event.message)
                    if event.type == "response.failed":
                        raise Failure(None, str(event.response.error and event.response.error.message))
                    if event.type in ("response.completed", "response.incomplete"):
                        last = event.response
                if last is None:
                    raise Failure(None, "the stream has no end")
                return self.heard(last)
        except openai.APIError as error:
            raise Failure(getattr(error, "status_code", None), error.message) from error

    def heard(self, answer: Any) -> Heard:
        calls = [
            (item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"
        ]
        stop = "length" if answer.status == "incomplete" else "calls" if calls else "end"
        return Heard(
            text=answer.output_text,
            calls=calls,
            stop=stop,
            input=answer.usage.input_tokens,
            output=answer.usage.output_tokens,
            model=answer.model,
        )


class ClaudeClient:
    format = Format.CLAUDE
    stops = {"end_turn": "end", "tool_use": "calls", "max_tokens": "length"}

    def __init__(self, url: str) -> None:
        self.sdk = anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0, timeout=10)

    async def close(self) -> None:
        await self.sdk.close()

    def body(self, question: Question, model: str = "m") -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
        if question.with_image:
            source = {"type": "base64", "media_type": "image/png", "data": PNG}
            content.append({"type": "image", "source": source})
        messages: list[Any] = [{"role": "user", "content": content}]
        if question.with_history:
            calls = [
                {"type": "tool_use", "id": call_id, "name": TOOL[0], "input": {"city": city}}
                for call_id, city, _ in RESULTS
            ]
            results = [
                {"type": "tool_result", "tool_use_id": call_id, "content": result}
                for call_id, _, result in RESULTS
            ]
            messages += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": 100,
            "system": question.system,
            "messages": messages,
        }
        if question.with_tools:
            name, description, schema = TOOL
            body["tools"] = [{"name": name, "description": description, "input_schema": schema}]
        return body

    async def ask(self, question: Question, *, stream: bool = False, model: str = "m") -> Heard:
        try:
            if not stream:
                return self.heard(await self.sdk.messages.create(**self.body(question, model)))
            async with self.sdk.messages.stream(**self.body(question, model)) as events:
                return self.heard(await events.get_final_message())
        except anthropic.APIError as error:
            raise Failure(getattr(error, "status_code", None), error.message) from error

    def heard(self, answer: Any) -> Heard:
        return Heard(
            text="".join(block.text for block in answer.content if block.type == "text"),
            calls=[(block.name, block.input) for block in answer.content if block.type == "tool_use"],
            stop=self.stops[answer.stop_reason],
            input=answer.usage.input_tokens,
            output=answer.usage.output_tokens,
            model=answer.model,
        )


class GeminiClient:
    format = Format.GEMINI
    stops = {"STOP": "end", "MAX_TOKENS": "length"}

    def __init__(self, url: str) -> None:
        self.sdk = genai.Client(
            api_key=KEY,
            vertexai=False,
            http_options=genai_types.HttpOptions(base_url=url, timeout=10_000),
        )

    async def close(self) -> None:
        await self.sdk.aio.aclose()

    def body(self, question: Question, model: str = "m") -> dict[str, Any]:
        parts: list[Any] = [genai_types.Part(text=question.text)]
        if question.with_image:
            parts.append(genai_types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png"))
        contents = [genai_types.Content(role="user", parts=parts)]
        if question.with_history:
            calls = [
                genai_types.Part(
                    function_call=genai_types.FunctionCall(id=call_id, name=TOOL[0], args={"city": city})
                )
                for call_id, city, _ in RESULTS
            ]
            results = [
                genai_types.Part(
                    function_response=genai_types.FunctionResponse(
                        id=call_id, name=TOOL[0], response={"output": result}
                    )
                )
                for call_id, _, result in RESULTS
            ]
            contents += [
                genai_types.Content(role="model", parts=calls),
                genai_types.Content(role="user", parts=results),
            ]
        config = genai_types.GenerateContentConfig(system_instruction=question.system)
        if question.with_tools:
            name, description, schema = TOOL
            declared = genai_types.FunctionDeclaration(
                name=name, description=description, parameters_json_schema=schema
            )
            config.tools = [genai_types.Tool(function_declarations=[declared])]
        return {"model": model, "contents": contents, "config": config}

    async def ask(self, question: Question, *, stream: bool = False, model: str = "m") -> Heard:
        body = self.body(question, model)
        try:
            if stream:
                chunks = await self.sdk.aio.models.generate_content_stream(**body)
                return self.heard([chunk async for chunk in chunks])
            return self.heard([await self.sdk.aio.models.generate_content(**body)])
        except genai_errors.APIError as error:
            raise Failure(error.code, error.message or "") from error
        except genai_errors.UnknownApiResponseError as error:
            raise Failure(None, str(error)) from error

    def heard(self, chunks: list[Any]) -> Heard:
        parts = [
            part
            for chunk in chunks
            for part in (chunk.candidates[0].content.parts or [] if chunk.candidates else [])
        ]
        calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
        reason = next((reason.value for reason in reversed(reasons) if reason), None)
        if reason is None:
            raise Failure(None, "the stream has no end")
        usage = chunks[-1].usage_metadata
        return Heard(
            text="".join(part.text for part in parts if part.text and not part.thought),
            calls=calls,
            stop="calls" if calls else self.stops[reason],
            input=usage.prompt_token_count,
            output=usage.candidates_token_count,
            model=chunks[-1].model_version,
        )


CLIENTS = (OpenAIClient, ResponsesClient, ClaudeClient, GeminiClient)
