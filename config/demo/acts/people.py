"""Act 1: experts say who they are and prove it; a verifier looks at the documents; tiers follow by rule."""

from __future__ import annotations

from functools import partial
from typing import Any

from config.demo import cast, documents
from config.demo.api import Api, File, wait_for
from config.demo.cast import ExpertRole, Proof
from config.demo.stage import Stage

CREDENTIALS = "/admin/experts/credential/"
WEEKLY, DAILY = "PT20H", "PT6H"


def introduce(stage: Stage) -> None:
    """Complete the profiles."""
    for role in cast.EXPERTS:
        api = stage.expert(role)
        api.patch("/", _profile(role))
        api.patch("/availability", {"weekly": WEEKLY, "daily_cap": DAILY, "open_to_offers": True})
    stage.step(f"{len(cast.EXPERTS)} experts completed their profiles")


def prove(stage: Stage) -> None:
    """Upload credentials (PDF and PNG), verify them at the desk, and see the tiers that follow."""
    uploaded = [
        (stage.expert(role), _hand_in(stage.expert(role), role, proof))
        for role in cast.EXPERTS
        for proof in role.proofs
    ]
    keys = []
    desk = stage.desk(cast.VERIFIER)
    for api, credential in uploaded:
        wait_for(f"the scan of {credential}", partial(_is_pending, api, credential))
        keys.append(desk.find(CREDENTIALS, credential))
    desk.act(CREDENTIALS, "verify", keys, reason="The document was compared with the issuer's register.")
    stage.step(f"{cast.VERIFIER.name} verified {len(keys)} credentials at the desk")
    for role in cast.EXPERTS:
        stage.check(f"tier of {role.name}", role.tier, stage.expert(role).get("/")["tier"]["tier"])


def upload_one_more(stage: Stage) -> None:
    """Leave a credential for the verifier."""
    proof = Proof("certificate", "Court interpreter, Arabic and French", "Court of appeal")
    credential = _hand_in(stage.expert(cast.LINGUIST), cast.LINGUIST, proof)
    wait_for("the scan of the last credential", lambda: _is_pending(stage.expert(cast.LINGUIST), credential))


def _profile(role: ExpertRole) -> dict[str, Any]:
    return {
        "legal_name": role.name,
        "headline": role.headline,
        "country": role.country,
        "zone": role.zone,
        "languages": list(role.languages),
        "years": role.years,
        "domains": [{"domain": role.domain, "level": role.level, "years": role.years}],
    }


def _hand_in(api: Api, role: ExpertRole, proof: Proof) -> str:
    fields = {"kind": proof.kind, "title": proof.title, "issuer": proof.issuer, "domain": role.domain}
    fields |= {"award": proof.award} if proof.award else {}
    fields |= {"jurisdiction": proof.jurisdiction} if proof.jurisdiction else {}
    credential: str = api.post("/credentials", fields, files={"file": _document(role, proof)})["id"]
    return credential


def _document(role: ExpertRole, proof: Proof) -> File:
    """A certificate is a picture, everything else a PDF."""
    if proof.kind == "certificate":
        return File("certificate.png", "image/png", documents.png())
    lines = [f"{proof.issuer} confirms that {role.name} holds: {proof.title}.", "Made for the demonstration of Cadre."]
    return File("document.pdf", "application/pdf", documents.pdf(title=proof.title, lines=lines))


def _is_pending(api: Api, credential: str) -> bool:
    return bool(api.get(f"/credentials/{credential}")["status"] == "pending")
