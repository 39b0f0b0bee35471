"""Whatever is wrong with a deployment is a sentence and a non-zero exit, never a traceback."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.integration.serve.conftest import ask
from tests.processes import CLIENT_KEY, REPOSITORY, clean_environment, free_port


def serve(folder, *arguments, **environment):
    """``manage.py serve`` that must end by itself: what it wrote on standard error."""
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(free_port()), *arguments],
        cwd=REPOSITORY,
        env=clean_environment(folder / "data", **environment),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr


def test_a_taken_port(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = serve(tmp_path, "--port", str(port))
    assert said == f"Port {port} on 127.0.0.1 is taken: another process already listens there.\n"


def test_a_data_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("")
    assert serve(tmp_path) == f"The data folder {tmp_path / 'data'} is a file, not a folder.\n"


def test_a_data_folder_under_a_file(tmp_path):
    (tmp_path / "data").write_text("")
    said = serve(tmp_path / "data")
    assert said == f"The data folder {tmp_path / 'data' / 'data'} cannot be created: Not a directory.\n"


def test_a_database_that_is_not_there(tmp_path):
    said = serve(tmp_path, DATABASE_URL=f"postgres://gateway:canary-pw@127.0.0.1:{free_port()}/gateway")
    assert said.startswith("The postgresql database cannot be used: ")
    assert said.count("\n") == 1
    assert "canary-pw" not in said


def test_a_database_file_in_a_folder_that_is_not_there(tmp_path):
    said = serve(tmp_path, DATABASE_URL="sqlite:////nowhere/at/all.sqlite3")
    assert said == "The sqlite3 database cannot be used: unable to open database file.\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("port: [1\nfoo: 2\n", "config.yaml line 2: a list or mapping in brackets lacks"),
        ("port: many\n", "config.yaml line 1, port: must be a whole number, not text"),
    ],
)
def test_a_broken_configuration_file(tmp_path, text, sentence):
    (tmp_path / "config.yaml").write_text(text)
    assert serve(tmp_path, "--config", str(tmp_path / "config.yaml")).startswith(sentence)


def test_a_configuration_file_that_is_not_there(tmp_path):
    said = serve(tmp_path, "--config", str(tmp_path / "nope.yaml"))
    assert said == f"nope.yaml: {tmp_path / 'nope.yaml'} does not exist\n"


@pytest.mark.parametrize("port", ["abc", "65536", "0"])
def test_a_port_in_the_environment_that_is_none_is_ignored_with_a_warning(tmp_path, port):
    with socket.socket() as holder:  # the file's port is taken, so that the process ends by itself
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        (tmp_path / "config.yaml").write_text(f"port: {taken}\nhost: 127.0.0.1\n")
        done = subprocess.run(
            [sys.executable, "manage.py", "serve", "--config", str(tmp_path / "config.yaml")],
            cwd=REPOSITORY,
            env=clean_environment(tmp_path / "data", CLIPROXY_PORT=port),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 1
    assert "CLIPROXY_PORT is not a port (1 to 65535) and is ignored" in done.stderr
    assert f"Port {taken} on 127.0.0.1 is taken" in done.stderr


def test_a_lost_encryption_key(start_gateway, tmp_path):
    config = "claude-api-key:\n  - api-key: canary-claude\n    base-url: http://127.0.0.1:9\n"
    gateway = start_gateway(config=config)
    assert gateway.stop() == 0
    (key,) = gateway.data_dir.glob("encryption_keys")
    key.unlink()
    said = serve(gateway.data_dir.parent, **_database(gateway))
    assert said.startswith("The encryption key ")
    assert " is missing" in said
    assert "put it back into " in said
    assert said.count("\n") == 1
    assert not key.exists()


def test_an_encryption_key_that_is_none(tmp_path):
    said = serve(tmp_path, CLIPROXY_ENCRYPTION_KEYS="canary", OPENAI_API_KEY="sk-canary")
    assert said == "An encryption key in CLIPROXY_ENCRYPTION_KEYS is not 32 bytes of URL-safe base64.\n"


def test_a_redis_that_is_not_there_does_not_matter(start_gateway):
    gateway = start_gateway(environment={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})
    assert ask(gateway.port, CLIENT_KEY).status_code == 200


def _database(gateway):
    url = gateway.environment.get("DATABASE_URL")
    return {"DATABASE_URL": url} if url else {}


def test_a_certificate_that_is_not_there(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"tls: {{enable: true, cert: {tmp_path}/no.pem, key: {tmp_path}/no.pem}}\n")
    said = serve(tmp_path, "--config", str(config))
    assert f"The TLS file {tmp_path}/no.pem cannot be read: No such file or directory.\n" in said
