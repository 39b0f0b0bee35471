"""The gateway's settings: what the file and the environment may say, and what a wrong word does."""

from __future__ import annotations

import msgspec
import pytest

from management_api.config.settings import STRATEGIES
from management_api.config.values import SettingsConfig
from providers.values import ErrorRule, RuleAction
from routing.core.table import Fallbacks, Strategy
from tests.unit.management_api.config.reading import accepted, read, refused, settings, warned

EVERYTHING = """
request-retry: 1
max-retry-credentials: 2
max-retry-interval: 3
request-deadline-seconds: 4
transient-error-cooldown-seconds: 5
disable-cooling: true
save-cooldown-status: true
nonstream-keepalive-interval: 6
streaming: {keepalive-seconds: 7, bootstrap-retries: 8}
force-model-prefix: true
routing: {strategy: wrr, session-affinity: true, session-affinity-ttl: 1h30m}
quota-exceeded: {switch-project: false, switch-preview-model: false, antigravity-credits: false}
proxy-url: direct
passthrough-headers: true
disable-image-generation: chat
gpt-image-2-base-model: GPT-6
video-result-auth-cache-ttl: 90s
responses-compact-enabled: false
responses-websocket-enabled: false
antigravity-signature-cache-enabled: false
antigravity-signature-bypass-strict: true
codex: {stream-bootstrap-buffering: true, optimize-multi-agent-v2: true}
xai: {inject-x-search: true}
auth-dir: /srv/auths
auth-auto-refresh-workers: 4
kiro-preferred-endpoint: Q
incognito-browser: true
ws-auth: false
debug: true
request-log: true
logging-to-file: true
logs-max-total-size-mb: 64
error-logs-max-files: 0
usage-statistics-enabled: true
redis-usage-queue-retention-seconds: 9999
commercial-mode: true
remote-management:
  allow-remote: true
  secret-key: hunter2
  disable-control-panel: true
  disable-auto-update-panel: true
  panel-github-repository: https://example.com/panel
"""


def test_every_setting_is_read_as_written():
    assert settings(EVERYTHING) == SettingsConfig(
        request_retry=1,
        max_retry_credentials=2,
        max_retry_interval_s=3,
        deadline_s=4,
        transient_cooldown_s=5,
        disable_cooling=True,
        saves_cooldowns=True,
        nonstream_keepalive_s=6,
        keepalive_s=7,
        bootstrap_retries=8,
        force_model_prefix=True,
        strategy=Strategy.WEIGHTED,
        session_affinity=True,
        session_affinity_ttl_s=5400,
        switch_project=False,
        switch_preview_model=False,
        antigravity_credits=False,
        proxy_url="direct",
        passthrough_headers=True,
        image_generation="chat",
        gpt_image_2_base_model="GPT-6",
        video_result_ttl_s=90,
        responses_compact=False,
        responses_websocket=False,
        antigravity_signature_cache=False,
        antigravity_signature_bypass_strict=True,
        codex_stream_buffering=True,
        codex_multi_agent_v2=True,
        xai_x_search=True,
        auth_dir="/srv/auths",
        auth_refresh_workers=4,
        kiro_preferred_endpoint="q",
        incognito_browser=True,
        ws_auth=False,
        debug=True,
        request_log=True,
        logging_to_file=True,
        logs_max_total_size_mb=64,
        error_logs_max_files=0,
        usage_statistics=True,
        usage_queue_retention_s=3600,
        commercial_mode=True,
        management_key="hunter2",
        allow_remote_management=True,
        disable_control_panel=True,
    )


def test_the_test_above_changes_every_setting_but_the_structured_ones():
    structured = {"error_rules", "fallbacks", "payload", "channel_base_urls", "channels_without_aliases"}
    found, usual = settings(EVERYTHING), SettingsConfig()
    for field in msgspec.structs.fields(SettingsConfig):
        if field.name not in structured:
            assert getattr(found, field.name) != getattr(usual, field.name), field.name


@pytest.mark.parametrize(("word", "strategy"), sorted(STRATEGIES.items()))
def test_a_strategy_is_known_by_its_short_words_in_any_case(word, strategy):
    if word:
        assert settings(f"routing: {{strategy: {word.upper()}}}").strategy is strategy


def test_an_unknown_strategy_means_the_default():
    text = "routing: {strategy: fastest}"
    assert "round-robin" in warned(text)[0]
    assert "routing.strategy: is none of" in warned(text)[0]
    found = read(text)[0].settings
    assert found is not None
    assert found.strategy is Strategy.ROUND_ROBIN


