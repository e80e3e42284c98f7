"""The money of labs: paid in, set aside, lent, billed, given back."""
