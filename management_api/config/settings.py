"""The gateway's own settings in the file and in the environment: everything that is one row in the database.

Pure. Keys, defaults and rules: docs/configuration.md. What neither file nor environment sets has the value of
``SettingsConfig``; when nothing is set at all, the database keeps its own row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management_api.config import parts
from management_api.config.channels import base_urls, emptied_channels, error_rules
from management_api.config.fields import Fields
from management_api.config.keys import DISGUISE_CODEX, WITHOUT_EFFECT_TOP
from management_api.config.payload import read_payload
from management_api.config.problems import Findings
from management_api.config.values import SettingsConfig
from routing.core.table import Fallbacks, Strategy

STRATEGIES = {
    "": Strategy.ROUND_ROBIN,
    "round-robin": Strategy.ROUND_ROBIN,
    "roundrobin": Strategy.ROUND_ROBIN,
    "rr": Strategy.ROUND_ROBIN,
    "weighted-round-robin": Strategy.WEIGHTED,
    "weightedroundrobin": Strategy.WEIGHTED,
    "wrr": Strategy.WEIGHTED,
    "fill-first": Strategy.FILL_FIRST,
    "fillfirst": Strategy.FILL_FIRST,
    "ff": Strategy.FILL_FIRST,
    "least-busy": Strategy.LEAST_BUSY,
    "lowest-latency": Strategy.LOWEST_LATENCY,
    "lowest-cost": Strategy.LOWEST_COST,
}
IMAGE_GENERATION = {"true": "off", "false": "on", "chat": "chat", "passthrough": "passthrough"}
"""By what ``disable-image-generation`` says."""
_WORDS = {"1": "true", "0": "false", "yes": "true", "no": "false", "on": "true", "off": "false", "": "false"}
RETENTION_LIMIT_S = 3600
BCRYPT_LIMIT_BYTES = 72


def read_settings(fields: Fields, environ: Mapping[str, str], findings: Findings) -> SettingsConfig | None:
    """The gateway's settings, or None when neither file nor environment sets one."""
    given: dict[str, Any] = {
        **_retries(fields),
        **_routing(fields),
        **_traffic(fields),
        **_features(fields),
        **_logins(fields),
        **_logging(fields),
        **_management(fields),
    }
    for name, value in _overrides(environ, findings).items():
        if value is not None:
            given[name] = value
    chosen = {name: value for name, value in given.items() if value is not None}
    return SettingsConfig(**chosen) if chosen else None


def _not_negative(fields: Fields, key: str) -> int | None:
    """A whole number; a negative one counts as 0, as in CLIProxyAPI."""
    number = fields.integer(key)
    return None if number is None else max(number, 0)


def _retries(fields: Fields) -> dict[str, Any]:
    streaming = fields.mapping("streaming")
    found: dict[str, Any] = {
        "request_retry": _not_negative(fields, "request-retry"),
        "max_retry_credentials": _not_negative(fields, "max-retry-credentials"),
        "max_retry_interval_s": _not_negative(fields, "max-retry-interval"),
        "transient_cooldown_s": fields.integer("transient-error-cooldown-seconds"),
        "disable_cooling": fields.flag("disable-cooling"),
        "saves_cooldowns": fields.flag("save-cooldown-status"),
        "deadline_s": _not_negative(fields, "request-deadline-seconds"),
        "nonstream_keepalive_s": _not_negative(fields, "nonstream-keepalive-interval"),
        "error_rules": error_rules(fields) or None,
        "fallbacks": _fallbacks(fields) or None,
    }
    if streaming is not None:
        found["keepalive_s"] = _not_negative(streaming, "keepalive-seconds")
        found["bootstrap_retries"] = _not_negative(streaming, "bootstrap-retries")
        streaming.finish()
    return found


