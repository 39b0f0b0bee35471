"""Where the field ``model`` stands in a multipart body, found while the body arrives (RFC 7578, RFC 2046).

Reads, never rewrites, and holds at most one part's head or the field's short value: files pass through it
in whatever pieces they come.
"""

from __future__ import annotations

import re

from providers.errors import ClientError

MAX_HEAD = 16 * 1024
MAX_VALUE = 1024
MAX_PADDING = 256
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:(.*)$", re.IGNORECASE | re.MULTILINE)


class MalformedMultipart(ClientError):
    """400: the body is not what its content type says."""


def boundary_of(content_type: str) -> bytes:
    """Raises MalformedMultipart when the content type names none."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise MalformedMultipart("The content type multipart/form-data names no boundary.")
    return (found[1] or found[2]).encode("latin-1")


class ModelFinder:
    """Fed with a body piece by piece; done when ``is_over``.

    ``value`` is the field's text, None while (or when) it is missing, and ``span`` its place in the body.
    ``first_part`` is the offset at which a part may be put before all others.
    """

    def __init__(self, boundary: bytes) -> None:
        self.boundary = boundary
        self.value: str | None = None
        self.span = (0, 0)
        self.first_part: int | None = None
        self.is_over = False
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter may open the body: a line end that is not there makes all alike.
        self._held = bytearray(b"\r\n")
        self._offset = -2
        self._step = self._skip

    def feed(self, data: bytes) -> None:
        """Raises MalformedMultipart."""
        self._held += data
        while not self.is_over and self._step():
            pass

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        self._offset += count
        return taken

    def _skip(self) -> bool:
        """A preamble, or the content of another field."""
        at = self._held.find(self._delimiter)
        if at < 0:
            surplus = len(self._held) - len(self._delimiter) + 1
            if surplus > 0:
                self._take(surplus)
            return False
        if self.first_part is None:
            self.first_part = self._offset + at + 2
        self._take(at + len(self._delimiter))
        self._step = self._border
        return True

    def _border(self) -> bool:
        """Behind a delimiter: the end of all, or white space and a line end."""
        if len(self._held) < 2:
            return False
        if self._held.startswith(b"--"):
            self.is_over = True
            return False
        at = self._held.find(b"\r\n")
        if at < 0:
            if len(self._held) > MAX_PADDING:
                raise MalformedMultipart("A boundary of the multipart body is not followed by a line end.")
            return False
        self._take(at)
        self._step = self._head
        return True

    def _head(self) -> bool:
        at = self._held.find(b"\r\n\r\n")
        if at < 0:
            if len(self._held) > MAX_HEAD:
                raise MalformedMultipart("A part of the multipart body has too long a head.")
            return False
        head = self._take(at + 4)
        disposition = _DISPOSITION.search(head)
        name = _NAME.search(disposition[1]) if disposition else None
        is_model = name is not None and (name[1] or name[2]) == b"model"
        self._step = self._field if is_model else self._skip
        return True

    def _field(self) -> bool:
        at = self._held.find(self._delimiter)
        if (len(self._held) - len(self._delimiter) if at < 0 else at) > MAX_VALUE:
            raise MalformedMultipart("The field `model` is too long.", param="model")
        if at < 0:
            return False
        self.span = (self._offset, self._offset + at)
        try:
            self.value = bytes(self._held[:at]).decode().strip()
        except UnicodeDecodeError:
            raise MalformedMultipart("The field `model` is not text.", param="model") from None
        self.is_over = True
        return False


def model_part(boundary: bytes, model: str) -> bytes:
    """The field as a part of its own, to be put before the others."""
    head = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' % boundary
    return head + model.encode() + b"\r\n"
