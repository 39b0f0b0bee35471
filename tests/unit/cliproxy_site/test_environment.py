"""A bad value in the environment is one sentence; a good one is read as its type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from cliproxy_site.environment import Environment, misspelt


@pytest.fixture
def env(monkeypatch):
    reader = Environment()
    reader.ENVIRON = {}
    return reader


@pytest.mark.parametrize(
    ("cast", "sentence"),
    [("int", "X must be a whole number, not 'many'."), ("float", "X must be a number, not 'many'.")],
)
def test_text_where_a_number_belongs_ends_the_start_with_a_sentence(env, cast, sentence):
    env.ENVIRON["X"] = "many"
    with pytest.raises(SystemExit) as caught:
        getattr(env, cast)("X", default=1)
    assert caught.value.code == sentence


def test_a_positive_number_keeps_the_type_of_its_default(env):
    env.ENVIRON.update(WHOLE="7", PART="0.5")
    assert (env.positive("WHOLE", default=1), env.positive("PART", default=1.0)) == (7, 0.5)
    assert env.positive("ABSENT", default=3) == 3


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_number_that_is_not_positive_is_refused(env, value):
    env.ENVIRON["X"] = value
    with pytest.raises(SystemExit, match="X must be greater than 0"):
        env.positive("X", default=1.0)


@pytest.mark.parametrize(
    "url", ["nonsense", "nonsense://u:canary@h/d", "mysql://u:canary@h/d", "postgres://u:canary@h:x/d"]
)
def test_a_database_of_another_kind_is_refused_without_showing_the_password(env, url):
    env.ENVIRON["DATABASE_URL"] = url
    with pytest.raises(SystemExit) as caught:
        env.database("DATABASE_URL", default="sqlite:///x")
    assert "canary" not in str(caught.value.code)
    assert "sqlite:/// or postgres://" in str(caught.value.code)


@pytest.mark.parametrize(
    ("url", "engine"), [("sqlite:////tmp/x.db", "sqlite3"), ("postgres://u:p@h:5432/d", "postgresql")]
)
def test_both_kinds_of_database_are_known(env, url, engine):
    env.ENVIRON["DATABASE_URL"] = url
    assert env.database("DATABASE_URL", default="")["ENGINE"] == f"django.db.backends.{engine}"


def test_a_log_level_is_read_in_any_case_and_checked(env):
    env.ENVIRON["LEVEL"] = "debug"
    assert env.log_level("LEVEL", default="INFO") == "DEBUG"
    env.ENVIRON["LEVEL"] = "loud"
    with pytest.raises(SystemExit, match="must be DEBUG, INFO"):
        env.log_level("LEVEL", default="INFO")


@pytest.mark.parametrize("url", ["redis://h", "rediss://:secret@h:6380/1", "unix:///run/redis.sock", ""])
def test_a_redis_may_be_named_in_three_ways_or_not_at_all(env, url):
    env.ENVIRON["X"] = url
    assert env.redis("X") == url


@pytest.mark.parametrize("url", ["localhost:6379", "http://h", "redis://", "secret-word"])
def test_what_names_no_redis_is_refused_without_being_shown(env, url):
    env.ENVIRON["X"] = url
    with pytest.raises(SystemExit, match=r"X must be a URL that begins with redis://") as caught:
        env.redis("X")
    assert "secret" not in str(caught.value)


def test_a_time_zone_must_exist(env):
    env.ENVIRON["TIME_ZONE"] = "Mars/Base"
    with pytest.raises(SystemExit, match="TIME_ZONE must be a name such as UTC"):
        env.time_zone("TIME_ZONE", default="UTC")


def test_a_name_that_is_nearly_a_setting_is_told_and_that_of_somebody_else_is_not():
    known = {"CLIPROXY_PORT", "CLIPROXY_HOST", "CLIPROXY_DATA_DIR"}
    given = ["CLIPROXY_PRT", "CLIPROXY_DATADIR", "CLIPROXY_PORT_8317_TCP", "CLIPROXY_HOST", "PORT", "X"]
    assert list(misspelt(given, known)) == [
        ("CLIPROXY_DATADIR", "CLIPROXY_DATA_DIR"),
        ("CLIPROXY_PRT", "CLIPROXY_PORT"),
    ]


def test_every_setting_of_the_documentation_is_known():
    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(CLIPROXY_[A-Z_]+[A-Z])`", text))
    assert named <= settings.ENVIRONMENT_NAMES