def _fallbacks(fields: Fields) -> dict[str, Fallbacks]:
    """``fallbacks``: model id -> other ids by cause; a bare list holds for exhaustion."""
    outer = fields.mapping("fallbacks")
    found: dict[str, Fallbacks] = {}
    for name in outer.names() if outer is not None else ():
        if outer is None or not outer.has(name):
            continue
        if outer.is_list(name):
            found[name] = Fallbacks(exhaustion=_ids(outer, name))
            continue
        inner = outer.mapping(name)
        if inner is None:
            continue
        found[name] = Fallbacks(
            context_length=_ids(inner, "context-overflow"),
            content_filter=_ids(inner, "content-filter"),
            exhaustion=_ids(inner, "exhaustion"),
        )
        inner.finish()
    return found


def _ids(fields: Fields, key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for _, _, text in fields.texts(key)))


def _routing(fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {"force_model_prefix": fields.flag("force-model-prefix")}
    routing = fields.mapping("routing")
    if routing is not None:
        found["strategy"] = routing.choice("strategy", STRATEGIES, Strategy.ROUND_ROBIN)
        found["session_affinity"] = routing.flag("session-affinity")
        ttl = routing.duration("session-affinity-ttl", 3600.0)
        found["session_affinity_ttl_s"] = None if ttl is None else max(round(ttl), 1)
        routing.finish()
    quota = fields.mapping("quota-exceeded")
    if quota is not None:
        found["switch_project"] = quota.flag("switch-project")
        found["switch_preview_model"] = quota.flag("switch-preview-model")
        found["antigravity_credits"] = quota.flag("antigravity-credits")
        quota.finish()
    return found


def _traffic(fields: Fields) -> dict[str, Any]:
    return {
        "proxy_url": parts.proxy_url(fields) or None,
        "passthrough_headers": fields.flag("passthrough-headers"),
        "payload": read_payload(fields) or None,
    }


def _features(fields: Fields) -> dict[str, Any]:
    ttl = fields.duration("video-result-auth-cache-ttl", 10_800.0)
    found: dict[str, Any] = {
        "image_generation": _image_generation(fields),
        "gpt_image_2_base_model": _image_base_model(fields),
        "video_result_ttl_s": None if ttl is None else max(round(ttl), 1),
        "responses_compact": fields.flag("responses-compact-enabled"),
        "responses_websocket": fields.flag("responses-websocket-enabled"),
        "antigravity_signature_cache": fields.flag("antigravity-signature-cache-enabled"),
        "antigravity_signature_bypass_strict": fields.flag("antigravity-signature-bypass-strict"),
    }
    codex = fields.mapping("codex")
    if codex is not None:
        found["codex_stream_buffering"] = codex.flag("stream-bootstrap-buffering")
        found["codex_multi_agent_v2"] = codex.flag("optimize-multi-agent-v2")
        _unless_off(codex, "live-media-relay", "the gateway relays no live media")
        codex.finish(DISGUISE_CODEX)
    xai = fields.mapping("xai")
    if xai is not None:
        found["xai_x_search"] = xai.flag("inject-x-search")
        xai.finish()
    for key, reason in WITHOUT_EFFECT_TOP.items():
        _unless_off(fields, key, reason)
    return found


def _unless_off(fields: Fields, key: str, reason: str) -> None:
    """Warn that ``key`` has no effect, unless its block says that it is off."""
    if not fields.has(key):
        fields.skip(key)
        return
    block = fields.mapping(key)
    if block is None:
        return
    switches = [switch for switch in ("enable", "enabled") if block.has(switch)]
    if not switches or any(block.flag(switch) for switch in switches):
        fields.warn(key, f"has no effect: {reason}")


def _image_generation(fields: Fields) -> str | None:
    if not fields.has("disable-image-generation"):
        fields.skip("disable-image-generation")
        return None
    written = fields.word("disable-image-generation")
    word = _WORDS.get(written, written)
    if word not in IMAGE_GENERATION:
        if "disable-image-generation" not in fields.failed:
            fields.error("disable-image-generation", "must be true, false, chat or passthrough")
        return None
    return IMAGE_GENERATION[word]


def _image_base_model(fields: Fields) -> str | None:
    model = fields.text("gpt-image-2-base-model", limit=100)
    if model and not model.lower().startswith("gpt-"):
        fields.warn("gpt-image-2-base-model", "must begin with gpt- and is ignored")
        return None
    return model or None


def _logins(fields: Fields) -> dict[str, Any]:
    workers = fields.integer("auth-auto-refresh-workers")
    return {
        "auth_dir": fields.text("auth-dir", limit=500) or None,
        "auth_refresh_workers": None if workers is None else (workers if workers > 0 else 16),
        "channel_base_urls": base_urls(fields) or None,
        "channels_without_aliases": emptied_channels(fields) or None,
        "kiro_preferred_endpoint": fields.text("kiro-preferred-endpoint", limit=32).lower() or None,
        "incognito_browser": fields.flag("incognito-browser"),
        "ws_auth": fields.flag("ws-auth"),
    }


def _logging(fields: Fields) -> dict[str, Any]:
    files = fields.integer("error-logs-max-files")
    retention = fields.integer("redis-usage-queue-retention-seconds")
    if retention is not None:
        retention = min(retention, RETENTION_LIMIT_S) if retention > 0 else 60
    return {
        "debug": fields.flag("debug"),
        "request_log": fields.flag("request-log"),
        "logging_to_file": fields.flag("logging-to-file"),
        "logs_max_total_size_mb": _not_negative(fields, "logs-max-total-size-mb"),
        "error_logs_max_files": None if files is None else (files if files >= 0 else 10),
        "usage_statistics": fields.flag("usage-statistics-enabled"),
        "usage_queue_retention_s": retention,
        "commercial_mode": fields.flag("commercial-mode"),
    }


def _management(fields: Fields) -> dict[str, Any]:
    block = fields.mapping("remote-management")
    if block is None:
        return {}
    key = block.text("secret-key")
    if len(key.encode()) > BCRYPT_LIMIT_BYTES:
        block.error("secret-key", f"must have at most {BCRYPT_LIMIT_BYTES} bytes")
        key = ""
    found = {
        "management_key": key or None,
        "allow_remote_management": block.flag("allow-remote"),
        "disable_control_panel": block.flag("disable-control-panel"),
    }
    # The gateway's own admin is the control panel: nothing is downloaded.
    block.skip("disable-auto-update-panel", "panel-github-repository")
    block.finish()
    return found


# --- the environment --------------------------------------------------------------------------


def _overrides(environ: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """What the environment sets; it wins over the file at every reading."""
    secret = environ.get("CLIPROXY_SECRET_KEY", "").strip()
    if len(secret.encode()) > BCRYPT_LIMIT_BYTES:
        findings.error(
            f"the environment variable CLIPROXY_SECRET_KEY has more than {BCRYPT_LIMIT_BYTES} bytes"
        )
        secret = ""
    return {
        "debug": switch(environ, "CLIPROXY_DEBUG", findings),
        "allow_remote_management": switch(environ, "CLIPROXY_ALLOW_REMOTE", findings),
        "management_key": secret or None,
        "strategy": _strategy(environ, findings),
    }


def switch(environ: Mapping[str, str], name: str, findings: Findings) -> bool | None:
    """The switch ``name`` of the environment; None when it is not set, with a warning when it is neither."""
    given = environ.get(name, "").strip().lower()
    if given in ("true", "yes", "1", "on"):
        return True
    if given in ("false", "no", "0", "off"):
        return False
    if given:
        findings.warn(f"the environment variable {name} is neither true nor false and is ignored")
    return None


def _strategy(environ: Mapping[str, str], findings: Findings) -> Strategy | None:
    given = environ.get("CLIPROXY_ROUTING_STRATEGY", "").strip().lower()
    if not given:
        return None
    if given not in STRATEGIES:
        findings.warn("the environment variable CLIPROXY_ROUTING_STRATEGY is no strategy and is ignored")
        return None
    return STRATEGIES[given]
