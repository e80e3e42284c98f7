"""The WSGI application that granian serves."""

from __future__ import annotations

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

from config import heap

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
# Otherwise the first visitor waits for it, and the collector would walk all of it for ever.
import_module("config.urls")
heap.settle()
