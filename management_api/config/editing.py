"""Writes into the configuration file: only what changed, with every comment and the order kept.

A change is made on the file's top-level keys. The lines of a key that did not change stay byte for byte; a
changed one is rendered anew, with the comments inside it. What comes out is checked like any file before it
takes the old one's place, so that an edit never leaves a file that would be refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

from management_api.config import document, schema
from management_api.config.problems import ConfigRefused

Change = Callable[[MutableMapping[str, Any]], None]
Plan = Callable[[bytes], Change]
"""Sees the file as it is, and says what to change in it."""


class CannotWrite(Exception):
    """The file cannot be written; the text says why, for a person."""


def edit(path: Path, change: Change) -> str:
    """Let ``change`` edit the file's top-level mapping, and write what came of it. Returns the new text.

    ``change`` gets a mapping of plain values that remembers comments; it may set, replace and delete keys at
    any depth. Raises ConfigRefused when the file, or what became of it, is not acceptable, CannotWrite when
    it cannot be saved; then nothing has changed. Edits of several processes go one after the other.
    Synchronous: it reads, parses and writes.
    """
    return rewrite(path, lambda content: changed(content, path.name, change))


def edit_seen(path: Path, plan: Plan) -> str:
    """As ``edit``, for a change that depends on what the file says now: ``plan`` gets its bytes first."""
    return rewrite(path, lambda content: changed(content, path.name, plan(content)))


def rewrite(path: Path, rewritten: Callable[[bytes], str]) -> str:
    """Put what ``rewritten`` makes of the file's bytes in their place. Returns and raises as ``edit``."""
    target = path.resolve()
    with _alone(target):
        content = document.read_bytes(target)
        text = rewritten(content)
        new = text.encode()
        if new != content:
            schema.accept(new, path.name, os.environ, lambda token: token)
            _replace(target, new)
    return text


def changed(content: bytes, source: str, change: Change) -> str:
    """``content`` after ``change``, as text. Raises ConfigRefused for what is no configuration file."""
    is_empty = all(not line.strip() or line.lstrip().startswith(b"#") for line in content.splitlines())
    text = content.decode() if is_empty else document.parse(content, source).text
    before = _load(text)
    sections = _Sections(text, list(before))
    # Without what stands between the keys: ruamel.yaml hangs it on the last value before it, and a list that
    # grows would then grow behind the next key's comment.
    after = _load(sections.bodies())
    change(after)
    names = [name for name in after if name not in before or before[name] != after[name]]
    gone = [name for name in before if name not in after]
    if not names and not gone:
        return text
    for name in gone:
        sections.remove(name)
    for name in names:
        sections.put(name, _rendered(after, name, text))
    result = sections.text()
    if _same(result, after):
        return result
    # Anchors that reach over several keys, or a mapping in braces: render the file as a whole.
    whole = _load(text)
    change(whole)
    return _dumped(whole, text)


