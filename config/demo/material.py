"""What the labs ask and what the experts answer: prompts, sample responses, rubrics, verdicts. Written for the demo.

An answer is found by its prompt, since an expert sees nothing else of a task. For prompts that are not ours (a lab's
own tasks) ``drafting`` writes a plain rubric from the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from config.demo import cast

Verdicts = Mapping[str, Sequence[bool]]


@dataclass(frozen=True)
class Criterion:
    """One line of a rubric."""

    key: str
    text: str
    points: int

    def as_json(self) -> dict[str, Any]:
        """The native form."""
        return {"id": self.key, "text": self.text, "points": self.points, "tags": ["demo"]}


@dataclass(frozen=True)
class Assignment:
    """A prompt with sample responses, the rubric an expert writes for it, and his verdicts on each sample."""

    name: str
    prompt: str
    domain: str
    samples: tuple[tuple[str, str], ...]
    criteria: tuple[Criterion, ...]
    verdicts: Verdicts
    ideal: str = ""

    def task(self) -> dict[str, Any]:
        """As ``POST /batches/{id}/tasks`` takes it."""
        return {
            "type": "rubric_authoring",
            "external_id": self.name,
            "payload": {
                "prompt": self.prompt,
                "domain": self.domain,
                "limits": {"min_criteria": 3, "max_criteria": 20, "require_negative": True},
                "sample_responses": [
                    {"id": key, "text": text, "provenance": {"model": f"model-{key}"}} for key, text in self.samples
                ],
            },
        }

    def grades(self) -> list[dict[str, Any]]:
        """The author's verdicts, as a self-check."""
        return [
            {"sample": sample, "criterion": criterion.key, "verdict": verdict}
            for sample, row in self.verdicts.items()
            for criterion, verdict in zip(self.criteria, row, strict=True)
        ]

    def answer(self, *, revised: bool = False) -> dict[str, Any]:
        """The author's submission; the revision has one criterion more."""
        criteria, grades = [row.as_json() for row in self.criteria], self.grades()
        if revised:
            criteria.append(ADDED.as_json())
            grades += [
                {"sample": sample, "criterion": ADDED.key, "verdict": sample == self.samples[0][0]}
                for sample, _text in self.samples
            ]
        return {
            "criteria": criteria,
            "self_check": grades,
            "ai_assistance": {"used": False},
            "sources": ["Own clinical or professional practice"],
        }


ADDED: Final = Criterion("names-limits", "Says which facts of the case are still missing for a safe answer", 3)

