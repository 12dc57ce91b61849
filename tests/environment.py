"""Loaded by pytest before Django's settings: the tests' own secrets, data dir and database."""

import atexit
import os
import shutil
import sys
import tempfile

# The tests start some hundred processes, each of which would compile all of Cortex anew: half a second of a processor.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Each process of xdist has its own: who shared a spool would drain another's calls into its own database.
if os.environ.get("CORTEX_DATA_DIR", "") == os.environ.get("CORTEX_TESTS_MADE", ""):
    os.environ["CORTEX_DATA_DIR"] = os.environ["CORTEX_TESTS_MADE"] = tempfile.mkdtemp(prefix="cortex-tests-")
    atexit.register(shutil.rmtree, os.environ["CORTEX_DATA_DIR"], ignore_errors=True)
os.environ.setdefault("CORTEX_SECRET_KEY", "tests-only-" + "0123456789abcdef" * 3)
os.environ.setdefault("CORTEX_ENCRYPTION_KEYS", "dGVzdHMtb25seS1rZXktMDEyMzQ1Njc4OWFiY2RlZiE=")
os.environ.setdefault("CORTEX_ALLOW_PRIVATE_UPSTREAMS", "*")  # doubles listen on loopback
for _name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OLLAMA_BASE_URL", "CELERY_BROKER_URL"):
    os.environ.pop(_name, None)

if not os.environ.get("DATABASE_URL"):
    import psycopg

    from cortex import trial
    from cortex.environment import BASE_DIR

    # Apart from the data dir, which is new each time: the next run need not make a cluster again.
    os.environ["DATABASE_URL"] = trial.database_url(BASE_DIR / "var" / "tests")
    os.environ["CORTEX_TRIAL"] = "1"
    # Nothing in it is needed after a loss of power: it need not wait for the disk.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as _connection:
        if _connection.execute("SHOW fsync").fetchone() == ("on",):
            for _name in ("fsync", "full_page_writes", "synchronous_commit"):
                _connection.execute(f"ALTER SYSTEM SET {_name} = off")
            _connection.execute("SELECT pg_reload_conf()")
