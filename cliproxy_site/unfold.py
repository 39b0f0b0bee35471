"""How the admin is dressed: its name, its colours and the navigation at its side."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse, reverse_lazy

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Gateway",
    "SITE_HEADER": "Gateway",
    "SITE_SUBHEADER": "One address for every model",
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("cliproxy_site/icon.svg"),
        }
    ],
    "SITE_URL": None,  # there is no other site to go back to
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("cliproxy_site/admin.css")],
    "SCRIPTS": [lambda request: static("cliproxy_site/icons.js")],
    "LOGIN": {"redirect_after": reverse_lazy("admin:index")},
    "DASHBOARD_CALLBACK": "cliproxy_site.dashboard.dashboard",
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33.6% .053 190.0)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": lambda request: navigation(request),
    },
}

PAGES: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "Models",
        (
            ("Providers", "cloud", "providers_provider", "providers.view_provider"),
            ("Credentials", "key", "providers_credential", "providers.view_credential"),
            ("Logins", "login", "oauth_oauthtoken", "oauth.view_oauthtoken"),
            ("Aliases and pools", "alt_route", "routing_modelalias", "routing.view_modelalias"),
            ("Exclusions", "block", "routing_modelexclusion", "routing.view_modelexclusion"),
            ("Channel aliases", "shuffle", "routing_channelalias", "routing.view_channelalias"),
            (
                "Channel exclusions",
                "do_not_disturb_on",
                "routing_channelexclusion",
                "routing.view_channelexclusion",
            ),
        ),
    ),
    (
        "Clients",
        (
            ("Client keys", "vpn_key", "routing_clientkey", "routing.view_clientkey"),
            ("Usage", "monitoring", "routing_usagerecord", "routing.view_usagerecord"),
            ("Why?", "help", "why", "providers.view_credential"),
        ),
    ),
    (
        "Gateway",
        (
            ("Settings", "tune", "routing_gatewaysettings", "routing.view_gatewaysettings"),
            ("Users", "person", "auth_user", "auth.view_user"),
            ("Groups", "group", "auth_group", "auth.view_group"),
        ),
    ),
)
"""Section, then title, icon, page and the permission that shows it."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side navigation, as far as this user may go and as pages are installed."""
    home = {"title": "Home", "icon": "home", "link": reverse("admin:index")}
    sections: list[dict[str, Any]] = [{"items": [home]}]
    for section, pages in PAGES:
        items = [
            {"title": title, "icon": icon, "link": link}
            for title, icon, page, permission in pages
            if _may(request, permission) and (link := _link(page))
        ]
        if items:
            sections.append({"title": section, "separator": True, "items": items})
    return sections


def _may(request: HttpRequest, permission: str) -> bool:
    """Who may change may also see, as in Django's admin."""
    user = request.user
    return user.has_perm(permission) or user.has_perm(permission.replace(".view_", ".change_"))


def _link(page: str) -> str:
    for name in (f"admin:{page}_changelist", page):
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return ""