@pytest.mark.parametrize("ttl", ["soon", "0s", "-1h", "1h30", "h"])
def test_a_duration_that_is_none_means_the_default(ttl):
    found, problems = read(f"routing: {{session-affinity-ttl: '{ttl}'}}")
    assert found.settings is not None
    assert found.settings.session_affinity_ttl_s == 3600
    assert "is no duration such as" in str(problems[0])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", "off"),
        ("'true'", "off"),
        ("1", "off"),
        ("on", "off"),
        ("yes", "off"),
        ("false", "on"),
        ("0", "on"),
        ("'off'", "on"),
        ("no", "on"),
        ("Chat", "chat"),
        ("passthrough", "passthrough"),
    ],
)
def test_image_generation_is_switched_by_many_words(written, meant):
    assert settings(f"disable-image-generation: {written}\n").image_generation == meant


def test_another_word_for_image_generation_refuses_the_file():
    assert refused("disable-image-generation: sometimes\n") == [
        "config.yaml line 1, disable-image-generation: must be true, false, chat or passthrough"
    ]


def test_out_of_bounds_means_the_default_as_in_cliproxyapi():
    found = settings(
        "error-logs-max-files: -1\nlogs-max-total-size-mb: -5\nredis-usage-queue-retention-seconds: 0\n"
        "auth-auto-refresh-workers: 0\nstreaming: {bootstrap-retries: -1}\n"
    )
    assert found == SettingsConfig()
    assert warned("gpt-image-2-base-model: dall-e\n") == [
        "config.yaml line 1, gpt-image-2-base-model: must begin with gpt- and is ignored"
    ]


def test_fallbacks_are_lists_by_cause_or_one_list():
    found = settings(
        "fallbacks:\n  small: {context-overflow: [large], content-filter: [other], exhaustion: [a, a, b]}\n"
        "  plain: [x, y]\n  none:\n"
    )
    assert found.fallbacks == {
        "small": Fallbacks(context_length=("large",), content_filter=("other",), exhaustion=("a", "b")),
        "plain": Fallbacks(exhaustion=("x", "y")),
    }


def test_error_rules_of_a_channel_keep_what_makes_sense():
    text = (
        "oauth-request-scoped-errors:\n  codex:\n"
        "    - {status: 429, match: [slow], action: STOP}\n"
        "    - {status: 400, match-regexr: ['a+', '('], action: continue-and-cooldown}\n"
        "    - {status: 400, match: [x], action: explode}\n"
        "    - {match: [x], action: stop}\n"
        "    - {status: 400, action: stop}\n"
    )
    found = read(text)[0].settings
    assert found is not None
    assert found.error_rules == {
        "codex": (
            ErrorRule(status=429, action=RuleAction.STOP, texts=("slow",)),
            ErrorRule(status=400, action=RuleAction.CONTINUE_AND_COOLDOWN, patterns=("a+",)),
        )
    }
    assert [line.rpartition(": ")[2] for line in warned(text)] == [
        "is no regular expression and is ignored",
        "is none of stop, stop-and-cooldown, continue, continue-and-cooldown; the rule is left out",
        "has no status and is left out",
        "has no match and no match-regexr and is left out",
    ]


def test_the_environment_wins():
    found = settings(
        "debug: false\nrouting: {strategy: ff}\nremote-management: {secret-key: a, allow-remote: false}\n",
        {
            "CLIPROXY_DEBUG": "1",
            "CLIPROXY_ALLOW_REMOTE": "On",
            "CLIPROXY_SECRET_KEY": "b",
            "CLIPROXY_ROUTING_STRATEGY": "RR",
        },
    )
    assert (found.debug, found.allow_remote_management, found.management_key) == (True, True, "b")
    assert found.strategy is Strategy.ROUND_ROBIN


def test_what_the_environment_says_wrongly_is_ignored_with_a_warning():
    names = {"CLIPROXY_ALLOW_REMOTE": "perhaps", "CLIPROXY_ROUTING_STRATEGY": "best"}
    assert [text.split(" is ")[0] for text in warned("debug: true\n", names)] == [
        "config.yaml: the environment variable CLIPROXY_ALLOW_REMOTE",
        "config.yaml: the environment variable CLIPROXY_ROUTING_STRATEGY",
    ]


def test_a_management_key_that_bcrypt_would_cut_is_refused():
    text = f"remote-management: {{secret-key: {'x' * 73}}}\n"
    assert refused(text) == ["config.yaml line 1, remote-management.secret-key: must have at most 72 bytes"]
    assert refused("port: 1\n", {"CLIPROXY_SECRET_KEY": "ü" * 37})


def test_tls_needs_both_files():
    found = accepted("tls: {enable: true, cert: a.pem, key: b.pem}\n").tls
    assert found is not None
    assert (found.cert, found.key) == ("a.pem", "b.pem")
    assert accepted("tls: {enable: false, cert: '', key: ''}\n").tls is None
    assert refused("tls: {enable: true, cert: a.pem}\n") == [
        "config.yaml line 1, tls.enable: needs the files cert and key"
    ]


def test_secrets_show_in_no_repr():
    assert "hunter2" not in repr(accepted(EVERYTHING))
