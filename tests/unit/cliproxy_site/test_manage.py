"""``manage.py`` ends without a traceback: interrupted, under an old Python, without the packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.core import management
from django.db import OperationalError

import manage


def test_an_interrupted_command_exits_with_130(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(management, "execute_from_command_line", interrupted)
    with pytest.raises(SystemExit) as ended:
        manage.main()
    assert ended.value.code == 130


def test_a_command_on_a_database_without_tables_says_what_to_do(monkeypatch):
    def fails(arguments):
        raise OperationalError("no such table: routing_clientkey")

    monkeypatch.setattr(management, "execute_from_command_line", fails)
    with pytest.raises(SystemExit, match=r"no such table: routing_clientkey\. .* `manage\.py migrate`\.$"):
        manage.main()
    monkeypatch.setattr(sys, "argv", ["manage.py", "client_key", "list", "--traceback"])
    with pytest.raises(OperationalError):
        manage.main()


def test_a_python_without_the_packages_is_told_which_to_use(monkeypatch):
    monkeypatch.setitem(sys.modules, "django.core.management", None)  # as if it could not be found
    with pytest.raises(SystemExit, match=r"packages are not installed .*make install.* \.venv/bin/python"):
        manage.main()


def test_a_python_that_is_too_old_is_told_so(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    monkeypatch.setattr(sys, "version", "3.10.13 (main)")
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.10\.13\."):
        manage.main()


def test_every_old_python_can_read_the_file_that_says_so():
    """What Python 2.7 and 3.6 cannot parse; a SyntaxError would hide the sentence."""
    source = Path(manage.__file__).read_text()
    for newer in ("from __future__ import annotations", "->", ' f"', '(f"', ":="):
        assert newer not in source.replace("# type: () -> None", "")
