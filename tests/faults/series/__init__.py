"""`make faults`: a long series of kills over a real pay run, in servers of its own.

It lies beside the fault tests because it is made of the same processes and holds to the same invariants.
"""
