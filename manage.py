#!/usr/bin/env python
"""Django's command line; ``manage.py serve`` starts the gateway.

Written so that every Python can read it, 2.7 too: one that is too old says so, not SyntaxError.
"""

import os
import sys


def main():  # type: () -> None
    if sys.version_info < (3, 11):  # noqa: UP036  (the point is to say so before an import fails)
        sys.exit("The gateway needs Python 3.11 or newer; this is %s." % sys.version.split()[0])  # noqa: UP031
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cliproxy_site.settings")
    try:
        from django.core.management import execute_from_command_line
        from django.db import OperationalError, ProgrammingError
    except ModuleNotFoundError:
        sys.exit(
            "The gateway's packages are not installed for this Python (%s): run `make install`, then use "  # noqa: UP031
            ".venv/bin/python in its place." % sys.executable
        )

    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(
            "The database cannot be used: %s. If it is new, start `manage.py serve` once, or run "  # noqa: UP031
            "`manage.py migrate`." % str(error).strip().split("\n")[0].rstrip(".")
        )
    except BrokenPipeError:
        # Whoever read the output (head, less) has gone; nothing may be flushed into it at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
