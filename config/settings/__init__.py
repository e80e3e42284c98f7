"""The settings, by subject and driven by the environment. A setting's name is the same wherever it stands.

mode       development or production, home, base URL      people     sign-up, log-in, second factors
site       applications, pages, files, mail, logs         hours      timers, windows, floors, notice of new terms
stores     PostgreSQL, history, Valkey                    pay        paydays, payouts, four eyes, referrals
api        answers, OpenAPI, rate limits                  books      labs' funds, journal, invoices, tax
security   hosts, HTTPS, content policies, vault          providers  rails, Stripe, bank, sandbox, reconciliation
"""

from __future__ import annotations

import django_stubs_ext

from config.settings.api import *
from config.settings.books import *
from config.settings.hours import *
from config.settings.mode import *
from config.settings.pay import *
from config.settings.people import *
from config.settings.providers import *
from config.settings.security import *
from config.settings.site import *
from config.settings.stores import *

django_stubs_ext.monkeypatch()  # generic Django classes can be written with their types: CharField[str, str]
