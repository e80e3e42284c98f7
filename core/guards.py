"""Triggers that no session can silence.

Stock pgtrigger functions begin by asking a session variable whether they should look away, and any role may set it.
Ours are compiled from a template without that question, run as the owner of the schema with a fixed search path, and
cannot be called by anybody. They serialise into migrations like the stock ones.
"""

from __future__ import annotations

from typing import Any

import pghistory
import pgtrigger
from django.db import models
from pghistory import trigger as history_trigger
from pgtrigger import compiler


class GuardSql(compiler.UpsertTriggerSql):
    """Installation template, version 1. Migrations refer to it: never edit it, add a second one."""

    def get_template(self) -> str:
        """The SQL that installs one guard."""
        return """
            CREATE OR REPLACE FUNCTION {pgid}()
            RETURNS TRIGGER AS $$
                {declare}
                BEGIN
                    {func}
                END;
            $$ LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp;

            REVOKE ALL ON FUNCTION {pgid}() FROM PUBLIC;

            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE {constraint} TRIGGER {pgid}
                {when} {operation} ON {table}
                {timing}
                {referencing}
                FOR EACH {level} {condition}
                EXECUTE PROCEDURE {execute};

            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class Guard(pgtrigger.Trigger):
    """A trigger compiled from :class:`GuardSql`."""

    def compile(self, model: Any) -> compiler.Trigger:
        """Re-render the stock compilation with our template."""
        stock = super().compile(model)
        _, _, kwargs = stock.sql.deconstruct()
        kwargs = {name: value for name, value in kwargs.items() if name not in ("hash", "ignore_func_name")}
        return compiler.Trigger(name=stock.name, sql=GuardSql(**kwargs))


class Refuse(Guard):
    """Refuse UPDATE and DELETE on a table, for whoever asks: history, journal, decisions, signatures."""

    when = pgtrigger.Before
    operation = pgtrigger.Update | pgtrigger.Delete
    func = "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';"


class HistoryRow(Guard, history_trigger.Event):
    """Writes one history row per changed row."""


class _Tracked(pghistory.RowEvent):
    def add_event_trigger(self, event_model: type[models.Model]) -> None:
        """Register our guarded trigger where pghistory would register its own."""
        options: dict[str, Any] = {
            "event_model": event_model,
            "label": self.label,
            "name": self.trigger_name,
            "row": self.row,
            "operation": self.operation,
            "condition": self.condition,
            "level": self.level,
        }
        tracked: type[models.Model] = event_model.pgh_tracked_model  # type: ignore[attr-defined]  # pghistory sets it
        pgtrigger.register(HistoryRow(**options))(tracked)  # type: ignore[no-untyped-call]  # pghistory's is untyped


class Inserted(_Tracked, pghistory.InsertEvent):
    """A row came."""


class Updated(_Tracked, pghistory.UpdateEvent):
    """A row changed in a tracked field."""


class Deleted(_Tracked, pghistory.DeleteEvent):
    """A row went."""