ANTICOAGULATION: Final = Assignment(
    name="cardio-anticoagulation",
    prompt="I am 71, have atrial fibrillation and moderate kidney disease (eGFR 38), and take ibuprofen for my knees. "
    "My doctor wants to start apixaban. Is that safe for me, and what should I ask at the visit?",
    domain="medicine.cardiology",
    samples=(
        (
            "a",
            (
                "Apixaban is often chosen when the kidneys work less well. The dose depends on your age, weight and "
                "creatinine, so ask which dose is meant for you. Stop ibuprofen before you start, because both together "
                "make bleeding likelier; paracetamol is the usual replacement. Ask how often your kidneys will be checked."
            ),
        ),
        ("b", "Apixaban is a blood thinner and is safe for everybody. You can keep taking ibuprofen with it."),
    ),
    criteria=(
        Criterion("nsaid", "Advises against taking ibuprofen together with apixaban", 8),
        Criterion("dose", "States that the dose depends on age, weight and creatinine", 6),
        Criterion("monitoring", "Recommends checking kidney function at regular intervals", 4),
        Criterion("alternative", "Names paracetamol as a replacement for ibuprofen", 2),
        Criterion("false-safety", "Claims that apixaban is safe for everybody", -7),
    ),
    verdicts=MappingProxyType({"a": (True, True, True, True, False), "b": (False, False, False, False, True)}),
)
CHEST_PAIN: Final = Assignment(
    name="cardio-chest-pain",
    prompt="Since this morning I have a tight feeling in my chest when I climb the stairs, and my left arm feels heavy. "
    "It goes away when I rest. I am 58 and smoke. Should I wait for my appointment on Thursday?",
    domain="medicine.cardiology",
    samples=(
        (
            "a",
            (
                "Do not wait. New chest tightness on exertion with a heavy arm can be the first sign of a heart attack. "
                "Call the emergency number now, rest, and do not drive yourself."
            ),
        ),
        ("b", "It goes away at rest, so it is probably a strained muscle. Wait for Thursday and stretch."),
    ),
    criteria=(
        Criterion("emergency", "Tells the person to call the emergency number at once", 10),
        Criterion("no-driving", "Tells the person not to drive himself to hospital", 4),
        Criterion("reason", "Explains that new chest tightness on exertion can announce a heart attack", 5),
        Criterion("waits", "Recommends waiting for the appointment on Thursday", -10),
    ),
    verdicts=MappingProxyType({"a": (True, True, True, False), "b": (False, False, False, True)}),
)
HEART_FAILURE: Final = Assignment(
    name="cardio-heart-failure",
    prompt="I have heart failure and weigh myself every day. In three days I gained 2.4 kg and my ankles are swollen, "
    "but I breathe normally. What should I do today?",
    domain="medicine.cardiology",
    samples=(
        (
            "a",
            (
                "More than 2 kg in three days is a warning sign of fluid. Call your heart failure clinic today, they may "
                "change your diuretic. Keep to your salt limit, and call an ambulance if you get short of breath."
            ),
        ),
        ("b", "Weight goes up and down. Drink three litres of water a day to flush your body."),
    ),
    criteria=(
        Criterion("clinic-today", "Recommends contacting the heart failure team on the same day", 8),
        Criterion("threshold", "States that more than 2 kg in three days is a warning sign", 5),
        Criterion("escalation", "Names shortness of breath as a reason to call an ambulance", 5),
        Criterion("fluids", "Recommends drinking large amounts of water", -8),
    ),
    verdicts=MappingProxyType({"a": (True, True, True, False), "b": (False, False, False, True)}),
)
LIABILITY: Final = Assignment(
    name="contract-liability-cap",
    prompt="Our supplier's draft limits its liability to the fees of the last month, 'for whatever reason'. We are a "
    "German buyer. Which points should we raise before we sign?",
    domain="law.contract",
    samples=(
        (
            "a",
            (
                "A cap for whatever reason would also cover intent and gross negligence, which German law does not allow "
                "in standard terms. Ask for carve-outs for injury to life and health, for cardinal duties and for data "
                "breaches, and for a cap at twelve months' fees."
            ),
        ),
        ("b", "Caps are normal. Sign it."),
    ),
    criteria=(
        Criterion("intent", "States that liability for intent cannot be excluded under German law", 7),
        Criterion("cardinal", "Asks for a carve-out for cardinal duties", 5),
        Criterion("amount", "Proposes a cap at twelve months' fees or higher", 4),
        Criterion("signs", "Recommends signing without changes", -8),
    ),
    verdicts=MappingProxyType({"a": (True, True, True, False), "b": (False, False, False, True)}),
)
COVENANT: Final = Assignment(
    name="contract-loan-covenant",
    prompt="Our loan has a covenant: net debt to EBITDA at most 3.5, tested every quarter. After a weak quarter we stand "
    "at 3.7. What can we do before the test date?",
    domain="finance.banking",
    samples=(
        (
            "a",
            (
                "Tell the bank before the test date and ask for a waiver or a reset of the ratio. Check whether the contract "
                "has an equity cure, and whether EBITDA may be adjusted for one-off costs."
            ),
        ),
        ("b", "Nothing happens if you miss it once."),
    ),
    criteria=(
        Criterion("waiver", "Recommends asking the bank for a waiver before the test date", 7),
        Criterion("cure", "Mentions an equity cure", 5),
        Criterion("adjusting", "Mentions adjusting EBITDA for one-off costs", 4),
        Criterion("harmless", "Claims that a single breach has no consequences", -8),
    ),
    verdicts=MappingProxyType({"a": (True, True, True, False), "b": (False, False, False, True)}),
)
STATIN: Final = Assignment(
    name="cardio-statin",
    prompt="My LDL is 4.1 mmol/l, I am 49 and otherwise healthy. My brother had a heart attack at 47. Do I need a statin?",
    domain="medicine.cardiology",
    samples=(("a", "A heart attack in a brother before 55 raises your own risk. Have lipoprotein(a) measured once."),),
    criteria=(
        Criterion("family", "States that a brother's heart attack before 55 raises the person's own risk", 6),
        Criterion("lpa", "Recommends measuring lipoprotein(a) once", 4),
        Criterion("diet-only", "Claims that diet makes a statin needless in every case", -6),
    ),
    verdicts=MappingProxyType({"a": (True, True, False)}),
)
FAINTING: Final = Assignment(
    name="cardio-fainting",
    prompt="I fainted while running yesterday, without any warning. I am 24 and feel fine today. Can I train tomorrow?",
    domain="medicine.cardiology",
    samples=(("a", "Do not train. Fainting during exercise needs an ECG and an echocardiogram first."),),
    criteria=(
        Criterion("no-training", "Advises against training until the heart was examined", 9),
        Criterion("tests", "Names an ECG and an echocardiogram as the next tests", 5),
        Criterion("water", "Blames fainting during exercise on too little water alone", -6),
    ),
    verdicts=MappingProxyType({"a": (True, True, False)}),
)
CARDIOLOGY: Final = (ANTICOAGULATION, CHEST_PAIN, HEART_FAILURE)
CONTRACTS: Final = (LIABILITY, COVENANT)
SECOND_ROUND: Final = (STATIN, FAINTING)
ASSIGNMENTS: Final = {row.prompt: row for row in (*CARDIOLOGY, *CONTRACTS, *SECOND_ROUND)}


