"""``manage.py`` ends without a traceback when somebody interrupts it."""

from __future__ import annotations

import pytest
from django.core import management

import manage


def test_an_interrupted_command_exits_with_130(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(management, "execute_from_command_line", interrupted)
    with pytest.raises(SystemExit) as ended:
        manage.main()
    assert ended.value.code == 130
