"""Kiro: AWS CodeWhisperer, by a login with AWS Builder ID, IAM Identity Center or Kiro itself.

AWS documents none of it for others; what is here was learnt from clients of the service, and
docs/protocols/kiro.md marks each fact. Hosts depend on the region; a base URL of one's own takes the place
of all of them.
"""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlencode

import msgspec

from providers.adapters import kiro_search, model_lists, refusals
from providers.adapters.base import Adapter, Call, CatalogueModel, Found, UpstreamRequest
from providers.adapters.headers import USER_AGENT, call_headers, custom_headers, merge_headers
from providers.adapters.kiro_models import ABILITIES, KIRO_CATALOGUE, KIRO_MAPPINGS, WINDOW, described
from providers.translation.codec import Capabilities
from providers.translation.codecs.kiro.tools import REMOTE_SEARCH
from providers.values import CoolingLadder, CredentialEntry, Format, Refusal, RefusalKind

_PATH = "generateAssistantResponse"
_TARGET = "AmazonCodeWhispererStreamingService.GenerateAssistantResponse"
_AMAZON_Q, _CODEWHISPERER = "q", "codewhisperer"
_HOSTS = (_AMAZON_Q, _CODEWHISPERER)
_PREFERRED = {"codewhisperer": _CODEWHISPERER, "ide": _CODEWHISPERER}
"""Spellings of the second host as a preference; every other one means the first."""
_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+-\d+")
_REGION_OF_ARN = re.compile(r"arn:[a-z0-9-]+:codewhisperer:([a-z0-9-]+):")
_WITHOUT_PROFILE = frozenset({"builder-id", "idc", "aws_sso_oidc"})
"""Logins whose calls are refused (403) when they name a profile."""
_COMPANY_LOGINS = frozenset({"idc"})
_TASKS = frozenset({"vibe", "dev", "chat"})

_SUSPENDED_S = 24 * 3600.0
_THROTTLED = CoolingLadder(initial_s=60, max_s=300)
"""A minute, and twice as long each time up to five, where no answer names a delay."""
_SPENT_S = 30 * 60.0
_SPENT = ("monthly_request_count", "reached the limit", "overage", "servicequotaexceeded")
_BUSY = ("insufficient_model_capacity", "high traffic", "high load")
_BAD_TOKEN = ("token", "expired", "invalid")
_TOO_LONG = ("content_length_exceeds_threshold", "input is too long")
_BAD_MODEL = ("invalid_model_id", "invalid model")


