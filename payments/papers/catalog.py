"""The papers' words: which texts a catalog must translate, and how catalogs are compiled.

``manage.py paper_catalogs`` compiles ``payments/locale/*/LC_MESSAGES/django.po``; a test holds every catalog to the
texts of the sources named here, and the compiled file to its source.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils import translation

from payments.models import Activity

FLOOR: Final = Path(__file__).resolve().parent.parent
LOCALE: Final = FLOOR / "locale"
_SOURCES: Final = ("papers/*.py", "queries/statement_lines.py", "payout_reasons.py")


def texts() -> Iterator[str]:
    """Every text that a paper may show: what its sources mark, and the names of activities."""
    for pattern in _SOURCES:
        for path in sorted(FLOOR.glob(pattern)):
            for found in extract_from_file("python", path, keywords={"_": None, "gettext_lazy": None}):
                yield str(found[1])
    with translation.override(None):
        yield from (str(activity.label) for activity in Activity)


def catalogs() -> Iterator[tuple[Path, Catalog]]:
    """Each catalog with the path of its compiled file."""
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        with path.open("rb") as file:
            yield path.with_suffix(".mo"), read_po(file, locale=path.parent.parent.name)


def compiled(catalog: Catalog) -> bytes:
    """The machine's form of a catalog."""
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()
