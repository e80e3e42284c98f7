"""One settings module, driven by the environment. Production is the default; development has to be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django_stubs_ext
from django.utils.translation import gettext_lazy as _
from environs import Env

django_stubs_ext.monkeypatch()  # generic Django classes can be written with their types: CharField[str, str]

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Mode -----------------------------------------------------------------------------------------------------------
CADRE_MODE: str = env.str("CADRE_MODE", "production")
if CADRE_MODE not in {"development", "production"}:
    raise ValueError("CADRE_MODE is either development or production.")
DEVELOPMENT = CADRE_MODE == "development"
DEBUG = False  # tracebacks go to the log; a page that shows them has no place in a system with money in it
SECRET_KEY: str = env.str("SECRET_KEY", "development-only-" + "x" * 50 if DEVELOPMENT else "")
CADRE_HOME = Path(env.str("CADRE_HOME", str(BASE_DIR / ".local"))).resolve()
BASE_URL: str = env.str("BASE_URL", f"http://127.0.0.1:{env.int('PORT', 8000)}")
CLOCK_MOVABLE: bool = env.bool("CLOCK_MOVABLE", DEVELOPMENT)
if CLOCK_MOVABLE and not DEVELOPMENT:
    raise ValueError("CLOCK_MOVABLE is for development mode: a production clock cannot be moved.")

ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", [urlsplit(BASE_URL).hostname or "localhost"])
if DEVELOPMENT:
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, "localhost", "127.0.0.1", "testserver"]
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [BASE_URL])

# --- Applications ---------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "pgtrigger",
    "pghistory",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "core.apps.CoreConfig",
    "experts.apps.ExpertsConfig",
    "marketplace.apps.MarketplaceConfig",
    "tasks.apps.TasksConfig",
    "payments.apps.PaymentsConfig",
    "config.apps.CadreConfig",
]

MIDDLEWARE = [
    "core.api.middleware.EdgeMiddleware",  # names the request before anything logs it
    "django_structlog.middlewares.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.api.middleware.LoginLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

# --- Database: the application's role works, the owner migrates -----------------------------------------------------


def _database(url: str) -> dict[str, Any]:
    """Django's settings for ``postgres://user:password@host:port/name``; a socket directory is written %2Fso."""
    parts = urlsplit(url)
    return {
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }


DATABASE_URL: str = env.str("DATABASE_URL", "postgres://cadre_app@localhost/cadre")
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **_database(DATABASE_URL),
        "ATOMIC_REQUESTS": True,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # else the first requests after a restart of PostgreSQL are errors
        "OPTIONS": {"pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL", 8), "timeout": 10}},
    }
}
_owner = _database(env.str("DATABASE_OWNER_URL", DATABASE_URL))
DATABASE_OWNER = {"USER": _owner["USER"], "PASSWORD": _owner["PASSWORD"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- History --------------------------------------------------------------------------------------------------------
import pghistory  # noqa: E402  # its field classes configure it, and they need nothing of the above

PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()  # the default context table is mutable and has no tenant
PGHISTORY_BASE_MODEL = "core.models.base.HistoryRow"

# --- Valkey and Celery ----------------------------------------------------------------------------------------------
REDIS_URL: str = env.str("REDIS_URL", "redis://localhost:6379/0")
# Shared by all processes: allauth counts failed log-ins in it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cadre",
        "TIMEOUT": 300,
    }
}

# --- People ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_SERVE_SPECIFICATION = False
HEADLESS_ADAPTER = "config.accounts.HeadlessAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEVELOPMENT
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"

# --- The operators' desk --------------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Cadre",
    "SITE_HEADER": "Cadre",
    "SITE_SYMBOL": "balance",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "config.admin_site.environment",
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": "config.admin_site.navigation"},
}

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "EXCEPTION_HANDLER": "core.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.EndpointSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # each audience's view names its own
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "URL_FORMAT_OVERRIDE": None,  # ?format= belongs to the endpoints that declare it
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Cadre",
    "DESCRIPTION": "A marketplace where AI labs buy expert judgement and experts are paid for it to the cent.",
    "VERSION": "1",
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["core.api.openapi.finish"],
}
# "requests/seconds", per caller; "closed" refuses while Valkey cannot be asked.
RATE_LIMITS: dict[str, str] = {
    "default": env.str("RATE_LIMIT", "1200/60"),
    "money": env.str("RATE_LIMIT_MONEY", "120/60 closed"),
    "login": env.str("RATE_LIMIT_LOGIN", "60/60 closed"),
    "events": env.str("RATE_LIMIT_EVENTS", "6000/60"),  # providers deliver a pay run's events in bursts
}
RATE_LIMITS_ENABLED: bool = env.bool("RATE_LIMITS_ENABLED", True)
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")

