"""Opens an address in the browser of whoever runs a command. Best effort: it is printed in any case."""

from __future__ import annotations

import shutil
import subprocess
import threading
import webbrowser

from django.apps import apps

PRIVATE_WINDOWS = (
    ("google-chrome", "--incognito"),
    ("chromium", "--incognito"),
    ("chromium-browser", "--incognito"),
    ("brave-browser", "--incognito"),
    ("firefox", "--private-window"),
    ("microsoft-edge", "--inprivate"),
)
"""Programs that open a private window, in which nobody is signed in yet: for a second account."""


def open_page(link: str, *, private: bool = False) -> None:
    """Returns at once. Without a program that opens private windows the usual browser is taken."""
    threading.Thread(target=_open, args=(link, private), daemon=True).start()


def _open(link: str, private: bool) -> None:
    for program, option in PRIVATE_WINDOWS if private else ():
        if (found := shutil.which(program)) is None:
            continue
        try:
            subprocess.Popen(  # noqa: S603  (a fixed program; the link is one argument, and a web address)
                [found, option, link], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError:
            continue
        return
    webbrowser.open(link)


def is_private_by_default() -> bool:
    """``incognito-browser`` of the gateway's settings, a row of the layer above: asked for by name."""
    rows = apps.get_model("routing", "GatewaySettings")._default_manager.filter(pk=1)
    return bool(rows.values_list("incognito_browser", flat=True).first())
