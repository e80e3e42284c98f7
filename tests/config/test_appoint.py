"""Who works at the desk is said on the command line, never at the desk."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.public import User

pytestmark = pytest.mark.django_db


def _appoint(*words: str) -> str:
    told = StringIO()
    call_command("appoint", *words, stdout=told)
    return told.getvalue()


def test_a_person_works_in_exactly_the_groups_that_were_named_last() -> None:
    user = User.objects.create_user("ops@example.org")
    assert "works at the desk: reviewer, support" in _appoint("OPS@example.org", "reviewer", "support")
    _appoint("ops@example.org", "finance_prepare")
    user = User.objects.get(pk=user.pk)
    assert user.is_staff
    assert [group.name for group in user.groups.all()] == ["finance_prepare"]
    assert not user.is_superuser


def test_without_groups_nobody_works_at_the_desk() -> None:
    user = User.objects.create_user("ops@example.org")
    _appoint("ops@example.org", "finance_release")
    assert "no longer" in _appoint("ops@example.org")
    user = User.objects.get(pk=user.pk)
    assert not user.is_staff
    assert not user.groups.exists()
    assert not user.has_perm("payments.release_payrun")


@pytest.mark.parametrize(
    ("words", "reason"), [(["nobody@example.org", "support"], "signed up"), (["ops@example.org", "king"], "king")]
)
def test_strangers_and_unknown_groups_change_nothing(words: list[str], reason: str) -> None:
    User.objects.create_user("ops@example.org")
    with pytest.raises(CommandError, match=reason):
        _appoint(*words)
    assert not User.objects.filter(is_staff=True).exists()
    assert User.objects.count() == 1