# --- Hours ----------------------------------------------------------------------------------------------------------
TIMER_GRACE_SECONDS: int = env.int("TIMER_GRACE_SECONDS", 600)  # how long a running timer may be silent
SUBMISSION_WINDOW_HOURS: int = env.int("SUBMISSION_WINDOW_HOURS", 48)  # the expert's own review after a week's end
HANDLING_TOLERANCE_BP: int = env.int("HANDLING_TOLERANCE_BP", 10_000)  # how much of an item's cap counts, in 1/10,000

# --- Money ----------------------------------------------------------------------------------------------------------
# Base64 keys of 32 bytes for bank and tax details; the first one seals, all of them open (so that keys can rotate).
VAULT_KEYS: list[str] = env.list("VAULT_KEYS", ["Y2FkcmUgZGV2ZWxvcG1lbnQgb25seSB2YXVsdCBrZXk="] if DEVELOPMENT else [])
FUNDING_SETTLES_AT_ONCE: bool = env.bool("FUNDING_SETTLES_AT_ONCE", DEVELOPMENT)
FUNDING_PROVIDER: str = env.str("FUNDING_PROVIDER", "sandbox" if DEVELOPMENT else "bank")  # whose cash account grows
# Refunds to labs above this need two people, by currency in minor units; "*" stands for all others.
REFUND_ALONE_MINOR: dict[str, int] = {"*": 100_000}
# Codes of your chart of accounts for the journal export: by kind and detail ("cash:bank"), else by kind ("cash").
CHART_OF_ACCOUNTS: dict[str, str] = env.dict("CHART_OF_ACCOUNTS", {})
# Which provider pays a kind of method, by "type:currency:country" with * for any; the most exact line wins.
PAYOUT_PROVIDERS: dict[str, str] = {
    "stripe_connect": "payments.providers.stripe_connect.StripeConnectProvider",
    "sandbox": "payments.providers.sandbox.SandboxProvider",
    "sepa_file": "payments.providers.sepa_file.SepaFileProvider",
}
PAYOUT_RAILS: dict[str, str] = env.dict(
    "PAYOUT_RAILS",
    {"sandbox:*:*": "sandbox", "iban:*:*": "sandbox", "us_bank:*:*": "sandbox"} if DEVELOPMENT else {},
)
TAX_ZONE: str = env.str("TAX_ZONE", "America/New_York")  # whose calendar years the payer's tax forms follow
STRIPE_API_KEY: str = env.str("STRIPE_API_KEY", "")
STRIPE_API_BASE: str = env.str("STRIPE_API_BASE", "https://api.stripe.com")
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS", [])  # any of them may have signed
STRIPE_TIMEOUT_SECONDS: float = env.float("STRIPE_TIMEOUT_SECONDS", 30.0)
PAYEE_RETURN_URL: str = env.str("PAYEE_RETURN_URL", f"{BASE_URL}/")  # where a provider's own pages lead back to
PAYOUT_STUCK_HOURS: int = env.int("PAYOUT_STUCK_HOURS", 24 * 7)  # an attempt open for longer raises the alarm
PAYOUT_UNKNOWN_HOURS: int = env.int("PAYOUT_UNKNOWN_HOURS", 2)  # and so does one whose outcome is unknown for longer
PAYOUT_BATCHES: dict[str, int] = {"sepa_file": 250}  # how many payouts go in one call; 25 where nothing is said
PAYOUT_METHOD_HOLD_HOURS: int = env.int("PAYOUT_METHOD_HOLD_HOURS", 72)  # a new method waits: accounts are taken over
PAYOUT_MINIMUM_MINOR: dict[str, int] = {"USD": 100, "EUR": 100}  # other currencies: one minor unit
# Weekly cutoff by currency: weekday (0 is Monday), hour (UTC), days to the payday.
PAY_SCHEDULES: dict[str, tuple[int, int, int]] = {"*": (0, 0, 2)}
# Paydays move on over the closing days of a currency's payment system (`payments.bank_holidays`) and over days added here.
PAY_CLOSED: dict[str, str] = env.dict("PAY_CLOSED", default={"EUR": "target", "USD": "fedwire"})
PAY_CLOSED_DAYS: list[str] = env.list("PAY_CLOSED_DAYS", default=[])  # ISO dates, for every currency
# Banking days from the payday until money is expected on accounts, by currency; "*" stands for all others.
PAY_ARRIVAL_DAYS: dict[str, int] = {"*": 2} | env.dict("PAY_ARRIVAL_DAYS", {"EUR": 1}, subcast_values=int)
# Rows beside the table of minimum wages (payments/wage_floors.py), as "DE:USD:2026-01-01:1500", minor units an hour.
WAGE_FLOORS: list[str] = env.list("WAGE_FLOORS", [])
TRUE_UPS_PAID_BY: str = env.str("TRUE_UPS_PAID_BY", "platform")  # or "lab": who pays what a week lacks to the floor
# Days between the proposal of terms that take something from an expert and their effect; a longer notice of the offer wins.
AMENDMENT_NOTICE_DAYS: int = env.int("AMENDMENT_NOTICE_DAYS", 14)
# Who signs a run is shown weeks longer than this, or twice as long as the expert's median of so many weeks before.
PAY_RUN_LONG_WEEK_HOURS: int = env.int("PAY_RUN_LONG_WEEK_HOURS", 50)
PAY_RUN_USUAL_WEEKS: int = env.int("PAY_RUN_USUAL_WEEKS", 13)
PLATFORM_ZONE: str = env.str("PLATFORM_ZONE", "UTC")  # whose calendar months are billed
# Who issues invoices. "key" tells the series of legal persons apart and stands before their numbers, where it is set.
ISSUER: dict[str, str] = {
    name: env.str(f"ISSUER_{name.upper()}", default)
    for name, default in {
        "key": "",
        "legal_name": "Cadre",
        "street": "",
        "postal_code": "",
        "city": "",
        "country": "",
        "vat_id": "",
        "email": "",
    }.items()
}
# The issuer's own VAT rate in basis points, by its country ("DE=1900"); without one no invoice has a VAT line.
VAT_RATES: dict[str, int] = env.dict("VAT_RATES", {}, subcast_values=int)
# Pay beside the hours: above so many minor units a second person approves ("*": currencies that are not named).
ADJUSTMENT_FOUR_EYES_MINOR: dict[str, int] = {
    "USD": 100_000,
    "EUR": 100_000,
    "GBP": 100_000,
    "JPY": 150_000,
    "*": 100_000,
}
# The referral programme, by the day from which new invitations are made under it; an invitation keeps its terms.
# An empty list takes no new ones. Seconds of approved hours, days, minor units, most open or paid at once.
REFERRAL_PROGRAMME: list[dict[str, Any]] = [
    {
        "from": "2026-01-01",
        "version": "2026-01",
        "bonus_minor": 25_000,
        "currency": "USD",
        "threshold_seconds": 20 * 3600,
        "join_days": 30,
        "reach_days": 180,
        "cap": 20,
    }
]
PROPOSAL_EXPIRES_DAYS: int = env.int("PROPOSAL_EXPIRES_DAYS", 14)
DISPUTE_AFTER_APPROVAL_DAYS: int = env.int("DISPUTE_AFTER_APPROVAL_DAYS", 30)
PAYOUT_LEASE_SECONDS: int = env.int("PAYOUT_LEASE_SECONDS", 60)  # after that, whoever was sending is taken for dead
SANDBOX_PROVIDER_LATENCY: float = env.float("SANDBOX_PROVIDER_LATENCY", 0.0)  # seconds for each payout
SANDBOX_PROVIDER_SETTLES_AFTER: int = env.int("SANDBOX_PROVIDER_SETTLES_AFTER", 0)  # seconds until it is paid
# The account that pays by `sepa_file`, and how its files travel. `FUNDING_PROVIDER=sepa_file` where labs pay into it.
BANK_ACCOUNT_NAME: str = env.str("BANK_ACCOUNT_NAME", "")
BANK_ACCOUNT_IBAN: str = env.str("BANK_ACCOUNT_IBAN", "").replace(" ", "")
BANK_ACCOUNT_BIC: str = env.str("BANK_ACCOUNT_BIC", "")
BANK_PAIN001_VERSION: str = env.str("BANK_PAIN001_VERSION", "pain.001.001.09")
BANK_CHANNEL: str = env.str("BANK_CHANNEL", "payments.providers.bank_channel.DirectoryChannel")
BANK_FILES: str = env.str("BANK_FILES", str(CADRE_HOME / "bank"))  # with `out` and `in` below it
BANK_FILE_MOST_BYTES: int = env.int("BANK_FILE_MOST_BYTES", 16 * 1024 * 1024)
BANK_KNOWS_FILES_DAYS: int = env.int("BANK_KNOWS_FILES_DAYS", 5)  # so long a bank surely recognises a message id
BANK_ANSWER_DAYS: int = env.int("BANK_ANSWER_DAYS", 3)  # silence about a file, or no statement, alarms after that
FUNDING_SETTLES_BY_STATEMENT: bool = env.bool("FUNDING_SETTLES_BY_STATEMENT", True)  # reference and amount are exact
RECONCILE_GRACE_DAYS: int = env.int("RECONCILE_GRACE_DAYS", 5)  # what we booked and the provider did not, until then
INBOUND_BODIES_KEPT_DAYS: int = env.int("INBOUND_BODIES_KEPT_DAYS", 400)  # what handled events of providers said
RECONCILE_ALARM_HOURS: int = env.int("RECONCILE_ALARM_HOURS", 24)  # an item nobody decided about

