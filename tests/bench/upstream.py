"""The fast static upstream: nginx answering from memory and from the page cache.

Two shapes, ``small`` (one chat completion) and ``stream`` (200 chunks of text), each in the formats
``openai`` and ``claude``: ``/<shape>/v1/chat/completions`` and ``/<shape>/v1/messages``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

CHUNKS = 200
WORDS = [f"word{number:03d} " for number in range(CHUNKS)]
"""What a stream says, one word a chunk."""

MODELS = b'{"object":"list","data":[{"id":"small","object":"model"}],"has_more":false}'
"""A gateway may ask for the list at its start; that is no part of what is measured."""

CONFIG = """
daemon off; master_process on; worker_processes 1; worker_rlimit_nofile 16384;
error_log stderr crit; pid {root}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 300s; client_max_body_size 10m;
  client_body_buffer_size 1m; sendfile on; tcp_nopush off; tcp_nodelay on; open_file_cache max=100;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport; root {root}/www; error_page 405 =200 $uri;
    location ~ ^/small/ {{ default_type application/json; types {{ }} }}
    location ~ ^/stream/ {{ default_type text/event-stream; types {{ }} }}
  }}
}}
"""


def openai_answer() -> bytes:
    answer = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello! How can I help you today?"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
    }
    return json.dumps(answer).encode()


def openai_stream() -> bytes:
    def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": "chatcmpl-bench",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "stream",
            "choices": [choice],
        }

    frames = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in WORDS)]
    frames.append(chunk({}, "stop"))
    usage = {"prompt_tokens": 9, "completion_tokens": CHUNKS, "total_tokens": 9 + CHUNKS}
    frames.append(chunk({}) | {"choices": [], "usage": usage})
    return (
        b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames) + b"data: [DONE]\n\n"
    )


def claude_answer() -> bytes:
    answer = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "claude-small",
        "content": [{"type": "text", "text": "Hello! How can I help you today?"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 9},
    }
    return json.dumps(answer).encode()


def claude_stream() -> bytes:
    message = json.loads(claude_answer()) | {"content": [], "stop_reason": None}
    frames: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in WORDS
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": CHUNKS},
        },
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode() for frame in frames)


def write_site(root: Path) -> None:
    files = {
        "small/v1/chat/completions": openai_answer(),
        "stream/v1/chat/completions": openai_stream(),
        "small/v1/messages": claude_answer(),
        "stream/v1/messages": claude_stream(),
        "small/v1/models": MODELS,
        "stream/v1/models": MODELS,
    }
    for name, content in files.items():
        path = root / "www" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def start_nginx(root: Path, port: int) -> subprocess.Popen[bytes]:
    write_site(root)
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = root / "nginx.conf"
    config.write_text(user + CONFIG.format(root=root, port=port))
    return subprocess.Popen(["nginx", "-p", str(root), "-c", str(config), "-e", str(root / "error.log")])
