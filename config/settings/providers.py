"""Who carries money to experts: rails, Stripe, the bank and the sandbox, and how their books are compared with ours."""

from __future__ import annotations

from config.settings.mode import BASE_URL, CADRE_HOME, DEVELOPMENT, env

PAYOUT_PROVIDERS: dict[str, str] = {
    "stripe_connect": "payments.providers.stripe_connect.StripeConnectProvider",
    "sandbox": "payments.providers.sandbox.SandboxProvider",
    "sepa_file": "payments.providers.sepa_file.SepaFileProvider",
}
# Which provider pays a kind of method, by "type:currency:country" with * for any; the most exact line wins.
PAYOUT_RAILS: dict[str, str] = env.dict(
    "PAYOUT_RAILS",
    {"sandbox:*:*": "sandbox", "iban:*:*": "sandbox", "us_bank:*:*": "sandbox"} if DEVELOPMENT else {},
)
PAYOUT_BATCHES: dict[str, int] = {"sepa_file": 250}  # how many payouts go in one call; 25 where nothing is said
PAYEE_RETURN_URL: str = env.str("PAYEE_RETURN_URL", f"{BASE_URL}/")  # where a provider's own pages lead back to
INBOUND_BODIES_KEPT_DAYS: int = env.int("INBOUND_BODIES_KEPT_DAYS", 400)  # what handled events of providers said
RECONCILE_GRACE_DAYS: int = env.int("RECONCILE_GRACE_DAYS", 5)  # what we booked and the provider did not, until then
RECONCILE_ALARM_HOURS: int = env.int("RECONCILE_ALARM_HOURS", 24)  # an item nobody decided about

# --- Stripe ---------------------------------------------------------------------------------------------------------
STRIPE_API_KEY: str = env.str("STRIPE_API_KEY", "")
STRIPE_API_BASE: str = env.str("STRIPE_API_BASE", "https://api.stripe.com")
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS", [])  # any of them may have signed
STRIPE_TIMEOUT_SECONDS: float = env.float("STRIPE_TIMEOUT_SECONDS", 30.0)

# --- The bank -------------------------------------------------------------------------------------------------------
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

# --- The sandbox ----------------------------------------------------------------------------------------------------
SANDBOX_PROVIDER_LATENCY: float = env.float("SANDBOX_PROVIDER_LATENCY", 0.0)  # seconds for each payout
SANDBOX_PROVIDER_SETTLES_AFTER: int = env.int("SANDBOX_PROVIDER_SETTLES_AFTER", 0)  # seconds until it is paid
