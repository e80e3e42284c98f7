"""Ask the web process of this container whether it is ready. Exit code 0 when it is.

The request names the public host: Django refuses hosts it does not serve.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit


def main() -> int:
    """One request to /readyz on the loopback address."""
    host = urlsplit(os.environ["BASE_URL"]).hostname or "localhost"
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8000")), timeout=5)
    connection.request("GET", "/readyz", headers={"Host": host})
    return 0 if connection.getresponse().status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