def _yaml(text: str) -> YAML:
    """A round-trip YAML that indents lists as ``text`` does."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.allow_unicode = True
    offset = _list_offset(text)
    yaml.indent(mapping=2, sequence=2 + offset, offset=offset)
    yaml.representer.add_representer(type(None), _represent_null)
    return yaml


def _represent_null(representer: Any, data: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _list_offset(text: str) -> int:
    """How far the dash of a list stands from its key; 2 when the file has no list."""
    key_indent = 0
    for line in text.splitlines():
        bare = line.lstrip(" ")
        if not bare or bare.startswith("#"):
            continue
        indent = len(line) - len(bare)
        if bare.startswith("- "):
            return min(max(indent - key_indent, 0), 4)
        key_indent = indent
    return 2


def _load(text: str) -> CommentedMap:
    try:
        loaded = _yaml(text).load(text)
    except YAMLError as error:  # document.parse has said what; this is for what only construction finds
        raise ConfigRefused(()) from error
    return loaded if isinstance(loaded, CommentedMap) else CommentedMap()


def _dumped(data: CommentedMap, text: str) -> str:
    stream = io.StringIO()
    _yaml(text).dump(data, stream)
    return stream.getvalue()


def _rendered(data: CommentedMap, name: str, text: str) -> str:
    """``name`` and its value as they would stand in the file, without blank lines and comments behind."""
    alone = CommentedMap()
    alone[name] = data[name]
    if name in data.ca.items:
        alone.ca.items[name] = data.ca.items[name]
    return _without_tail(_dumped(alone, text).splitlines(keepends=True))[0]


def _without_tail(lines: list[str]) -> tuple[str, str]:
    """The lines up to the last that says something, and what follows: blank lines and whole-line comments
    at the margin, which belong to the next key."""
    end = len(lines)
    while end > 0 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return "".join(lines[:end]), "".join(lines[end:])


def _same(text: str, data: CommentedMap) -> bool:
    """Whether ``text`` says ``data``, with every anchor where it was: a key that is rendered by itself brings
    those that it only uses along."""
    try:
        return not _repeats_anchor(text) and bool(_load(text) == data)
    except ConfigRefused:
        return False


def _repeats_anchor(text: str) -> bool:
    if "&" not in text:
        return False
    try:
        found = [event.anchor for event in YAML(typ="rt", pure=True).parse(text) if _has_anchor(event)]
    except YAMLError:
        return True
    return len(found) > len(set(found))


def _has_anchor(event: Any) -> bool:
    return not isinstance(event, AliasEvent) and getattr(event, "anchor", None) is not None


class _Sections:
    """The file's text in pieces: a head, then for each top-level key its lines and what stands behind."""

    def __init__(self, text: str, names: list[str]) -> None:
        lines = text.splitlines(keepends=True)
        starts = self._starts(text, names)
        first = min(starts.values(), default=len(lines))
        self._head = "".join(lines[:first])
        self._pieces: dict[str, tuple[str, str]] = {}
        ordered = sorted(starts, key=lambda name: starts[name])
        for at, name in enumerate(ordered):
            end = starts[ordered[at + 1]] if at + 1 < len(ordered) else len(lines)
            self._pieces[name] = _without_tail(lines[starts[name] : end])

    @staticmethod
    def _starts(text: str, names: list[str]) -> dict[str, int]:
        root = YAML(typ="rt", pure=True).compose(text) if names else None
        if root is None:
            return {}
        return {str(key.value): key.start_mark.line for key, _ in root.value}

    def bodies(self) -> str:
        return "".join(body if body.endswith("\n") else f"{body}\n" for body, _ in self._pieces.values())

    def remove(self, name: str) -> None:
        """What stands behind ``name`` goes to the key before it, or to the head."""
        names = list(self._pieces)
        at = names.index(name)
        _, tail = self._pieces.pop(name)
        if at == 0:
            self._head += tail.lstrip("\n")
        else:
            body, behind = self._pieces[names[at - 1]]
            self._pieces[names[at - 1]] = body, behind + tail.removeprefix("\n")

    def put(self, name: str, body: str) -> None:
        self._pieces[name] = body, self._pieces.get(name, ("", ""))[1]

    def text(self) -> str:
        pieces = [self._head, *(part for piece in self._pieces.values() for part in piece)]
        result = ""
        for piece in pieces:
            if piece and result and not result.endswith("\n"):
                result += "\n"
            result += piece
        return result


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One editor at a time, by a lock on the folder: the file itself is replaced and would lose its lock."""
    try:
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CannotWrite(f"{path.parent} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, content: bytes) -> None:
    """``content`` into ``path``, whole or not at all, with the old file's mode and owner. A file that is
    mounted by itself (a container's ``-v config.yaml``) cannot be replaced and is written in place."""
    old = path.stat()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(stat.S_IMODE(old.st_mode))
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            _give_back(draft, old)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        _write_in_place(path, content)


def _give_back(draft: Path, old: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):  # only root may give files away; it then belongs to us
        os.chown(draft, old.st_uid, old.st_gid)


def _write_in_place(path: Path, content: bytes) -> None:
    try:
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error
