"""A plain rubric for a prompt that the demo has never seen: what a careful generalist would ask for.

The demo's experts know their own prompts by heart; for a lab's own tasks they take the prompt's sentences and ask that
each be dealt with. It is drawn from the prompt alone: the reference, where there is one, stays with the lab.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MOST_CRITERIA = 12
FEWEST_CRITERIA = 3
LONGEST_QUOTE = 140
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[a-z0-9]{3,}")
_ASKS = re.compile(
    r"\?|\b(?:can you|please|give|tell|list|explain|recommend|suggest|want|need|should|must|include)\b", re.IGNORECASE
)
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "that",
        "with",
        "this",
        "you",
        "your",
        "are",
        "was",
        "have",
        "has",
        "not",
        "but",
        "from",
        "can",
        "will",
        "what",
        "how",
        "any",
        "all",
        "use",
        "one",
        "two",
        "she",
        "her",
        "his",
        "him",
        "they",
        "them",
        "our",
        "out",
        "who",
        "were",
        "been",
        "into",
        "than",
        "then",
        "there",
        "when",
        "which",
        "would",
        "could",
        "should",
        "about",
        "also",
        "just",
        "like",
    ]
)


def rubric(prompt: str | list[dict[str, str]], samples: Iterable[str] = ()) -> dict[str, Any]:
    """A submission for a ``rubric_authoring`` task: one criterion for each thing asked, and one against padding."""
    text = prompt if isinstance(prompt, str) else "\n".join(turn["content"] for turn in prompt)
    wanted = _demands(text)
    criteria = [
        {"id": f"c{number}", "text": f"Deals with this part of the request: “{demand}”", "points": 5 if asks else 3}
        for number, (demand, asks) in enumerate(wanted, start=1)
    ]
    criteria.append({"id": "ignores", "text": "Answers a question that nobody asked", "points": -4})
    grades = [
        {"sample": sample, "criterion": criterion["id"], "verdict": criterion["id"] != "ignores"}
        for sample in samples
        for criterion in criteria
    ]
    body: dict[str, Any] = {"criteria": criteria, "ai_assistance": {"used": False}}
    return body | ({"self_check": grades} if grades else {})


def coverage(criteria: Iterable[str], reference: Iterable[str]) -> tuple[int, int]:
    """How many of the published criteria share most of their words with one of ours, and how many there are."""
    ours = [_words(text) for text in criteria]
    theirs = [_words(text) for text in reference]
    met = sum(any(len(words & own) * 3 >= len(words) for own in ours) for words in theirs if words)
    return met, len(theirs)


def _demands(text: str) -> list[tuple[str, bool]]:
    """The prompt's sentences, those that ask for something first, each once."""
    sentences: dict[str, bool] = {}
    for part in _SENTENCE.split(text):
        sentence = " ".join(part.split()).strip(' -*•"“”')
        if len(sentence.split()) >= 4:
            sentences.setdefault(sentence[:LONGEST_QUOTE], bool(_ASKS.search(sentence)))
    chosen = sorted(sentences.items(), key=lambda item: not item[1])[:MOST_CRITERIA]
    general = ["the goal", "the limits that were named", "what must be known before acting"]
    missing = max(FEWEST_CRITERIA - len(chosen), 0)
    return chosen + [(name, False) for name in general[:missing]]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower())) - _COMMON
