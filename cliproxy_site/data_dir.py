"""The data folder: database, generated secrets, spool. Private to its owner (0700, files 0600).

Runs before Django's settings exist, so it raises ``SetupProblem``, whose text is one clear sentence.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class SetupProblem(Exception):
    """The deployment cannot start; the text says why and what to do, for a person."""


def prepare(path: Path) -> Path:
    """Create the folder (0700) if needed and see that it can be written. Returns it resolved."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise SetupProblem(f"The data folder {path} is a file, not a folder.") from error
    except OSError as error:
        raise SetupProblem(f"The data folder {path} cannot be created: {error.strerror}.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SetupProblem(
            f"The data folder {path} is not writable; set CLIPROXY_DATA_DIR to a folder that is."
        )
    return path.resolve()


def read_or_create_secret(path: Path, length: int = 50) -> str:
    """The secret text in ``path``, made on first use with mode 0600.

    Two processes that start at once agree: the file is created exclusively and linked whole.
    """
    try:
        if text := path.read_text(encoding="ascii").strip():
            return text
        path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SetupProblem(f"The secret file {path} cannot be read: {error.strerror}.") from error
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(length) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its secret counts
        finally:
            draft.unlink()
    except OSError as error:
        raise SetupProblem(f"The secret file {path} cannot be written: {error.strerror}.") from error
    return path.read_text(encoding="ascii").strip()
