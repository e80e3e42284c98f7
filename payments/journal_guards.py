"""What PostgreSQL itself holds true of the journal, whoever writes to it.

An entry has all its legs from the statement that made it; they balance per currency and name the currency of their
account; nothing is changed or removed afterwards; a balance row is the sum of its legs, because only these triggers
write it. Queries over large tables are planned at each call (EXECUTE): a plan kept from when the journal was small
would read it whole. Rows that came together have ids beside each other, so a guard reads the range between the lowest
and the highest once (EXCEPT) instead of looking each up.
"""

from __future__ import annotations

from typing import Final

import pgtrigger

from core import guards

LEGS: Final = pgtrigger.Referencing(new="legs")
ENTRIES: Final = pgtrigger.Referencing(new="entries")
ACCOUNTS: Final = pgtrigger.Referencing(new="accounts")


FENCE: Final = 7_204_815_301
"""Advisory lock that writers of what pay is calculated from share until they commit (`ledger.when_nobody_writes`)."""


class Fenced(guards.Guard):
    """Whoever writes what pay is calculated from passes a fence that a calculation closes for a moment.

    So there is an instant at which every row with a lower id is committed, and a run can be calculated again from them.
    """

    name = "fenced"
    level = pgtrigger.Statement
    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    func = f"PERFORM pg_advisory_xact_lock_shared({FENCE}); RETURN NULL;"


class EntryHasLegs(guards.Guard):
    """An entry without legs is refused: entry and legs are written by one statement."""

    name = "entry_has_legs"
    level = pgtrigger.Statement
    when = pgtrigger.After
    operation = pgtrigger.Insert
    referencing = ENTRIES
    declare = [("low", "bigint"), ("high", "bigint"), ("bare", "bigint")]
    func = """
        SELECT min(id), max(id) INTO low, high FROM entries;
        EXECUTE 'SELECT id FROM entries EXCEPT SELECT entry_id FROM payments_posting'
            ' WHERE position = 1 AND entry_id BETWEEN $1 AND $2 LIMIT 1' INTO bare USING low, high;
        IF bare IS NOT NULL THEN
            RAISE EXCEPTION 'journal entry % has no legs', bare
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_entry_has_legs';
        END IF;
        RETURN NULL;
    """


class LegsBalance(guards.Guard):
    """Legs come complete, balance per entry and currency, and move the balance rows of their accounts.

    Two passes over the legs, one by account and one by entry, find whether anything is wrong; what it is, and the
    balance in each currency where there are several, is asked only then. Entry and account of every leg exist. What a lab owes by its own choice (reservations, bonuses) stays within
    its credit; hours that were approved post whatever it owes.
    """

    name = "legs_balance"
    level = pgtrigger.Statement
    when = pgtrigger.After
    operation = pgtrigger.Insert
    referencing = LEGS
    declare = [
        ("misfits", "bigint"),
        ("currencies", "bigint"),
        ("beyond", "bigint[]"),
        ("low", "bigint"),
        ("high", "bigint"),
        ("suspect", "bigint"),
        ("wrong", "bigint"),
    ]
    func = """
        EXECUTE 'WITH moves AS MATERIALIZED ('
            ' SELECT account_id, currency COLLATE "C" AS currency, sum(amount) AS amount FROM legs GROUP BY 1, 2'
            '), moved AS ('
            ' UPDATE payments_accountbalance b SET balance = b.balance + d.amount'
            ' FROM (SELECT account_id, sum(amount)::bigint AS amount FROM moves GROUP BY 1) d'
            ' WHERE b.account_id = d.account_id RETURNING b.account_id, b.balance, b.credit_minor'
            ') SELECT (SELECT count(*) FROM moves m LEFT JOIN payments_account a'
            ' ON a.id = m.account_id AND a.currency = m.currency WHERE a.id IS NULL),'
            ' (SELECT count(DISTINCT currency) FROM moves),'
            ' (SELECT array_agg(account_id) FROM moved WHERE balance < -credit_minor)' INTO misfits, currencies, beyond;
        SELECT min(entry_id), max(entry_id) INTO low, high FROM legs;
        EXECUTE 'SELECT entry_id FROM (SELECT entry_id, CASE WHEN sum(amount) = 0 AND max(position) = count(*)'
            ' THEN count(*) END FROM legs GROUP BY 1'
            ' EXCEPT SELECT id, legs::bigint FROM payments_journalentry WHERE id BETWEEN $1 AND $2) unlike LIMIT 1'
            INTO suspect USING low, high;
        IF suspect IS NOT NULL OR currencies > 1 THEN
            SELECT entry_id INTO wrong FROM legs GROUP BY entry_id, currency HAVING sum(amount) <> 0 LIMIT 1;
            IF wrong IS NOT NULL THEN
                RAISE EXCEPTION 'journal entry % does not balance', wrong
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_entry_balances';
            END IF;
        END IF;
        IF suspect IS NOT NULL THEN
            RAISE EXCEPTION 'the legs of journal entry % did not come complete', suspect
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_entry_complete';
        END IF;
        IF misfits > 0 THEN
            RAISE EXCEPTION 'a leg has no account, or another currency than its account'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_leg_currency';
        END IF;
        IF beyond IS NOT NULL THEN
            EXECUTE 'SELECT l.entry_id FROM legs l JOIN payments_journalentry e ON e.id = l.entry_id'
                ' WHERE l.account_id = ANY($1) AND l.amount < 0 AND e.kind IN (''budget_reserved'', ''bonus'') LIMIT 1'
                INTO wrong USING beyond;
            IF wrong IS NOT NULL THEN
                RAISE EXCEPTION 'journal entry % goes beyond the credit of its lab', wrong
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_within_credit';
            END IF;
        END IF;
        RETURN NULL;
    """


