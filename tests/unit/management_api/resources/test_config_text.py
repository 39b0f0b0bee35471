"""A file's text out with masks and in again, character by character."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from management_api.resources import masking
from management_api.resources.config_text import UnknownMask, masked, whole

FILE = """# Tëam — the first 鍵 of all; old api-key: sk-comment-0000000000001
port: 8317
api-keys:
  - sk-alice-0000000000000001   # alice
  - "short" # a short one
  - {api-key: 'sk-bob-000000000000002', name: bob}
remote-management: {secret-key: "$2b$10$abcdefghijklmnopqrstuu"}
x-shared: &shared sk-ant-shared-00000000001
claude-api-key:
  - api-key: *shared
    headers: {X-Team: "s3cret: team # 0000001", Authorization: "Bearer ${TOKEN}"}
    proxy-url: "http://joe:hunter2@proxy.test:3128/"
  - api-key: &second !!str sk-ant-two-00000000000002
    models: [{name: claude-opus-4-6, alias: opus}]
codex-api-key:
  - api-key: >-
      sk-folded-000000000000001
    base-url: https://codex.test/v1
  - api-key: ${CODEX}
    base-url: https://codex.test/v1?x=1
openai-compatibility:
  - name: ünïcode-…-name
    base-url: https://acme.test/v1
    api-key-entries:
      - api-key: 0123456789
        proxy-url: direct
      # - api-key: "sk-commented-out-000001"
      - sk-bare-0000000000000003
payload: {override: [{models: [{name: m, headers: {x-a: pattern}}], params: {a: token}}]}
providers:
  zeta: {type: custom, endpoint: "http://127.0.0.1:9", api_key: zzz-000000004, client_secret: tell-nobody}
kiro:
  - refresh-token: aorAAAAAG-0000000000000005
    token-file: /secrets/kiro.json
"""
SECRETS = (
    "sk-comment",
    "sk-alice-0",
    'short"',
    "sk-bob-0",
    "$2b$10",
    "sk-ant-shared",
    "sk-ant-two",
    "s3cret",
    "hunter2",
    "sk-folded",
    "0123456789",
    "sk-commented-out-0",
    "sk-bare-0",
    "zzz-0",
    "tell-nobody",
    "aorAAAAAG-0",
)
KEPT = (
    "${TOKEN}",
    "${CODEX}",
    "ünïcode-…-name",
    "/secrets/kiro.json",
    "pattern",
    "a: token",
    "# alice",
    "&second",
)


def test_no_secret_is_shown_and_all_else_is():
    shown = masked(FILE)
    assert [secret for secret in SECRETS if secret in shown] == []
    assert [text for text in KEPT if text not in shown] == []
    assert "@proxy.test:3128/" in shown
    YAML(typ="safe", pure=True).load(shown)


@pytest.mark.parametrize("text", [FILE, FILE.replace("\n", "\r\n"), FILE.rstrip()], ids=["lf", "crlf", "cut"])
def test_what_is_sent_back_unchanged_is_the_file(text):
    assert whole(masked(text), text) == text
    assert whole(text, text) == text


def test_an_edit_changes_what_was_edited():
    shown = masked(FILE)
    edited = shown.replace("port: 8317", "port: 9000").replace("alias: opus", "alias: best")
    edited = edited.replace("# a short one", "# short")
    expected = FILE.replace("port: 8317", "port: 9000").replace("alias: opus", "alias: best")
    assert whole(edited, FILE) == expected.replace("# a short one", "# short")


def test_a_secret_may_move():
    held = "api-keys: [k-one]\nclaude-api-key:\n  - api-key: sk-one\n  - api-key: 'sk-two'\n"
    first, second = masking.of_secret("sk-one"), masking.of_secret("sk-two")
    sent = f'claude-api-key: [{{api-key: {second}}}, {{api-key: "{first}"}}]\n'
    assert whole(sent, held) == "claude-api-key: [{api-key: 'sk-two'}, {api-key: sk-one}]\n"


@pytest.mark.parametrize(
    "sent",
    [
        "claude-api-key: [{api-key: 00000000…abcd}]",
        'api-keys: ["#00000000"]',
        "proxy-url: http://00000000…@proxy.test",
    ],
)
def test_a_mask_that_fits_nothing_is_refused(sent):
    with pytest.raises(UnknownMask):
        whole(sent, FILE)


def test_a_file_that_is_no_yaml_can_be_replaced():
    assert whole("port: 1\n", "a: [") == "port: 1\n"


KEYS = st.text("abc'\"\\ :#&*!-ü鍵0", min_size=1, max_size=30).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=4), st.sampled_from(["'", '"']))
def test_any_key_comes_back_as_it_was(keys, quote):
    stream = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.dump({"claude-api-key": [{"api-key": key, "prefix": "p"} for key in keys]}, stream)
    text = stream.getvalue()
    assert whole(masked(text), text) == text