class Kiro(Adapter):
    key = "kiro"
    name = "Kiro (AWS)"
    speaks = Format.KIRO
    streams_only = True
    base_url = "https://q.us-east-1.amazonaws.com"
    key_hint = "An access token of Kiro; better: connect the account."
    owned_by = "aws"
    catalogue = KIRO_CATALOGUE

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        return ()

    search_tool = REMOTE_SEARCH
    default_mappings = KIRO_MAPPINGS
    mappings_are_aliases = True
    has_other_addresses = True
    needs_login = True

    def request(self, call: Call) -> UpstreamRequest:
        return self._request_at(self._hosts(call.credential)[0], call)

    def elsewhere(self, call: Call, tries: int, status: int | None, body: bytes) -> UpstreamRequest | None:
        """The second host has limits of its own, so a throttled call is tried there too."""
        hosts = self._hosts(call.credential)
        if tries >= len(hosts) or status not in (None, 429):
            return None
        return self._request_at(hosts[tries], call)

    def search_request(self, credential: CredentialEntry, query: str, seed: str) -> UpstreamRequest:
        """Always at Amazon Q's host, which alone has the endpoint."""
        base = self._own_base(credential) or f"https://{_AMAZON_Q}.{_region(credential)}.amazonaws.com"
        arn = _told(credential, "profile-arn")
        return UpstreamRequest(
            method="POST",
            url=f"{base}/mcp",
            headers=merge_headers(
                {"content-type": "application/json", "accept": "application/json"},
                self._common_headers(credential),
                {"x-amz-iam-profile-arn": arn} if arn else {},
                custom_headers(credential, {}),
            ),
            body=kiro_search.call(query, seed),
        )

    def read_search(self, status: int, body: bytes) -> Found:
        return kiro_search.read(status, body)

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        query = {"origin": "AI_EDITOR"}
        if arn := _profile(credential):
            query["profileArn"] = arn
        host = self._own_base(credential) or f"https://q.{_region(credential)}.amazonaws.com"
        return UpstreamRequest(
            method="GET",
            url=f"{host}/listAvailableModels?{urlencode(query)}",
            headers=merge_headers(
                {"accept": "application/json"},
                self._common_headers(credential),
                custom_headers(credential, {}),
            ),
        )

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        """Offered as ``kiro-`` and the service's own id, its points as dashes."""
        models = {}
        for entry in model_lists.entries(body, "models"):
            if own_id := model_lists.text_of(entry.get("modelId")):
                model_id = "kiro-" + own_id.replace(".", "-")
                limits = entry.get("tokenLimits")
                longest = limits.get("maxInputTokens") if isinstance(limits, dict) else None
                window = model_lists.count_of(longest)
                title = model_lists.text_of(entry.get("modelName")) or own_id
                models[model_id] = described(model_id, f"Kiro {title}", window or WINDOW)
        return tuple(models.values())

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        detail = msgspec.structs.replace(detail, code=_code(detail))
        text = detail.text
        if status == 403 and "suspended" in text:
            rest = refusals.refusal(RefusalKind.PAYMENT, detail, status, headers, now)
            return _resting(rest, _SUSPENDED_S)
        if status == 402 or (status in (400, 403, 429) and any(mark in text for mark in _SPENT)):
            spent = refusals.refusal(RefusalKind.QUOTA, detail, 429, headers, now)
            return _resting(spent, _SPENT_S)
        if status == 403 and any(mark in text for mark in _BAD_TOKEN):
            return refusals.refusal(RefusalKind.UNAUTHORIZED, detail, status, headers, now)
        if status == 400 and any(mark in text for mark in _TOO_LONG):
            return refusals.refusal(RefusalKind.CONTEXT_LENGTH, detail, status, headers, now)
        if status == 400 and any(mark in text for mark in _BAD_MODEL):
            return refusals.refusal(RefusalKind.MODEL_UNSUPPORTED, detail, status, headers, now)
        found = refusals.classify(detail, status, headers, now)
        if found.kind is RefusalKind.QUOTA and not any(mark in text for mark in _BUSY):
            return msgspec.structs.replace(found, ladder=_THROTTLED, credential_wide=True)
        return found

    def capabilities(self, model: str) -> Capabilities:
        return ABILITIES

    # --- addresses -------------------------------------------------------------------------

    def _own_base(self, credential: CredentialEntry) -> str:
        """The base URL that somebody set in place of AWS's hosts, else ""."""
        base = credential.base_url.rstrip("/")
        return "" if base == self.base_url else base

    def _hosts(self, credential: CredentialEntry) -> tuple[str, ...]:
        """Which hosts to ask, in turn: Amazon Q's first unless the other is preferred, which a company's
        account does not choose. An address of one's own is one host."""
        wanted = _told(credential, "preferred-endpoint") or _told(credential, "kiro-preferred-endpoint")
        is_company = credential.account.get("auth_method", "").lower() in _COMPANY_LOGINS
        first = _AMAZON_Q if is_company else _PREFERRED.get(wanted.lower(), _AMAZON_Q)
        ordered = tuple(sorted(_HOSTS, key=lambda host: host != first))
        return ordered[:1] if self._own_base(credential) else ordered

    def _request_at(self, host: str, call: Call) -> UpstreamRequest:
        credential = call.credential
        base = self._own_base(credential) or f"https://{host}.{_region(credential)}.amazonaws.com"
        target = {"x-amz-target": _TARGET} if host == _CODEWHISPERER else {}
        return UpstreamRequest(
            method="POST",
            url=f"{base}/{_PATH}",
            headers=merge_headers(
                {"content-type": "application/json", "accept": "*/*"},
                self._common_headers(credential),
                {
                    "x-amzn-kiro-agent-mode": "vibe",
                    "x-amzn-codewhisperer-optout": "true",
                    "amz-sdk-request": "attempt=1; max=3",
                    "amz-sdk-invocation-id": str(uuid.UUID(hex=(call.seed or "0").rjust(32, "0")[:32])),
                },
                target,
                call_headers(call.headers),
                custom_headers(credential, dict(call.client_headers)),
            ),
            body=_completed(call),
        )

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        plain = {"accept-encoding": "identity", "user-agent": USER_AGENT, "x-amz-user-agent": USER_AGENT}
        secret = credential.secret
        return plain | {"authorization": f"Bearer {secret}"} if secret else plain


def _completed(call: Call) -> bytes:
    """The codec's body with what depends on the account: its profile, and the kind of task."""
    arn, task = _profile(call.credential), _told(call.credential, "agent-task-type").lower()
    if not arn and (task not in _TASKS or task == "vibe"):
        return call.body
    body = msgspec.json.decode(call.body)
    if task in _TASKS and isinstance(state := body.get("conversationState"), dict):
        body["conversationState"] = {**state, "agentTaskType": task}
    if arn:
        body["profileArn"] = arn
    return msgspec.json.encode(body)


def _told(credential: CredentialEntry, name: str) -> str:
    """A switch of the account, else of the provider."""
    value = credential.account.get(name.replace("-", "_")) or credential.options.get(name)
    return value.strip() if isinstance(value, str) else ""


def _profile(credential: CredentialEntry) -> str:
    method = credential.account.get("auth_method", "").lower()
    return "" if method in _WITHOUT_PROFILE else _told(credential, "profile-arn")


def _region(credential: CredentialEntry) -> str:
    """Of the API, which is not that of the login: told, else the profile's, else AWS's first."""
    found = _REGION_OF_ARN.match(_told(credential, "profile-arn"))
    for region in (_told(credential, "api-region"), found[1] if found else ""):
        if _REGION.fullmatch(region):
            return region
    return "us-east-1"


def _code(detail: refusals.Detail) -> str | None:
    """``reason`` or ``__type`` where the body names no code: ``MONTHLY_REQUEST_COUNT``."""
    body = detail.body if isinstance(detail.body, dict) else {}
    nested = body.get("error")
    raw = nested if isinstance(nested, dict) else body
    for name in ("reason", "__type"):
        value = raw.get(name)
        if isinstance(value, str) and value:
            return value.rpartition("#")[2][:200]
    return detail.code


def _resting(found: Refusal, seconds: float) -> Refusal:
    wait = max(found.retry_after_s or 0.0, seconds)
    return msgspec.structs.replace(found, retry_after_s=wait, names_quota_window=True, credential_wide=True)
