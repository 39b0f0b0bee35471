"""Every setting, read once from the environment (django-environ) with a default that is safe to run.

``docs/configuration.md`` lists each name. A bad value stops the start with one sentence.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from cliproxy_site import data_dir
from cliproxy_site.environment import READ_ELSEWHERE, Environment
from cliproxy_site.unfold import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
for folder in dict.fromkeys((Path.cwd(), BASE_DIR)):
    if (folder / ".env").is_file():
        env.read_env(folder / ".env")  # never over what the environment says itself

WRITABLE_PATH = env.str("WRITABLE_PATH", default="") or env.str("writable_path", default="")
"""CLIProxyAPI's name for the folder that may be written; the data folder is then ``var`` below it."""
try:
    DATA_DIR = data_dir.prepare(
        Path(env.str("CLIPROXY_DATA_DIR", default=str(Path(WRITABLE_PATH or BASE_DIR) / "var"))).expanduser()
    )
    SECRET_KEY = env.str("SECRET_KEY", default="") or data_dir.read_or_create_secret(DATA_DIR / "secret_key")
    CLIENT_KEY_PEPPER = env.str("CLIPROXY_CLIENT_KEY_PEPPER", default="") or data_dir.read_or_create_secret(
        DATA_DIR / "client_key_pepper"
    )
except data_dir.SetupProblem as problem:
    sys.exit(str(problem))
"""``CLIENT_KEY_PEPPER`` keys the digests of client keys: changing it makes every client key unknown."""

ENCRYPTION_KEYS_FILE = DATA_DIR / "encryption_keys"
ENCRYPTION_KEYS: list[str] = env.list("CLIPROXY_ENCRYPTION_KEYS", default=[])
"""Fernet keys, newest first. Given here, the file in the data folder is not used."""

MANAGEMENT_PASSWORD = env.str("MANAGEMENT_PASSWORD", default="")
"""A management key in plain text beside the stored one; it opens the management API to other machines too."""
LOCAL_MANAGEMENT_PASSWORD = env.str("CLIPROXY_LOCAL_PASSWORD", default="")
"""As ``serve --password``: a management key in plain text that counts for callers on this machine only."""
TRUSTED_PROXIES = env.networks("CLIPROXY_TRUSTED_PROXIES", default=[])
"""Whose ``X-Forwarded-For`` is believed when the management API asks who calls."""
with (BASE_DIR / "pyproject.toml").open("rb") as file:
    VERSION: str = tomllib.load(file)["project"]["version"]
COMMIT = env.str("CLIPROXY_COMMIT", default="unknown")
BUILD_DATE = env.str("CLIPROXY_BUILD_DATE", default="unknown")
"""What an image was built from and when; shown in headers of the management API."""

CONFIG_FILE = env.str("CLIPROXY_CONFIG", default="")
DEBUG = env.bool("DJANGO_DEBUG", default=False)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["*"])
"""Any name by default: the gateway is reached by many, and nothing builds a link from the Host header."""
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "cliproxy_site",
    "providers",
    "oauth",
    "routing",
    "management_api",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "cliproxy_site.urls"
ASGI_APPLICATION = "cliproxy_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'gateway.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # WAL lets the ledger write while pages read; IMMEDIATE avoids the upgrade deadlock.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=10000;",
        "transaction_mode": "IMMEDIATE",
    }
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)

REDIS_URL = env.redis("REDIS_URL")
CHANNEL_LAYERS = {
    "default": (
        {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
REST_FRAMEWORK = {
    # Safe for a view that forgets to say more; ``management_api.viewsets.base.ManagementView`` does.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "management_api.errors.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gateway: management API",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "managementKey": {"type": "http", "scheme": "bearer"},
            "managementKeyHeader": {"type": "apiKey", "in": "header", "name": "X-Management-Key"},
        }
    },
    "SECURITY": [{"managementKey": []}, {"managementKeyHeader": []}],
}
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
"""Of a form: a provider's page has three tables, each of fifty rows with up to ten fields."""
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
LANGUAGE_CODE = "en"
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")
FORMAT_MODULE_PATH = ["cliproxy_site.formats"]
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(mode=0o700, exist_ok=True)  # WhiteNoise warns at every start when it is missing
WHITENOISE_USE_FINDERS = True
"""Static files come straight from the packages, so that no ``collectstatic`` stands before the first run."""
WHITENOISE_AUTOREFRESH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Behind TLS set DJANGO_SECURE=true: cookies then travel over TLS only and browsers are told so.
SECURE = env.bool("DJANGO_SECURE", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_SSL_REDIRECT = env.bool("DJANGO_SSL_REDIRECT", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]
"""Replaced by one check of ours, ``cliproxy_site.W001``, which names the one setting; reasons stand there."""

# --- the proxy -------------------------------------------------------------------------------

BODY_LIMIT_BYTES = int(env.positive("CLIPROXY_BODY_LIMIT_BYTES", default=64 * 1024 * 1024))
DRAIN_TIMEOUT_S = env.float("CLIPROXY_DRAIN_TIMEOUT_S", default=20.0)
CONNECT_TIMEOUT_S = env.positive("CLIPROXY_CONNECT_TIMEOUT_S", default=10.0)
FIRST_BYTE_TIMEOUT_S = env.positive("CLIPROXY_FIRST_BYTE_TIMEOUT_S", default=600.0)
IDLE_TIMEOUT_S = env.positive("CLIPROXY_IDLE_TIMEOUT_S", default=300.0)
REFRESH_INTERVAL_S = env.positive("CLIPROXY_REFRESH_INTERVAL_S", default=0.4)
"""How often a process looks for a new configuration revision; a change must arrive within a second."""
TOKEN_REFRESH_INTERVAL_S = env.positive("CLIPROXY_TOKEN_REFRESH_INTERVAL_S", default=5.0)
"""How often a process looks for logins to refresh and allowances to read."""
USAGE_FLUSH_INTERVAL_S = env.positive("CLIPROXY_USAGE_FLUSH_INTERVAL_S", default=1.0)
SPOOL_DIR = DATA_DIR / "spool"
TOTALS_DIR: Path | None = None
"""Where the workers of ``serve --workers`` tell each other what they count; set by ``serve`` in each."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "cliproxy_site.logs.LineFormatter"}},
    "handlers": {"console": {"class": "cliproxy_site.logs.BatchHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.log_level("CLIPROXY_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": ["console"], "propagate": False, "level": "INFO"},
        "aiohttp": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "watchfiles": {"level": "WARNING"},
    },
}

ENVIRONMENT_NAMES = frozenset(env.asked) | READ_ELSEWHERE
