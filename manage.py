#!/usr/bin/env python
"""Django's command line; ``manage.py serve`` starts the gateway."""

from __future__ import annotations

import os
import sys


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  (the point is to say so before an import fails)
        sys.exit(f"The gateway needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cliproxy_site.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output (head, less) has gone; nothing may be flushed into it at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
