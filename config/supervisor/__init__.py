"""One process that runs a whole Cadre on one machine, for development and for trying it out.

``python -m config.supervisor run``    keeps its data and serves until Ctrl-C
``python -m config.supervisor demo``   plays the demo story in a private instance that disappears
``python -m config.supervisor codes``  prints the operators' one-time codes of this moment
"""