# --- Mail -----------------------------------------------------------------------------------------------------------
EMAIL_BACKEND: str = env.str(
    "EMAIL_BACKEND",
    "django.core.mail.backends.filebased.EmailBackend"
    if DEVELOPMENT
    else "django.core.mail.backends.smtp.EmailBackend",
)
EMAIL_FILE_PATH = CADRE_HOME / "mail"
EMAIL_HOST: str = env.str("EMAIL_HOST", "localhost")
EMAIL_PORT: int = env.int("EMAIL_PORT", 25)
EMAIL_HOST_USER: str = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD: str = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS: bool = env.bool("EMAIL_USE_TLS", False)
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", "Cadre <noreply@localhost>")

# --- Files ----------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = CADRE_HOME / "static"
MEDIA_ROOT = env.str("MEDIA_ROOT", str(CADRE_HOME / "media"))  # never served: downloads go through views
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEVELOPMENT
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEVELOPMENT
DATA_UPLOAD_MAX_MEMORY_SIZE = 17 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o600
UPLOAD_SCANNER: str = env.str("UPLOAD_SCANNER", "core.scanning.look_at_structure")
CLAMD_URL: str = env.str("CLAMD_URL", "tcp://localhost:3310")  # for UPLOAD_SCANNER=core.scanning.ask_clamd

