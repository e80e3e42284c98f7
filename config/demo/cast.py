"""Who takes part in the demo: two rival labs, seven experts, the platform's staff. Invented people and firms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class LabRole:
    """A lab and the people who decide for it: (local part of the address, role)."""

    name: str
    slug: str
    currency: str
    country: str
    members: tuple[tuple[str, str], ...] = (("manager", "manager"), ("director", "manager"), ("reviewer", "reviewer"))

    def address(self, member: str) -> str:
        """The e-mail address of one of its people."""
        return f"{member}@{self.slug}.example"


@dataclass(frozen=True)
class Proof:
    """A credential that an expert uploads."""

    kind: str
    title: str
    issuer: str
    award: str = ""
    jurisdiction: str = ""


@dataclass(frozen=True)
class ExpertRole:
    """An expert and what he can prove; the tier is what the rule makes of it once everything is verified."""

    name: str
    local_part: str
    headline: str
    country: str
    zone: str
    languages: tuple[str, ...]
    domain: str
    level: int
    years: int
    tier: str
    proofs: tuple[Proof, ...] = ()

    @property
    def email(self) -> str:
        """The address he logs in with."""
        return f"{self.local_part}@experts.example"


@dataclass(frozen=True)
class StaffRole:
    """Somebody at the operators' desk, in one group."""

    name: str
    local_part: str
    role: str

    @property
    def email(self) -> str:
        """The address he logs in with."""
        return f"{self.local_part}@cadre.example"


NORTHWIND: Final = LabRole(name="Northwind AI", slug="northwind", currency="USD", country="US")
HELIOS: Final = LabRole(name="Helios Labs", slug="helios", currency="EUR", country="DE")
LABS: Final = (NORTHWIND, HELIOS)

CARDIOLOGIST: Final = ExpertRole(
    name="Amara Okafor",
    local_part="amara.okafor",
    headline="Consultant cardiologist, heart failure and arrhythmia",
    country="US",
    zone="America/New_York",
    languages=("en", "fr"),
    domain="medicine.cardiology",
    level=5,
    years=13,
    tier="senior_expert",
    proofs=(
        Proof("degree", "Doctor of Medicine", "Lakeside University", award="doctorate"),
        Proof("licence", "Licence to practise medicine", "State medical board", award="medical", jurisdiction="US-NY"),
    ),
)
PHARMACIST: Final = ExpertRole(
    name="Grace Lindqvist",
    local_part="grace.lindqvist",
    headline="Clinical pharmacist in a university hospital",
    country="SE",
    zone="Europe/Stockholm",
    languages=("en", "sv"),
    domain="medicine.pharmacy",
    level=4,
    years=4,
    tier="specialist",
    proofs=(Proof("degree", "Bachelor of Pharmacy", "Northern University", award="bachelor"),),
)
NURSE: Final = ExpertRole(
    name="Priya Nair",
    local_part="priya.nair",
    headline="Intensive-care nurse",
    country="IN",
    zone="Asia/Kolkata",
    languages=("en", "hi"),
    domain="medicine.nursing",
    level=3,
    years=1,
    tier="skilled",
    proofs=(Proof("certificate", "Critical care nursing", "Nursing council"),),
)
LAWYER: Final = ExpertRole(
    name="Lukas Brandt",
    local_part="lukas.brandt",
    headline="Attorney for commercial contracts",
    country="DE",
    zone="Europe/Berlin",
    languages=("de", "en"),
    domain="law.contract",
    level=4,
    years=7,
    tier="expert",
    proofs=(Proof("degree", "Second state examination in law", "Ministry of justice", award="master"),),
)
BANKER: Final = ExpertRole(
    name="Sofia Marchetti",
    local_part="sofia.marchetti",
    headline="Corporate banker, lending and covenants",
    country="IT",
    zone="Europe/Rome",
    languages=("it", "en"),
    domain="finance.banking",
    level=4,
    years=6,
    tier="specialist",
    proofs=(Proof("degree", "Bachelor of Economics", "University of the Lagoon", award="bachelor"),),
)
ENGINEER: Final = ExpertRole(
    name="Daniel Kim",
    local_part="daniel.kim",
    headline="Backend engineer, databases under load",
    country="KR",
    zone="Asia/Seoul",
    languages=("ko", "en"),
    domain="software.backend",
    level=4,
    years=8,
    tier="specialist",
    proofs=(Proof("degree", "Bachelor of Computer Science", "Han River Institute", award="bachelor"),),
)
LINGUIST: Final = ExpertRole(
    name="Yasmin Haddad",
    local_part="yasmin.haddad",
    headline="Linguist, Arabic and French",
    country="MA",
    zone="Africa/Casablanca",
    languages=("ar", "fr", "en"),
    domain="humanities.linguistics",
    level=3,
    years=3,
    tier="generalist",
)
EXPERTS: Final = (CARDIOLOGIST, PHARMACIST, NURSE, LAWYER, BANKER, ENGINEER, LINGUIST)

VERIFIER: Final = StaffRole("Vera Novak", "vera.novak", "verifier")
REVIEWER: Final = StaffRole("Ruben Castillo", "ruben.castillo", "reviewer")
SECOND_REVIEWER: Final = StaffRole("Rosa Amado", "rosa.amado", "reviewer")
PREPARER: Final = StaffRole("Paula Meier", "paula.meier", "finance_prepare")
RELEASER: Final = StaffRole("Ravi Shah", "ravi.shah", "finance_release")
SUPPORT: Final = StaffRole("Sam Adeyemi", "sam.adeyemi", "support")
AUDITOR: Final = StaffRole("Aiko Tanaka", "aiko.tanaka", "auditor")
STAFF: Final = (VERIFIER, REVIEWER, SECOND_REVIEWER, PREPARER, RELEASER, SUPPORT, AUDITOR)
