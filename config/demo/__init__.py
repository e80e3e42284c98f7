"""The demo: people to log in as, and a story that plays the main job over HTTP and checks every amount.

``cast``         who takes part
``seed``         puts them into the database, with keys and log-ins in ``demo-credentials.json``
``transport``, ``api``, ``desk``, ``stage``   the clients: REST, the operators' pages, the clock
``acts``         the story, one module per act
``oracle``       what everybody must end up with, computed from raw facts by rules written a second time
``report``       the table at the end
"""
