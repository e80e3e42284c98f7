"""The taxonomy: all fields of ISCED-F 2013, and the domains that openings ask for, each with its field."""

import csv
from pathlib import Path

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FOLDER = Path(__file__).resolve().parent.parent / "taxonomy"


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    IscedField = apps.get_model("experts", "IscedField")
    Domain = apps.get_model("experts", "Domain")
    fields = {}
    for row in _rows("isced_f_2013.csv"):
        code = row["code"]
        fields[code] = IscedField.objects.create(code=code, name=row["name"], parent=fields.get(code[:-1]))
    domains = {}
    for row in _rows("domains.csv"):
        code = row["code"]
        domains[code] = Domain.objects.create(
            code=code,
            name=row["name"],
            isced=fields[row["isced"]],
            parent=domains[code.rpartition(".")[0]] if "." in code else None,
        )


def uproot(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("experts", "Domain").objects.all().delete()
    apps.get_model("experts", "IscedField").objects.order_by("-code").delete()


class Migration(migrations.Migration):
    dependencies = [("experts", "0001_initial")]
    operations = [migrations.RunPython(plant, uproot)]
