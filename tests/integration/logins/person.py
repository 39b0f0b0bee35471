"""A member of staff with a browser that runs no script: forms, links, and asking for the state."""

from __future__ import annotations

import re
import threading
import time
from html import unescape
from typing import Any

import httpx

PASSWORD = "a-long-password"


class Person:
    def __init__(self, browser: httpx.Client) -> None:
        self.browser = browser

    def sign_in(self, name: str = "admin") -> None:
        self.browser.get("/admin/login/")
        answer = self.post("/admin/login/", username=name, password=PASSWORD, next="/admin/")
        assert answer.status_code == 302

    def get(self, path: str) -> httpx.Response:
        return self.browser.get(path)

    def post(self, path: str, **fields: str) -> httpx.Response:
        token = self.browser.cookies.get("csrftoken", "")
        return self.browser.post(path, data={**fields, "csrfmiddlewaretoken": token})

    def connect(self, channel: str = "kiro", method: str = "builder-id", **fields: str) -> Attempt:
        """Go through the form to the attempt's page."""
        answer = self.post(f"/v0/oauth/{channel}", method=method, accept_terms="1", **fields)
        assert answer.status_code == 302, answer.text
        return Attempt(self, answer.headers["location"])


class Attempt:
    def __init__(self, person: Person, path: str) -> None:
        self.person = person
        self.path = path

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    def page(self) -> str:
        answer = self.person.get(self.path)
        assert answer.status_code == 200
        return answer.text

    def user_code(self) -> str:
        found = re.search(r'id="user-code"[^>]*>([^<]+)<', self.page())
        assert found is not None
        return found[1]

    def link(self) -> str:
        found = re.search(r'id="open-link" href="([^"]+)"', self.page())
        assert found is not None
        return unescape(found[1])

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.person.get(f"{self.path}/state").json()
        return state

    def end(self, within_s: float = 15.0) -> dict[str, Any]:
        """Its state when it is pending no more."""
        deadline = time.monotonic() + within_s
        while (state := self.state())["status"] == "pending" and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        return state
