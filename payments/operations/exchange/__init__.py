"""Exchange of currencies: who quotes, and who takes a quote."""
