"""A stateful counterpart of Stripe Connect for tests and development.

It keeps accounts, balances, transfers and payouts, replays idempotency keys as Stripe documents it, misbehaves on demand,
signs webhooks, and refuses every request that Stripe's published description does not allow.
"""
