"""How a login begins, wherever it is asked for: a page, the management API, a command."""

from __future__ import annotations

import secrets as random
import time
from collections.abc import Mapping

from oauth import attempts, proxies
from oauth.attempts import Beginner
from oauth.flows.channel import Channel, LoginAsk, LoginMethod
from oauth.flows.errors import OAuthError
from oauth.models import AttemptStatus, LoginAttempt
from oauth.runner import RUNNER, Order
from oauth.sheets import require_settings, settings_of
from providers import secrets as sealed
from providers.models import Credential, Provider

LONGEST_VALUE = 64 * 1024
"""Characters of a typed field; a pasted credential file is the longest."""


class LoginRefused(OAuthError):
    """The login cannot even begin: the message says what is missing."""

    client_status = 400
    code: str | None = "login_refused"


def find_method(channel: Channel, key: str) -> LoginMethod | None:
    """The method ``key``, or the channel's first for ""."""
    if not key:
        return channel.methods[0] if channel.methods else None
    return next((method for method in channel.methods if method.key == key), None)


def start(
    channel: Channel,
    method: LoginMethod,
    values: Mapping[str, str],
    beginner: Beginner,
    *,
    renews: Credential | None = None,
    forward: str = "",
    listens: bool = True,
    overrides: Mapping[str, str] | None = None,
) -> tuple[LoginAttempt, str]:
    """Begin an attempt and return it with its state. ``overrides`` are channel settings for this attempt
    alone. Raises LoginRefused and TooMany; what goes wrong later ends the attempt."""
    settings = settings_of(channel) if method.is_import else require_settings(channel)
    given = {name: values.get(name, "").strip() for name, _, _ in method.fields}
    if any(len(value) > LONGEST_VALUE for value in given.values()):
        raise LoginRefused("A field is too long.")
    ask = LoginAsk(method=method.key, seed=random.token_hex(64), now=time.time(), values=given)
    proxy_url = _proxy_url(channel, renews)
    attempt, state = attempts.begin(channel, method.key, beginner, renews)
    order = Order(
        attempt_id=attempt.pk,
        state=state,
        channel=channel,
        flow=channel.login(ask, {**settings, **(overrides or {})}),
        proxy_url=proxy_url,
        forward=forward,
        listens=listens,
    )
    try:
        RUNNER.start(order)
    except OAuthError as error:
        attempts.fail(attempt.pk, AttemptStatus.FAILED, error.code or "failed", error.message)
        raise
    return attempt, state


def _proxy_url(channel: Channel, renews: Credential | None) -> str:
    """The way out of the credential's later calls: its own proxy, its provider's, the gateway's."""
    provider = (
        Provider.objects.filter(key=channel.provider_key).first() if renews is None else renews.provider
    )
    token = (renews.proxy_token if renews is not None else "") or (provider.proxy_token if provider else "")
    try:
        return sealed.reveal(token) or proxies.default_proxy()
    except sealed.SecretsError as error:
        raise LoginRefused(f"The proxy of this provider cannot be used: {error}") from error
