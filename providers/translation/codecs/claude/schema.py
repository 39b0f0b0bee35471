"""JSON Schema as Anthropic wants it: for tool inputs and for structured output.

Tool inputs: JSON Schema 2020-12, untouched except at the top, which must be a plain ``type: object``
(``anyOf``, ``oneOf`` and ``allOf`` are refused there). Structured output: a smaller dialect; what it lacks
moves into descriptions, as the vendor's SDK does (``anthropic/lib/_parse/_transform.py``, 2.11).
"""

from __future__ import annotations

from providers.translation.budget import Budget
from providers.translation.json_text import dumps
from providers.translation.model import Json

Schema = dict[str, Json]

_COMBINERS = ("allOf", "anyOf", "oneOf")
_DEFINITIONS = ("$defs", "definitions")

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)

WRAPPED = "input"
"""The one property of a tool whose input is no object by itself."""


def tool_schema(schema: Schema | None, budget: Budget | None = None) -> Schema:
    """``schema`` with a plain object at the top. The argument is never changed.

    Where merging would take more than ``budget`` has, the schema is wrapped instead.
    """
    if not schema:
        return {"type": "object", "properties": {}}
    if any(key in schema for key in _COMBINERS):
        schema = _merged(schema, schema, 0, budget or Budget()) or _wrapped(schema)
    kind = schema.get("type")
    if kind == "object":
        return schema
    if kind is None or (isinstance(kind, list) and "object" in kind):
        return {**schema, "type": "object"}
    return _wrapped(schema)


def _wrapped(schema: Schema) -> Schema:
    """An object with ``schema`` as its only property; definitions stay at the top, where refs look."""
    inner = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
    outer: Schema = {"type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED]}
    return outer | {key: schema[key] for key in _DEFINITIONS if key in schema}


def _merged(schema: Schema, root: Schema, depth: int, budget: Budget) -> Schema | None:
    """One object schema that allows at least what the combined ones allow; None if none is an object."""
    if depth > 8:  # a recursive reference at the top
        return None
    base = {key: value for key, value in schema.items() if key not in _COMBINERS}
    if not _is_object(base):
        return None
    properties: Schema = dict(_properties(base))
    required = _required(base)
    every = _branches(schema, ("allOf",), root, depth, budget)
    some = _branches(schema, ("anyOf", "oneOf"), root, depth, budget)
    if budget.is_spent or not (properties or every or some):
        return None
    for branch in every:
        properties |= _properties(branch)
        required += _required(branch)
    for branch in some:
        for name, value in _properties(branch).items():
            known = properties.get(name)
            properties[name] = value if known in (None, value) else {"anyOf": [known, value]}
    if some:
        shared = set.intersection(*(set(_required(branch)) for branch in some))
        required += sorted(shared)
    merged = base | {"type": "object", "properties": properties}
    if required:
        merged["required"] = list(dict.fromkeys(required))
    return merged


def _branches(
    schema: Schema, keys: tuple[str, ...], root: Schema, depth: int, budget: Budget
) -> list[Schema]:
    found = []
    for key in keys:
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else []:
            budget.spend()
            if budget.is_spent:
                return []
            resolved = _resolved(branch, root)
            if resolved is not None and any(key in resolved for key in _COMBINERS):
                resolved = _merged(resolved, root, depth + 1, budget)
            if resolved is not None and _is_object(resolved):
                found.append(resolved)
    return found


def _properties(schema: Schema) -> Schema:
    """A client's schema may be wrong anywhere: what is no object counts as none."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _required(schema: Schema) -> list[str]:
    required = schema.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return kind is None or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _resolved(branch: Json, root: Schema) -> Schema | None:
    """``branch`` with a local ``$ref`` followed once; None when it is no schema or cannot be found."""
    if not isinstance(branch, dict):
        return None
    ref = branch.get("$ref")
    if not isinstance(ref, str):
        return branch
    node: Json = root
    for step in ref.removeprefix("#").strip("/").split("/"):
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    siblings = {key: value for key, value in branch.items() if key != "$ref"}
    return {**node, **siblings} if isinstance(node, dict) and "$ref" not in node else None


def output_schema(schema: Json) -> Json:
    """``schema`` in the dialect of structured output: closed objects, unsupported keywords as hints."""
    if not isinstance(schema, dict):
        return schema
    left = dict(schema)
    result: Schema = {}
    for key in _DEFINITIONS:
        if isinstance(left.get(key), dict):
            result[key] = {name: output_schema(item) for name, item in left.pop(key).items()}
    if "$ref" in left:
        result["$ref"] = left["$ref"]
        return result
    for key in ("type", "enum", "const", "title", "description"):
        if key in left:
            result[key] = left.pop(key)
    for key, target in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if isinstance(left.get(key), list):
            result[target] = [*result.get(target, []), *(output_schema(item) for item in left.pop(key))]
    _take_object(left, result)
    _take_array(left, result)
    if isinstance(left.get("format"), str) and left["format"] in _FORMATS:
        result["format"] = left.pop("format")
    left.pop("$schema", None)
    if left:
        hint = "{" + ", ".join(f"{key}: {dumps(value)}" for key, value in left.items()) + "}"
        said = result.get("description")
        result["description"] = f"{said}\n\n{hint}" if said else hint
    return result


def _take_object(left: Schema, result: Schema) -> None:
    kind = result.get("type")
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
    if not (is_object or isinstance(left.get("properties"), dict)):
        return
    result["properties"] = {name: output_schema(item) for name, item in _properties(left).items()}
    left.pop("properties", None)
    if "required" in left:
        result["required"] = left.pop("required")
    if left.get("additionalProperties") in (None, False):
        left.pop("additionalProperties", None)
    result["additionalProperties"] = False


def _take_array(left: Schema, result: Schema) -> None:
    if isinstance(left.get("items"), dict):
        result["items"] = output_schema(left.pop("items"))
    if left.get("minItems") in (0, 1):
        result["minItems"] = left.pop("minItems")
