"""The other ledger, in a process, a virtual environment and a database of its own: no part of it enters the product."""
