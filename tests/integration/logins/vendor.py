"""A vendor on loopback where people log in: device codes of AWS and GitHub, and an authorization page.

It has pages of its own, so that a browser can go through a login: ``/device`` with the buttons "Allow" and
"Deny", and ``/authorize``, which sends the browser back with a code. What a person decides there is what the
gateway then polls. Written from the vendors' documents (docs/protocols/), not from the gateway's code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tests.processes import free_port

PAGE = (
    '<!doctype html><html lang="en"><title>Vendor</title>'
    '<body style="font-family:sans-serif"><h1>{title}</h1>{body}</body></html>'
)
RESETS_AT = int(time.time()) + 12 * 86_400
USAGE = {
    "usageBreakdownList": [
        {
            "resourceType": "AGENTIC_REQUEST",
            "usageLimit": 50,
            "currentUsage": 20,
            "nextDateReset": RESETS_AT,
        }
    ]
}
DEVICE_FORM = (
    '<form method="post" action="/device"><input name="user_code" value="{code}">'
    '<button name="verdict" value="allow">Allow access</button>'
    '<button name="verdict" value="deny">Deny</button></form>'
)


@dataclass
class Vendor:
    """What it was asked and how it will answer. ``verdicts``: what became of each device code."""

    url: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    code_of: dict[str, str] = field(default_factory=dict)
    """User code to device code."""
    challenges: dict[str, str] = field(default_factory=dict)
    """Authorization code to PKCE challenge; a code is good once."""
    asked: list[str] = field(default_factory=list)
    slow_downs: int = 0
    """So many polls are answered with ``slow_down`` first."""
    life_s: int = 600
    start_status: int = 200
    """0 drops the connection without an answer."""
    drops: int = 0
    """So many polls are dropped without an answer first."""
    callback_port: int = field(default_factory=free_port)
    """The channel claude's local port."""
    accounts: Iterator[int] = field(default_factory=lambda: count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def allow(self, user_code: str) -> None:
        self.verdicts[self.code_of[user_code]] = "allow"

    def deny(self, user_code: str) -> None:
        self.verdicts[self.code_of[user_code]] = "deny"

    def config(self) -> str:
        """Model calls and model lists of these logins go here too: no test leaves this machine."""
        channels = ("kiro", "github-copilot", "claude")
        return "oauth-upstream:\n" + "".join(f"  {name}: {self.url}/upstream\n" for name in channels)

    def environment(self) -> dict[str, str]:
        """Settings that put this vendor in the place of AWS, GitHub and Anthropic."""
        return {
            "CLIPROXY_OAUTH_KIRO_OIDC_URL": f"{self.url}/oidc",
            "CLIPROXY_OAUTH_KIRO_SOCIAL_URL": f"{self.url}/social",
            "CLIPROXY_OAUTH_KIRO_PROFILE_URL": f"{self.url}/profiles",
            "CLIPROXY_OAUTH_KIRO_USAGE_URL": f"{self.url}/usage",
            "CLIPROXY_OAUTH_KIRO_POLL_MINIMUM_S": "0.1",
            "CLIPROXY_OAUTH_GITHUB_COPILOT_DEVICE_URL": f"{self.url}/github/device",
            "CLIPROXY_OAUTH_GITHUB_COPILOT_TOKEN_URL": f"{self.url}/github/token",
            "CLIPROXY_OAUTH_GITHUB_COPILOT_USER_URL": f"{self.url}/github/user",
            "CLIPROXY_OAUTH_GITHUB_COPILOT_COPILOT_TOKEN_URL": f"{self.url}/github/copilot",
            "CLIPROXY_OAUTH_GITHUB_COPILOT_POLL_MINIMUM_S": "0.1",
            "CLIPROXY_OAUTH_CLAUDE_CALLBACK_PORT": str(self.callback_port),
            "CLIPROXY_OAUTH_CLAUDE_USAGE_URL": f"{self.url}/claude/usage",
            "CLIPROXY_OAUTH_GITHUB_COPILOT_USAGE_URL": f"{self.url}/github/usage",
            "CLIPROXY_OAUTH_CLAUDE_AUTHORIZE_URL": f"{self.url}/authorize",
            "CLIPROXY_OAUTH_CLAUDE_TOKEN_URL": f"{self.url}/claude/token",
            "CLIPROXY_OAUTH_CLAUDE_PROFILE_URL": f"{self.url}/claude/profile",
        }


class Handler(BaseHTTPRequestHandler):
    vendor: Vendor

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.vendor.asked.append(f"GET {parts.path}")
        query = dict(parse_qsl(parts.query))
        match parts.path:
            case "/device":
                form = DEVICE_FORM.format(code=query.get("user_code", ""))
                self._page("Sign in to Acme", form)
            case "/authorize":
                self._authorize(query)
            case "/github/user":
                self._json(200, {"login": self._who()})
            case "/github/copilot":
                self._json(
                    200, {"token": "tid=canary-copilot", "expires_at": 4_000_000_000, "refresh_in": 1500}
                )
            case "/usage/getUsageLimits":
                self._json(
                    200, {"userInfo": {"email": f"{self._who()}@example.com", "userId": self._who()}} | USAGE
                )
            case "/claude/profile":
                self._json(200, {"account": {"uuid": self._who(), "email": f"{self._who()}@example.com"}})
            case _:
                self._json(404, {"error": "not found"})

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        self.vendor.asked.append(f"POST {parts.path}")
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_json = "json" in self.headers.get("Content-Type", "")
        body: dict[str, Any] = (
            json.loads(raw or b"{}") if is_json else {k: v[0] for k, v in parse_qs(raw.decode()).items()}
        )
        match parts.path:
            case "/oidc/client/register":
                self._json(200, {"clientId": "client-1", "clientSecret": "canary-client-secret"})
            case "/oidc/device_authorization":
                self._start(
                    "deviceCode", "userCode", "verificationUri", "verificationUriComplete", "expiresIn"
                )
            case "/oidc/token" if body.get("grantType") == "refresh_token":
                with self.vendor.lock:
                    renewed = f"canary-renewed-{next(self.vendor.accounts)}"
                self._json(200, {"accessToken": renewed, "refreshToken": renewed, "expiresIn": 3600})
            case "/oidc/token":
                self._poll(body.get("deviceCode", ""), 400, "accessToken", "refreshToken", "expiresIn")
            case "/github/device":
                self._start(
                    "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in"
                )
            case "/github/token":
                self._poll(body.get("device_code", ""), 200, "access_token", "refresh_token", "expires_in")
            case "/social/refreshToken":
                self._social(body.get("refreshToken", ""))
            case "/profiles":
                self._json(200, {"profileArn": "arn:aws:codewhisperer:us-east-1:1:profile/ACME"})
            case "/claude/token":
                self._exchange(body)
            case "/device":
                code = self.vendor.code_of.get(str(body.get("user_code")), "")
                self.vendor.verdicts[code] = str(body.get("verdict"))
                self._page("Thank you", "You can close this window.")
            case _:
                self._json(404, {"error": "not found"})

    def _start(self, device: str, user: str, link: str, complete: str, life: str) -> None:
        if self.vendor.start_status == 0:
            self._drop()
            return
        if self.vendor.start_status != 200:
            self._json(self.vendor.start_status, {"error": "server_error"})
            return
        with self.vendor.lock:
            number = next(self.vendor.accounts)
            device_code, user_code = f"device-{number}", f"ACME-{number:04d}"
            self.vendor.code_of[user_code] = device_code
        answer = {device: device_code, user: user_code, link: f"{self.vendor.url}/device", "interval": 0.1}
        answer |= {complete: f"{self.vendor.url}/device?user_code={user_code}", life: self.vendor.life_s}
        self._json(200, answer)

    def _poll(self, device_code: str, status: int, access: str, refresh: str, life: str) -> None:
        if self.vendor.drops > 0:
            self.vendor.drops -= 1
            self._drop()
            return
        if self.vendor.slow_downs > 0:
            self.vendor.slow_downs -= 1
            self._json(status, {"error": "slow_down"})
            return
        match self.vendor.verdicts.get(device_code):
            case "allow":
                tokens = {access: f"canary-access-{device_code}", refresh: f"canary-refresh-{device_code}"}
                self._json(200, {**tokens, life: 3600, "token_type": "bearer"})
            case "deny":
                self._json(status, {"error": "access_denied"})
            case _:
                self._json(status, {"error": "authorization_pending"})

    def _social(self, token: str) -> None:
        if not token.startswith("aorAAAAAG-good"):
            self._json(401, {"error": "invalid_grant"})
            return
        self._json(200, {"accessToken": f"canary-access-{token}", "refreshToken": token, "expiresIn": 3600})

    def _authorize(self, query: dict[str, str]) -> None:
        """A page with a link back, as a person would click it."""
        code = f"code-{next(self.vendor.accounts)}"
        self.vendor.challenges[code] = query.get("code_challenge", "")
        back = query["redirect_uri"]
        yes = f"{back}?{urlencode({'code': code, 'state': query['state']})}"
        no = f"{back}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        links = f'<a id="yes" href="{yes}">Allow access</a> <a id="no" href="{no}">Deny</a>'
        self._page("Sign in to Acme", links.replace("&", "&amp;"))

    def _exchange(self, body: dict[str, Any]) -> None:
        challenge = self.vendor.challenges.pop(str(body.get("code")), None)
        verifier = hashlib.sha256(str(body.get("code_verifier")).encode()).digest()
        if challenge is None or base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != challenge:
            self._json(400, {"error": "invalid_grant"})
            return
        code = str(body["code"])
        tokens = {"access_token": f"canary-access-{code}", "refresh_token": f"canary-refresh-{code}"}
        account = {"uuid": code, "email_address": f"{code}@example.com"}
        self._json(200, {**tokens, "expires_in": 28_800, "account": account})

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _who(self) -> str:
        """A name for whose token it is, which does not tell the token."""
        token = self.headers.get("Authorization", "").rpartition(" ")[2]
        return f"user-{hashlib.sha256(token.encode()).hexdigest()[:8]}"

    def _json(self, status: int, content: Any) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _page(self, title: str, body: str) -> None:
        self._send(200, "text/html; charset=utf-8", PAGE.format(title=title, body=body).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running_vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    handler = type("Bound", (Handler,), {"vendor": vendor})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