class OpenBalance(guards.Guard):
    """An account with a limit gets its balance row, at zero; those below whose zero nothing may fall say so."""

    name = "open_balance"
    level = pgtrigger.Statement
    when = pgtrigger.After
    operation = pgtrigger.Insert
    referencing = ACCOUNTS
    func = """
        INSERT INTO payments_accountbalance (account_id, balance, may_go_negative, credit_minor)
            SELECT id, 0, kind IN ('expert_payable', 'lab_receivable'), CASE kind WHEN 'lab_receivable' THEN 0 END
            FROM accounts
            WHERE kind IN ('lab_prepaid', 'lab_reserved', 'lab_receivable', 'expert_payable', 'expert_holdback');
        RETURN NULL;
    """


class OnlyTheJournalWrites(guards.Guard):
    """A balance row changes by postings alone: statements that come straight from a session are refused."""

    name = "only_the_journal_writes"
    level = pgtrigger.Statement
    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    func = """
        IF pg_trigger_depth() = 1 THEN
            RAISE EXCEPTION 'balances follow the journal' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NULL;
    """


class GrantCredit(guards.Guard):
    """The credit of a lab is its active limit, in the balance row where the journal looks: nobody else writes it."""

    name = "grant_credit"
    level = pgtrigger.Row
    when = pgtrigger.After
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    declare = [("changed", "payments_creditlimit"), ("owing", "bigint")]
    func = """
        changed := COALESCE(NEW, OLD);
        SELECT id INTO owing FROM payments_account
            WHERE kind = 'lab_receivable' AND tenant_id = changed.tenant_id AND currency = changed.currency;
        IF owing IS NULL AND changed.status = 'active' THEN
            RAISE EXCEPTION 'there is no account of what the lab owes'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_credit_account';
        END IF;
        UPDATE payments_accountbalance SET credit_minor = COALESCE((
            SELECT limit_minor FROM payments_creditlimit
            WHERE tenant_id = changed.tenant_id AND currency = changed.currency AND status = 'active'), 0)
            WHERE account_id = owing;
        RETURN NULL;
    """


class RefuseTruncate(pgtrigger.Trigger):
    """Nobody empties the journal by accident. A stock trigger, so that tests may ask it to look away."""

    name = "refuse_truncate"
    level = pgtrigger.Statement
    when = pgtrigger.Before
    operation = pgtrigger.Truncate
    func = "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';"