# --- Language and time ----------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]  # a language stands here once its catalog is complete
LOCALE_PATHS = [BASE_DIR / "payments" / "locale"]  # papers speak more languages; their words come before the apps'
TIME_ZONE = "UTC"
USE_TZ = True

# --- Security -------------------------------------------------------------------------------------------------------
_HTTPS = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS or not DEVELOPMENT
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT: bool = env.bool("SECURE_SSL_REDIRECT", not DEVELOPMENT)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
# Behind a proxy of ours, which sets the scheme and appends the caller's address.
TRUST_PROXY: bool = env.bool("TRUST_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SECURE_HSTS_SECONDS = 0 if DEVELOPMENT else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEVELOPMENT
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE  # noqa: E402  # policy words

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}
# The admin's theme needs Alpine, and Alpine evaluates strings; set by the admin site on its own pages only.
ADMIN_CONTENT_SECURITY_POLICY = {
    "default-src": [SELF],
    "script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "font-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "form-action": [SELF],
}

# --- Logs -----------------------------------------------------------------------------------------------------------
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # the edge has checked it, or made its own
DJANGO_STRUCTLOG_USER_ID_FIELD = None  # touching request.user there breaks the headless session token
LOG_FORMAT: str = env.str("LOG_FORMAT", "console" if DEVELOPMENT else "json")

from config.logs import logging_settings  # noqa: E402  # shapes what follows from LOG_FORMAT

LOGGING = logging_settings(LOG_FORMAT)
