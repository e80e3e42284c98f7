"""The Django site: its applications, pages, files, mail, languages and logs."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from config.logs import logging_settings
from config.settings.mode import BASE_DIR, CADRE_HOME, DEVELOPMENT, env

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

# --- The operators' desk --------------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Cadre",
    "SITE_HEADER": "Cadre",
    "SITE_SYMBOL": "balance",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "config.admin_site.environment",
    "STYLES": [lambda _request: static("site/desk.css")],
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": "config.admin_site.navigation"},
}

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
FORMAT_MODULE_PATH = "config.formats"
LANGUAGES = [("en", _("English"))]  # a language stands here once its catalog is complete
LOCALE_PATHS = [BASE_DIR / "payments" / "locale"]  # papers speak more languages; their words come before the apps'
TIME_ZONE = "UTC"
USE_TZ = True

# --- Logs -----------------------------------------------------------------------------------------------------------
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # the edge has checked it, or made its own
DJANGO_STRUCTLOG_USER_ID_FIELD = None  # touching request.user there breaks the headless session token
LOG_FORMAT: str = env.str("LOG_FORMAT", "console" if DEVELOPMENT else "json")
LOGGING = logging_settings(LOG_FORMAT)
