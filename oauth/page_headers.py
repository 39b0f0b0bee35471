"""What every login page sends along: only files of ours run, nobody frames it, nothing is kept.

The referrer policy is ``same-origin`` on pages with a form: under ``no-referrer`` a browser sends ``Origin:
null`` with a form, which Django's CSRF check refuses (Fetch standard, "append a request Origin header"). The
vendor learns nothing either way. Pages whose own address holds a code send ``no-referrer``.
"""

from __future__ import annotations

from django.http import HttpResponseBase

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def harden(response: HttpResponseBase, *, referrer: str = "same-origin") -> HttpResponseBase:
    response["Content-Security-Policy"] = POLICY
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = referrer
    response["X-Frame-Options"] = "DENY"
    response["X-Content-Type-Options"] = "nosniff"
    return response
