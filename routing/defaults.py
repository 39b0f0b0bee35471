"""What the settings of the gateway give to every credential that says nothing of its own."""

from __future__ import annotations

from providers.entries import GatewayDefaults
from providers.json_columns import read
from routing.models import GatewaySettings


def defaults_of(row: GatewaySettings, proxy_url: str) -> GatewayDefaults:
    """``proxy_url`` is the opened ``row.proxy_token``. A damaged column counts as empty."""
    told = {
        "kiro-preferred-endpoint": row.kiro_preferred_endpoint,
        "codex-stream-buffering": row.codex_stream_buffering,
        "inject-x-search": row.xai_x_search,
        "keeps-project": not row.switch_project,
    }
    return GatewayDefaults(
        proxy_url=proxy_url,
        base_urls=read(row, "channel_base_urls", dict[str, str], {}),
        options={name: value for name, value in told.items() if value},
    )
