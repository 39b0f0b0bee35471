"""Tools that the vendor runs, told as Google tells them: code and its outcome as parts, a search as a query
of the grounding.

What another vendor's tool did is shown so to a Gemini client. Such parts carry an id of this gateway; they
are taken out of a conversation on its way up, because Google did not run them. Facts:
https://ai.google.dev/api/caching#ExecutableCode (google-genai 3.4).
"""

from __future__ import annotations

from providers.translation.codec import AnswerContext
from providers.translation.model import Activity, Json, Part, Unknown
from providers.values import Format

OWN_ID = "cliproxy_code_"
SEARCH, CODE = "web_search", "code_execution"


def read(raw: dict[str, Json]) -> Activity | None:
    """Code that Google ran, or what came of it. Its searches are told with the grounding, not as parts."""
    code, result = raw.get("executableCode"), raw.get("codeExecutionResult")
    if isinstance(code, dict):
        text = code.get("code")
        return Activity(kind=CODE, text=text if isinstance(text, str) else "")
    if isinstance(result, dict):
        output = result.get("output")
        return Activity(kind=CODE, is_result=True, output=output if isinstance(output, str) else "")
    return None


def encode_code(told: Activity, context: AnswerContext) -> dict[str, Json]:
    """Code that another vendor ran, or what came of it."""
    if told.is_result:
        return _result(told.output or "", context)
    code = {"id": OWN_ID + context.seed, "language": "PYTHON", "code": told.text}
    return {"executableCode": code}


def result_of_code(part: Part, context: AnswerContext) -> dict[str, Json] | None:
    """The second part for a vendor's part that tells code and outcome at once."""
    told = _foreign(part)
    if told is None or told.kind != CODE or told.is_result or told.output is None:
        return None
    return _result(told.output, context)


def _result(output: str, context: AnswerContext) -> dict[str, Json]:
    ran = {"id": OWN_ID + context.seed, "outcome": "OUTCOME_OK", "output": output}
    return {"codeExecutionResult": ran}


def query_of(part: Part) -> str | None:
    """What another vendor searched for."""
    told = _foreign(part)
    return told.text or None if told is not None and told.kind == SEARCH else None


def _foreign(part: Part) -> Activity | None:
    return part.activity if isinstance(part, Unknown) and part.format is not Format.GEMINI else None


def is_own(part: Json) -> bool:
    """Whether this gateway wrote the part; SDKs send either spelling."""
    if not isinstance(part, dict):
        return False
    for name in ("executableCode", "executable_code", "codeExecutionResult", "code_execution_result"):
        told = part.get(name)
        identity = told.get("id") if isinstance(told, dict) else None
        if isinstance(identity, str) and identity.startswith(OWN_ID):
            return True
    return False
