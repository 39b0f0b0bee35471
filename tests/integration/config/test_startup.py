"""The start with a file: applied, or refused with everything that is wrong, also beside other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from management_api.config import startup
from management_api.config.problems import ConfigRefused
from providers.models import Credential, Provider
from tests.processes import clean_environment, own_database

PROJECT = Path(__file__).parents[3]

APPLY = """
import sys
from pathlib import Path
import django
django.setup()
from management_api.config import startup
from providers.models import Credential
from routing.models import ModelAlias
print("ready", flush=True)
sys.stdin.readline()
startup.load_and_apply(Path(sys.argv[1]))
startup.load_and_apply(Path(sys.argv[1]))
print(Credential.objects.count(), ModelAlias.objects.count())
"""


@pytest.mark.django_db
def test_a_good_file_is_applied_and_its_warnings_logged(tmp_path, caplog):
    path = tmp_path / "config.yaml"
    path.write_text("port: 9\ntelemetry: 1\nclaude-api-key:\n  - api-key: a\n")
    config = startup.load_and_apply(path, {})
    assert config.port == 9
    assert Credential.objects.count() == 1
    assert "config.yaml line 2, telemetry: is an unknown key and ignored" in caplog.text


@pytest.mark.django_db
def test_what_the_admin_has_already_is_logged(tmp_path, caplog):
    Provider.objects.create(key="kilo", adapter="openai-compatibility")
    path = tmp_path / "config.yaml"
    path.write_text("kilo:\n  - api-key: a\n")
    startup.load_and_apply(path, {})
    assert "config.yaml, kilo is stored as `kilo-2`: `kilo` is taken" in caplog.text


@pytest.mark.django_db
def test_a_bad_file_is_refused_with_every_error_and_nothing_is_applied(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("port: x\nclaude-api-key:\n  - api-key: a\n    weight: b\nfoo: 1\n")
    with pytest.raises(ConfigRefused) as caught:
        startup.load_and_apply(path, {})
    assert str(caught.value) == (
        "config.yaml line 1, port: must be a whole number, not text\n"
        "config.yaml line 4, claude-api-key[0].weight: must be a whole number, not text"
    )
    assert not Provider.objects.exists()


def test_two_processes_that_apply_the_same_file_at_once_agree(tmp_path):
    path = tmp_path / "config.yaml"
    models = "".join(f"      - {{name: m{n}, alias: a{n}}}\n" for n in range(20))
    path.write_text(
        "request-retry: 1\napi-keys: [one, two]\nclaude-api-key:\n"
        + "".join(f"  - api-key: k{n}\n    models:\n{models}" for n in range(3))
    )
    with own_database() as database:
        environment = clean_environment(
            tmp_path / "var", **database, DJANGO_SETTINGS_MODULE="cliproxy_site.settings"
        )
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=PROJECT,
            env=environment,
            check=True,
            timeout=100,
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", APPLY, os.fspath(path)],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0].strip() for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert answers == ["3 60", "3 60"]
