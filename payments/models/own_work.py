"""Nobody decides his own hours: a guard in the database, for whoever asks and by whatever road."""

from __future__ import annotations

import pgtrigger

from core import guards
from core.problems import map_constraint
from experts.public import OwnWork

map_constraint("payments_nobody_decides_his_own_hours", OwnWork)


class NotByTheWorker(guards.Guard):
    """Refuse a ``decided_by`` who is the user behind the row's ``expert``."""

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    func = """
        IF NEW.decided_by_id IS NOT NULL AND EXISTS (
            SELECT 1 FROM experts_expert WHERE id = NEW.expert_id AND user_id = NEW.decided_by_id
        ) THEN
            RAISE EXCEPTION 'Nobody decides his own hours.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_nobody_decides_his_own_hours';
        END IF;
        RETURN NEW;
    """

    def __init__(self) -> None:
        super().__init__(name="not_by_the_worker")


class NotApprovedByTheWorker(guards.Guard):
    """Refuse a row whose proposal was approved by the user behind its ``expert``, or is not approved at all."""

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    func = """
        IF NEW.proposal_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM payments_adjustmentproposal p
            WHERE p.id = NEW.proposal_id AND p.status = 'approved' AND p.decided_by_id <> p.proposed_by_id
                AND NOT EXISTS (SELECT 1 FROM experts_expert x WHERE x.id = NEW.expert_id
                    AND x.user_id IN (p.decided_by_id, p.proposed_by_id))
        ) THEN
            RAISE EXCEPTION 'Two other people decide.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_nobody_decides_his_own_hours';
        END IF;
        RETURN NEW;
    """


class NotByItsQuoter(guards.Guard):
    """Refuse an exchange by a quote that the user behind its ``expert`` entered, proposed or approved."""

    when = pgtrigger.Before
    operation = pgtrigger.Insert
    func = """
        IF EXISTS (
            SELECT 1 FROM payments_fxquote q JOIN experts_expert x ON x.id = NEW.expert_id
            LEFT JOIN payments_adjustmentproposal p ON p.id = q.proposal_id
            WHERE q.id = NEW.quote_id AND x.user_id IN (q.entered_by_id, p.proposed_by_id, p.decided_by_id)
        ) THEN
            RAISE EXCEPTION 'Nobody sets his own rate.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_nobody_decides_his_own_hours';
        END IF;
        RETURN NEW;
    """

    def __init__(self) -> None:
        super().__init__(name="not_by_its_quoter")


class ApprovedByTwo(guards.Guard):
    """Refuse a row that names a proposal which nobody approved but its proposer, or nobody at all."""

    when = pgtrigger.Before
    operation = pgtrigger.Insert
    func = """
        IF NEW.proposal_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM payments_adjustmentproposal p
            WHERE p.id = NEW.proposal_id AND p.status = 'approved' AND p.decided_by_id <> p.proposed_by_id
        ) THEN
            RAISE EXCEPTION 'Two people decide.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_approved_by_two';
        END IF;
        RETURN NEW;
    """

    def __init__(self) -> None:
        super().__init__(name="approved_by_two")
