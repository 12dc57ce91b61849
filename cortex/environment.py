"""What the process is told by its environment: where its data lies, and which database is its own.

Entry points (manage.py, asgi, celery) call `ensure_database()` before Django is set up; settings only read.
"""

import os
import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """CORTEX_DATA_DIR, by default `var/` beside manage.py."""
    return Path(os.environ.get("CORTEX_DATA_DIR") or BASE_DIR / "var").resolve()


def ensure_database() -> None:
    """Name a database in DATABASE_URL: the one that is there already, else the trial server of the data dir.

    Children inherit both variables, so that one server is started and held by the first process of a family.
    Raises trial.TrialError with one sentence when no server can be had.
    """
    if os.environ.get("DATABASE_URL"):
        return
    from cortex import trial

    os.environ["DATABASE_URL"] = trial.database_url(data_dir())
    os.environ["CORTEX_TRIAL"] = "1"


def kept_secret(name: str, make: object = None) -> str:
    """A secret that the trial makes once and keeps in the data dir, readable by its owner alone."""
    path = data_dir() / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        value = make() if callable(make) else secrets.token_urlsafe(48)
        draft = path.with_name(f"{name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(value)
        try:
            os.link(draft, path)  # the first of two processes wins; the other reads what it wrote
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
