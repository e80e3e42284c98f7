"""The labs' funds, the export of the journal, and what invoices and tax forms say."""

from __future__ import annotations

from config.settings.mode import DEVELOPMENT, env

# --- Funds of the labs ----------------------------------------------------------------------------------------------
FUNDING_PROVIDER: str = env.str("FUNDING_PROVIDER", "sandbox" if DEVELOPMENT else "bank")  # whose cash account grows
FUNDING_SETTLES_AT_ONCE: bool = env.bool("FUNDING_SETTLES_AT_ONCE", DEVELOPMENT)
FUNDING_SETTLES_BY_STATEMENT: bool = env.bool("FUNDING_SETTLES_BY_STATEMENT", True)  # reference and amount are exact
# Refunds to labs above this need two people, by currency in minor units; of one that is not named, as for adjustments.
REFUND_ALONE_MINOR: dict[str, int] = env.dict("REFUND_ALONE_MINOR", {}, subcast_values=int)

# --- The journal ----------------------------------------------------------------------------------------------------
# Codes of your chart of accounts for the journal export: by kind and detail ("cash:bank"), else by kind ("cash").
CHART_OF_ACCOUNTS: dict[str, str] = env.dict("CHART_OF_ACCOUNTS", {})

# --- Invoices and tax forms -----------------------------------------------------------------------------------------
PLATFORM_ZONE: str = env.str("PLATFORM_ZONE", "UTC")  # whose calendar months are billed
TAX_ZONE: str = env.str("TAX_ZONE", "America/New_York")  # whose calendar years the payer's tax forms follow
# Who issues invoices. "key" tells the series of legal persons apart and stands before their numbers, where it is set.
ISSUER: dict[str, str] = {
    "key": env.str("ISSUER_KEY", ""),
    "legal_name": env.str("ISSUER_LEGAL_NAME", "Cadre"),
    "street": env.str("ISSUER_STREET", ""),
    "postal_code": env.str("ISSUER_POSTAL_CODE", ""),
    "city": env.str("ISSUER_CITY", ""),
    "country": env.str("ISSUER_COUNTRY", ""),
    "vat_id": env.str("ISSUER_VAT_ID", ""),
    "email": env.str("ISSUER_EMAIL", ""),
}
# The issuer's own VAT rate in basis points, by its country ("DE=1900"); without one no invoice has a VAT line.
VAT_RATES: dict[str, int] = env.dict("VAT_RATES", {}, subcast_values=int)
