import tomllib
from pathlib import Path

from providers.adapters.headers import USER_AGENT, custom_headers, merge_headers
from tests.unit.providers.adapters.makers import make_credential


def test_the_user_agent_names_the_projects_version():
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert f"{project['name']}/{project['version']}" == USER_AGENT


def test_names_come_out_in_lower_case_and_values_trimmed():
    credential = make_credential(headers=((" X-Team ", " blue "), ("Authorization", "Token abc")))
    assert custom_headers(credential, {}) == {"x-team": "blue", "authorization": "Token abc"}


def test_a_dollar_value_copies_the_clients_header():
    credential = make_credential(headers=(("x-user", "$X-Forwarded-User"),))
    assert custom_headers(credential, {"x-forwarded-user": "ada"}) == {"x-user": "ada"}


def test_a_dollar_value_is_left_out_when_the_client_sent_no_such_header():
    credential = make_credential(headers=(("x-user", "$X-Forwarded-User"), ("x-lone", "$")))
    assert custom_headers(credential, {"other": "1"}) == {}


def test_blank_and_framing_headers_are_left_out():
    headers = (("", "1"), ("x-empty", " "), ("Content-Length", "5"), ("Transfer-Encoding", "chunked"))
    assert custom_headers(make_credential(headers=headers), {}) == {}


def test_a_value_cannot_break_out_of_its_line():
    credential = make_credential(headers=(("x-a", "1\r\nx-b: 2"), ("x-c", "$x-c")))
    assert custom_headers(credential, {"x-c": "1\nx-d: 2"}) == {}


def test_a_later_layer_wins_and_each_name_stands_once():
    assert merge_headers({"Accept": "a", "x": "1"}, {"accept": "b"}) == (("accept", "b"), ("x", "1"))
