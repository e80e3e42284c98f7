"""Nobody decides about himself, whoever asks the database."""

from __future__ import annotations

import pgtrigger

from core import guards


class NotByHimself(guards.Guard):
    """Refuse a row whose ``decided_by`` is the expert it is about."""

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    func = (
        "IF NEW.decided_by_id = (SELECT user_id FROM experts_expert WHERE id = NEW.expert_id) THEN"
        " RAISE EXCEPTION 'nobody decides about himself'"
        " USING ERRCODE = 'check_violation', CONSTRAINT = 'experts_not_by_himself'; END IF; RETURN NEW;"
    )
