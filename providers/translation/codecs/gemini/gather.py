"""The chunks of a Gemini stream put together as the whole answer that the upstream would have given.

For equal formats on both sides where the upstream does nothing but stream: nothing is translated, so what
this gateway does not know survives. Only texts that continue each other are joined; of other members the last
one counts, except lists of which each chunk has its share.
"""

from __future__ import annotations

import msgspec

from providers.translation.model import Json

_CHUNK = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CANDIDATES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_CONTENT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_PART = msgspec.json.Decoder(dict[str, Json])
_INDEX = msgspec.json.Decoder(int)
_TEXT_KEYS = frozenset({"text", "thought", "thoughtSignature"})
_SHARED = {
    "logprobsResult": ("chosenCandidates", "topCandidates"),
    "citationMetadata": ("citationSources", "citations"),
}
_BAD_JSON = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)


class _Candidate:
    def __init__(self) -> None:
        self.fields: dict[str, msgspec.Raw] = {}
        self.content: dict[str, msgspec.Raw] = {}
        self.parts: list[msgspec.Raw] = []
        self.open: dict[str, Json] | None = None
        """The last part, while text may join it, and its texts."""
        self.texts: list[str] = []

    def add(self, fields: dict[str, msgspec.Raw]) -> None:
        for name, raw in fields.items():
            if name == "content":
                content = _CONTENT.decode(raw)
                for part in _PARTS.decode(content.pop("parts", b"[]")):
                    self._add_part(part)
                self.content |= content
            elif name in _SHARED and name in self.fields:
                self.fields[name] = _with_shares(self.fields[name], raw, _SHARED[name])
            else:
                self.fields[name] = raw

    def _add_part(self, raw: msgspec.Raw) -> None:
        part = _PART.decode(raw)
        text = part.get("text")
        if not part.keys() <= _TEXT_KEYS or not isinstance(text, str):
            self._close()
            self.parts.append(raw)
            return
        last = self.open
        if last is None or "thoughtSignature" in last or last.get("thought") != part.get("thought"):
            self._close()
            last = {}
        self.open = {**last, **part}
        self.texts.append(text)

    def _close(self) -> None:
        if self.open is not None:
            self.parts.append(msgspec.Raw(msgspec.json.encode({**self.open, "text": "".join(self.texts)})))
        self.open, self.texts = None, []

    def encoded(self) -> dict[str, Json]:
        self._close()
        fields: dict[str, Json] = {}
        if self.content or self.parts:
            fields["content"] = {**({"parts": self.parts} if self.parts else {}), **self.content}
        return {**fields, **self.fields}


class Gatherer:
    """Feed it the data of the events, in order."""

    def __init__(self) -> None:
        self._fields: dict[str, msgspec.Raw] = {}
        self._candidates: dict[int, _Candidate] = {}
        self._is_broken = False

    def add(self, data: str) -> None:
        """Never raises: of what cannot be read nothing is made."""
        try:
            for name, raw in _CHUNK.decode(data).items() if data.strip() else ():
                if name == "candidates":
                    self._add_candidates(raw)
                elif name == "usageMetadata" and name in self._fields:
                    self._fields[name] = _merged(self._fields[name], raw)
                else:
                    self._fields[name] = raw
        except _BAD_JSON:
            self._is_broken = True

    def _add_candidates(self, raw: msgspec.Raw) -> None:
        for place, fields in enumerate(_CANDIDATES.decode(raw)):
            index = _INDEX.decode(fields["index"]) if "index" in fields else place
            self._candidates.setdefault(index, _Candidate()).add(fields)

    @property
    def body(self) -> bytes | None:
        """The answer, None when some of it could not be read."""
        if self._is_broken or not (self._candidates or self._fields):
            return None
        candidates = [self._candidates[index].encoded() for index in sorted(self._candidates)]
        head: dict[str, Json] = {"candidates": candidates} if candidates else {}
        return msgspec.json.encode({**head, **self._fields})


def _merged(earlier: msgspec.Raw, later: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_CHUNK.decode(earlier) | _CHUNK.decode(later)))


def _with_shares(earlier: msgspec.Raw, later: msgspec.Raw, names: tuple[str, ...]) -> msgspec.Raw:
    first, second = _CHUNK.decode(earlier), _CHUNK.decode(later)
    lists = {
        name: msgspec.Raw(msgspec.json.encode(_PARTS.decode(first[name]) + _PARTS.decode(second[name])))
        for name in names
        if name in first and name in second
    }
    return msgspec.Raw(msgspec.json.encode({**first, **second, **lists}))
