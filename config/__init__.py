"""The top floor: settings, addresses, servers, the admin site and the demo story. Nobody imports it.

Empty on purpose: the embedded servers start before there are settings, and importing them must not read any.
"""
