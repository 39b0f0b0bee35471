"""What a client sends to a relayed endpoint, read as far as routing needs, and made ready per candidate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from providers.errors import ClientError
from providers.upstream.client import Body
from routing.proxy.relay.multipart import ModelFinder, boundary_of
from routing.proxy.relay.upload import NO_EDIT, Edit, Upload, model_edit

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MULTIPART = "multipart/form-data"


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A body for one attempt: bytes, or a stream whose length may be known."""

    body: bytes = b""
    stream: Body | None = None
    length: int | None = None


class JsonPayload:
    """A JSON object. ``model`` is its field, or the endpoint's default."""

    def __init__(self, raw: bytes, default_model: str = "") -> None:
        """Raises ClientError for anything but an object whose ``model`` is text."""
        self.raw = raw
        try:
            self.fields = _FIELDS.decode(raw) if raw.strip() else {}
        except BAD_JSON as error:
            raise ClientError(f"The request body is not a JSON object: {error}.") from error
        self._named = self.text("model")
        self.model = self._named or default_model

    def text(self, name: str) -> str:
        """A member that is a text, "" when it is missing or null. Raises ClientError."""
        if name not in self.fields or bytes(self.fields[name]).strip() == b"null":
            return ""
        try:
            return _TEXT.decode(self.fields[name])
        except BAD_JSON as error:
            raise ClientError(f"The field `{name}` must be a text.", param=name) from error

    def value(self) -> Any:
        """The whole body decoded. Raises ClientError."""
        try:
            return msgspec.json.decode(self.raw)
        except BAD_JSON as error:
            raise ClientError(f"The request body cannot be read: {error}.") from error

    def prepared(self, model: str) -> Prepared:
        """The body with ``model`` in it; as it came when that stands there, or when ``model`` is ""."""
        if not model or model == self._named:
            return Prepared(body=self.raw)
        named = msgspec.Raw(msgspec.json.encode(model))
        return Prepared(body=msgspec.json.encode({**self.fields, "model": named}))


class UploadPayload:
    """A streamed body. Without a ``finder`` it passes as it is."""

    def __init__(self, upload: Upload, finder: ModelFinder | None, default_model: str = "") -> None:
        self._upload = upload
        self._finder = finder
        self.model = (finder.value if finder else None) or default_model

    @classmethod
    async def read(cls, upload: Upload, content_type: str, default_model: str) -> UploadPayload:
        """Read up to the field ``model``. Raises as ``Upload.find_model``, and MalformedMultipart."""
        return cls(upload, await upload.find_model(boundary_of(content_type)), default_model)

    def prepared(self, model: str) -> Prepared:
        edit: Edit = model_edit(self._finder, model) if self._finder is not None and model else NO_EDIT

        def stream() -> AsyncIterator[bytes]:
            return self._upload.replay(edit)

        return Prepared(stream=stream, length=self._upload.size(edit))


Payload = JsonPayload | UploadPayload
EMPTY = JsonPayload(b"")
