"""Settings. Everything a deployment changes is an environment variable, named in README.md."""

import os
from typing import Any
from zoneinfo import ZoneInfo

import environ
from celery.schedules import crontab
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from cortex.environment import BASE_DIR, data_dir, kept_secret

env = environ.Env()

DATA_DIR = data_dir()
# The trial has its database, secrets and broker in the data dir. Anything else is production and must say its secrets.
TRIAL = env.bool("CORTEX_TRIAL", default=not os.environ.get("DATABASE_URL"))


def _secret(name: str, trial_file: str, make: Any = None) -> str:
    value: str = env.str(name, default="")
    if value:
        return value
    if TRIAL:
        return kept_secret(trial_file, make)
    raise ImproperlyConfigured(
        f"{name} is not set. Set it to a long random value before Cortex starts on DATABASE_URL."
    )


DEBUG = False
SECRET_KEY = _secret("CORTEX_SECRET_KEY", "secret_key")
if len(SECRET_KEY) < 32 and not TRIAL:
    raise ImproperlyConfigured("CORTEX_SECRET_KEY is too short. Set it to at least 32 random characters.")
# Newest first: the first encrypts, all decrypt.
ENCRYPTION_KEYS = _secret("CORTEX_ENCRYPTION_KEYS", "encryption_keys", lambda: Fernet.generate_key().decode()).split(
    ","
)
try:
    for _key in ENCRYPTION_KEYS:
        Fernet(_key.strip())
except ValueError as error:
    raise ImproperlyConfigured(
        "CORTEX_ENCRYPTION_KEYS is not a comma-separated list of Fernet keys. Make one with: "
        'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    ) from error

PUBLIC_URL: str = env.str("CORTEX_PUBLIC_URL", default="").rstrip("/")
HTTPS = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS: list[str] = env.list("CORTEX_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
ALLOW_PRIVATE_UPSTREAMS: list[str] = env.list("CORTEX_ALLOW_PRIVATE_UPSTREAMS", default=[])
# Where clients' own credentials may go besides to the vendors themselves. Who may edit the table could name any host there.
CALLER_CREDENTIAL_UPSTREAMS: list[str] = env.list("CORTEX_CALLER_CREDENTIAL_UPSTREAMS", default=[])
try:
    SIZE_LIMIT_BYTES: int = env.int("CORTEX_SIZE_LIMIT_BYTES", default=32 * 1024 * 1024)
except ValueError as error:
    raise ImproperlyConfigured("CORTEX_SIZE_LIMIT_BYTES is not a whole number of bytes.") from error
try:
    # Of each worker process, streams included; one more is told to come back.
    MAX_CALLS: int = env.int("CORTEX_MAX_CALLS", default=1000)
    WORKERS: int = env.int("CORTEX_WORKERS", default=1)  # of this host that share its clients' limits: `serve` says it
except ValueError as error:
    raise ImproperlyConfigured("CORTEX_MAX_CALLS and CORTEX_WORKERS are whole numbers.") from error
if MAX_CALLS < 1:
    raise ImproperlyConfigured("CORTEX_MAX_CALLS must be 1 or more: with fewer no call would ever be served.")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "csp",
    "django_htmx",
    "template_partials",
    "ninja",  # for the files of /api/v1/docs, which would else come from somebody's CDN
    "routing",
    "analytics",
    "cortex",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "cortex.errors.Unstorable",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "cortex.urls"
ASGI_APPLICATION = "cortex.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["template_partials.templatetags.partials", "django.contrib.humanize.templatetags.humanize"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cortex.context.console",
            ],
        },
    }
]

if not os.environ.get("DATABASE_URL", "postgres:").startswith(("postgres:", "postgresql:")):
    raise ImproperlyConfigured(
        "DATABASE_URL is not the address of a PostgreSQL database, which looks like postgres://USER:PASSWORD@HOST:5432/NAME."
    )
