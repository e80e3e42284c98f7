"""Pay runs from the cutoff to the statement, and the papers that a payout needs."""
