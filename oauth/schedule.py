"""When a login is refreshed next. Plain arithmetic on Unix seconds; leads are data of the channels."""

from __future__ import annotations

import re

from oauth.flows import wire
from oauth.flows.base import Grant
from oauth.flows.channel import Channel

SHORTEST_LEAD_S = 5 * 60.0
JUST_NOW_S = 60.0
FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 5 * 60.0
"""CLIProxyAPI's pause after a failed refresh."""
LONGEST_ASKED_S = 30 * 60.0
INTERVAL_KEYS = (
    "refresh_interval_seconds",
    "refreshIntervalSeconds",
    "refresh_interval",
    "refreshInterval",
)


def first_refresh(channel: Channel, grant: Grant, now: float) -> float | None:
    """For a grant that was just stored, None where nothing is ever refreshed. One without an access token,
    or with an end that nobody knows, is due at once; so is a file's within the lead, but what a login has
    just given is as fresh as after a refresh."""
    lead = channel.lead_s(grant)
    if lead is None or not channel.can_refresh(grant):
        return None
    if not grant.access_token or not channel.is_complete(grant):
        return now
    if grant.method != "file" and grant.refreshed_at is not None and grant.refreshed_at > now - JUST_NOW_S:
        return next_refresh(channel, grant, now)
    if grant.expires_at is not None:
        due = grant.expires_at - lead
    elif grant.refreshed_at is not None:
        due = grant.refreshed_at + lead
    else:
        due = now
    return max(_within_interval(due, grant), now)


def next_refresh(channel: Channel, grant: Grant, now: float) -> float | None:
    """After a refresh at ``now``. A token that lives shorter than the channel's lead is renewed at half of
    its life: never at once again."""
    lead = channel.lead_s(grant)
    if lead is None or not channel.can_refresh(grant):
        return None
    if grant.expires_at is None:
        due = now + max(lead, SHORTEST_LEAD_S)
    else:
        due = max(grant.expires_at - lead, now + (grant.expires_at - now) / 2)
    return max(_within_interval(due, grant), now + 1.0)


def retry_at(failures: int, asked_s: float | None, now: float) -> float:
    """After the ``failures``-th failure in a row: 10, 20, 40 … 300 s, or what the vendor asked for."""
    pause = min(FIRST_RETRY_S * float(2 ** min(failures - 1, 10)), LONGEST_RETRY_S)
    return now + max(pause, min(asked_s or 0.0, LONGEST_ASKED_S))


def _within_interval(due: float, grant: Grant) -> float:
    """A file may ask for a fixed cadence (``refresh_interval_seconds``: a number, or 90s, 15m, 2h)."""
    interval = _seconds_of(wire.text(grant.file_extras, *INTERVAL_KEYS)) or wire.number(
        grant.file_extras, *INTERVAL_KEYS
    )
    if not interval or interval <= 0 or grant.refreshed_at is None:
        return due
    return min(due, grant.refreshed_at + interval)


def _seconds_of(words: str) -> float | None:
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", words)
    if not words or found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
