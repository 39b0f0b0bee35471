"""The root, and addresses at which there is nothing: pages for browsers, JSON for programs."""

from __future__ import annotations

import json

import pytest
from django.test import RequestFactory
from django.urls import Resolver404

from cliproxy_site.pages import home, not_found

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_at_the_root_is_led_to_the_admin():
    answer = home(RequestFactory().get("/", headers=BROWSER))
    assert (answer.status_code, answer["location"]) == (302, "/admin/")


@pytest.mark.parametrize("headers", [{}, {"accept": "*/*"}, {"accept": "application/json"}])
def test_a_program_at_the_root_is_told_what_is_here(headers):
    answer = home(RequestFactory().get("/", headers=headers))
    assert answer.status_code == 200
    assert "POST /v1/chat/completions" in json.loads(answer.content)["endpoints"]


@pytest.mark.parametrize(
    ("path", "headers", "mark"),
    [
        ("/api/v1/chat/completions", {}, '"code":"unknown_url"'),
        ("/anthropic/v1/messages", {"anthropic-version": "2023-06-01"}, '"type":"not_found_error"'),
        ("/gemini/x", {"x-goog-api-key": "k"}, '"status":"NOT_FOUND"'),
    ],
)
def test_a_wrong_base_url_is_answered_with_the_right_one(path, headers, mark):
    answer = not_found(RequestFactory().post(path, headers=headers), Resolver404())
    text = answer.content.decode()
    assert (answer.status_code, answer["content-type"]) == (404, "application/json")
    assert "POST /v1/chat/completions" in text
    assert mark in text


def test_a_browser_gets_a_page():
    answer = not_found(RequestFactory().get("/nothing", headers=BROWSER), Resolver404())
    assert answer.status_code == 404
    assert answer["content-type"].startswith("text/html")
