"""Who acts for a lab: taken away again, nothing else goes with it."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from core import clock
from core.public import User
from experts.models import Signature
from marketplace.models import LabMember
from marketplace.operations import labs
from tests.marketplace.world import (
    NOW,
    expert_caller,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
    signatures_for,
)

MINE = "/api/v1/expert"

pytestmark = pytest.mark.django_db


def test_a_contract_holder_who_was_a_member_for_a_while_keeps_his_contract() -> None:
    lab, ada = make_lab(), make_expert()
    contract = make_contract(make_opening(make_project(lab)), ada)
    call = expert_caller(ada)
    with platform():
        member = labs.add_member(lab=lab, email=User.objects.get(pk=ada.user_id).email, role="viewer", now=NOW)
        labs.remove_member(member=member, now=NOW)
        assert not LabMember.objects.filter(user=ada.user_id).exists()
    assert call("GET", f"{MINE}/contracts/{contract.public_id}").status_code == 200


def test_the_address_beside_a_signature_is_the_signers_not_the_proxys(settings: LazySettings) -> None:
    settings.TRUST_PROXY = True
    ada = make_expert()
    offer = make_offer(make_opening(make_project(make_lab())), ada, now=clock.now())
    signatures = [
        {"agreement_version": given.agreement_version, "typed_name": given.typed_name}
        for given in signatures_for(offer)
    ]
    accepted = expert_caller(ada)(
        "POST",
        f"{MINE}/offers/{offer.public_id}/accept",
        {"signatures": signatures},
        X_Forwarded_For="198.51.100.7, 203.0.113.9",
        Idempotency_Key="sign",
    )
    assert accepted.status_code == 201, accepted.content
    assert set(Signature.objects.values_list("ip", flat=True)) == {"203.0.113.9"}