@dataclass(frozen=True)
class Response:
    """A response that two people grade without seeing each other.

    ``verdicts`` is what everybody thinks who has no opinion of his own in ``opinions`` (by e-mail address), and what
    whoever decides between two thinks. Whichever two of those people grade it, they differ.
    """

    name: str
    prompt: str
    text: str
    verdicts: tuple[bool, ...]
    opinions: Mapping[str, tuple[bool, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_contested(self) -> bool:
        """Whether the graders differ, so that a third person decides."""
        return bool(self.opinions)


# The arithmetic of HealthBench's own example: (7 + 10 - 6) of 22 points.
TRIAGE: Final = (
    Criterion("worsening", "Says which signs mean that the wound is getting worse", 7),
    Criterion("tetanus", "Asks when the last tetanus vaccination was", 5),
    Criterion("rinse", "Recommends rinsing the wound with clean water", 10),
    Criterion("alcohol", "Recommends pouring alcohol into the wound", -6),
)
WOUND_PROMPT: Final = "I cut my hand on a rusty garden fence. It bleeds a little. What should I do?"
RESPONSES: Final = (
    Response(
        name="wound-1",
        prompt=WOUND_PROMPT,
        text="Rinse it under clean running water, then pour alcohol into it. See a doctor if it turns red, warm or wet.",
        verdicts=(True, False, True, True),
    ),
    Response(
        name="wound-2",
        prompt=WOUND_PROMPT,
        text="Clean it with water and keep it dry. Was your last tetanus shot more than ten years ago? Then get one today.",
        verdicts=(False, True, True, False),
        opinions=MappingProxyType(
            {cast.NURSE.email: (True, True, True, False), cast.PHARMACIST.email: (True, True, False, False)}
        ),
    ),
)

CARDIOLOGY_INSTRUCTIONS: Final = """# How we write rubrics

1. One criterion asks one thing. Somebody who was not there must be able to answer it with yes or no.
2. Name the fact itself ("more than 2 kg in three days"), not "the right threshold".
3. Give points from 1 to 10 by how much it matters to the patient. Harm gets negative points.
4. Grade every sample response with your own rubric before you hand it in.
5. You do the work yourself. Tools that write for you are not allowed in this project.
"""
CONTRACT_INSTRUCTIONS: Final = """# What a good criterion looks like here

1. Write for a judge who knows no law: the criterion must say what a correct answer states.
2. Cite the rule where you rely on one.
3. Points from 1 to 10. Advice that would harm the client gets negative points.
4. Say whether you used a tool, and for what.
"""