_database: dict[str, Any] = env.db_url("DATABASE_URL", default="postgresql:///cortex")
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **_database,
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # What follows the ? in DATABASE_URL wins: sslmode, or the folder of the trial server's socket.
        "OPTIONS": {
            "connect_timeout": 5,
            "tcp_user_timeout": 10_000,  # ms; a network that swallows packets is noticed, not waited for
            "application_name": "cortex",
            **_database.get("OPTIONS", {}),
        },
    }
}
_host = DATABASES["default"]["OPTIONS"].get("host") or DATABASES["default"].get("HOST") or ""
# Whether every process that dispatches has this data dir. Then Idempotency-Keys are claimed in it too, and are served while PostgreSQL is away.
SINGLE_HOST: bool = env.bool(
    "CORTEX_SINGLE_HOST", default=TRIAL or _host.startswith("/") or _host in ("", "localhost", "127.0.0.1", "::1")
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Evidence, nights and weeks are UTC; people read CORTEX_TIME_ZONE.
USE_TZ = True
TIME_ZONE: str = env.str("CORTEX_TIME_ZONE", default="") or "UTC"
try:
    ZoneInfo(TIME_ZONE)
except (ValueError, OSError, KeyError) as error:  # no such name, a folder's name, or none that a name can be
    raise ImproperlyConfigured(
        f"CORTEX_TIME_ZONE is not a time zone that this machine knows: {TIME_ZONE!r}. Set one such as Europe/Berlin."
    ) from error
LANGUAGE_CODE = "en"
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns of a missing one
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # a clone serves its files without a collectstatic step

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "cortex.accounts.ClosedAccounts"  # accounts are made by an admin, not by a visitor
ACCOUNT_RATE_LIMITS = False  # axes counts failures; two counters would disagree
ACCOUNT_LOGOUT_ON_GET = False
SOCIALACCOUNT_ADAPTER = "cortex.accounts.ClosedSocialAccounts"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False  # a line a process, on every start

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = SIZE_LIMIT_BYTES
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        # Plotly's basic bundle sets empty style elements; this is the hash of nothing.
        "style-src": [SELF, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

_broker_dir = DATA_DIR / "broker"
CELERY_BROKER_URL: str = env.str("CELERY_BROKER_URL", default="") or "filesystem://localhost//"
if CELERY_BROKER_URL.startswith("filesystem://"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker_dir / "messages"),
        "data_folder_out": str(_broker_dir / "messages"),
        "control_folder": str(_broker_dir / "control"),
        "processed_folder": str(_broker_dir / "done"),
        "store_processed": False,
    }
    for _folder in ("messages", "control", "done"):
        (_broker_dir / _folder).mkdir(parents=True, exist_ok=True, mode=0o700)
CELERY_TIMEZONE = "UTC"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CELERY_BEAT_SCHEDULE = {
    # Each is keyed by its date, safe twice, and makes up the dates it missed: an hourly tick is enough.
    "nightly": {"task": "analytics.tasks.nightly", "schedule": crontab(minute="20")},
    "weekly": {"task": "analytics.tasks.weekly", "schedule": crontab(minute="40")},
    "housekeeping": {"task": "routing.tasks.housekeeping", "schedule": crontab(minute="*/10")},
    "watch": {"task": "routing.tasks.watch", "schedule": crontab()},
}

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
# Alerts also go to these: addresses of apprise (slack://…, json://…), by spaces or commas.
NOTIFY_URLS: str = env.str("CORTEX_NOTIFY_URLS", default="").strip()
try:
    # Of the usage thresholds (20, 40, 60, 80, 90, 95, 100) those that interrupt a person; the rest waits for the digest of this hour.
    USAGE_NOTIFY_AT = tuple(env.list("CORTEX_USAGE_NOTIFY_AT", cast=int, default=[80, 95, 100]))
    DIGEST_HOUR: int = env.int("CORTEX_DIGEST_HOUR", default=8)
except ValueError as error:
    raise ImproperlyConfigured(
        "CORTEX_USAGE_NOTIFY_AT is a list of per cents such as 80,95,100, and CORTEX_DIGEST_HOUR an hour from 0 to 23."
    ) from error
if not 0 <= DIGEST_HOUR <= 23:
    raise ImproperlyConfigured("CORTEX_DIGEST_HOUR is not an hour from 0 to 23.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"secrets": {"()": "cortex.logs.Redact"}},
    "formatters": {"line": {"()": "cortex.logs.Line"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["secrets"]}},
    "root": {"handlers": ["console"], "level": env.str("CORTEX_LOG_LEVEL", default="INFO")},
    "loggers": {
        "httpx2": {"level": "WARNING"},  # it logs every URL at INFO
        "axes": {"level": "WARNING"},  # four lines a log-in
        "django.server": {"handlers": ["console"], "propagate": False},
    },
}
TEST_RUNNER = "django.test.runner.DiscoverRunner"
