#!/usr/bin/env python
"""Django's command line, with a database found or started before settings are read."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cortex.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(
            "manage.py: Django is not installed for this Python. Run `make install`, then .venv/bin/python manage.py …"
        )
    from cortex.environment import ensure_database
    from cortex.trial import TrialError

    try:
        ensure_database()
    except TrialError as error:
        sys.exit(f"manage.py: {error}")
    try:
        from django.conf import settings

        settings.INSTALLED_APPS  # noqa: B018 - read now, so that what is missing is said before anything begins
        from django.db import OperationalError

        try:
            execute_from_command_line(sys.argv)
        except OperationalError as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            sys.exit(f"manage.py: the database that DATABASE_URL names does not serve: {said[0]}")
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
