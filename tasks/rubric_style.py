"""Advice on a criterion's wording: narrow patterns that seldom fire on good rubrics.

A bare "and" is no sign of a compound criterion (it stands in 42 % of PaperBench's
leaves), and parametric families ("… on dataset A", "… on dataset B") are no
duplicates; so each rule asks for more than the word it is named after.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from tasks.rubric_content import Criterion

NEAR_DUPLICATE_JACCARD: Final = 0.8
# Rubrics come from outside: what follows bounds the work on a hostile one.
LONGEST_TEXT: Final = 4_000
MOST_NEIGHBOURS: Final = 200
MOST_PAIRS: Final = 100

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_QUOTED = re.compile(r"\"[^\"]+\"|'[^']+'|`[^`]+`|\$[^$]+\$|“[^“”]+”")

# What a grader does or sees; a second one after "and" makes two criteria of one.
_VERBS: Final = (
    "advises|asks|avoids|calculates|cites|computes|concludes|contains|defines|describes|encourages|explains|gives|"
    "identifies|includes|lists|mentions|notes|offers|provides|recommends|reports|says|shows|states|suggests|"
    "summari[sz]es|uses|warns"
)
_FIRST_VERB = re.compile(rf"\b(?:{_VERBS})\b", re.IGNORECASE)
_SECOND_VERB = re.compile(
    rf"(?:\band|\bas well as|;)\s+(?:also\s+|then\s+)?(?:{_VERBS}|does not|is not)\b", re.IGNORECASE
)
_VAGUE = re.compile(
    r"\b(?:appropriate(?:ly)?|adequate(?:ly)?|sufficient(?:ly)?|reasonabl[ey]|proper(?:ly)?|"
    r"high[- ]quality|well[- ]written|thorough(?:ly)?|comprehensive(?:ly)?|relevant details?|clear(?:ly)? and concise(?:ly)?)\b",
    re.IGNORECASE,
)
_ANCHOR = re.compile(
    r"\d|\"|“|`|\$|:|\(|\b(?:such as|e\.g\.|i\.e\.|for example|for instance|including|namely)", re.IGNORECASE
)
_HEDGE = re.compile(
    r"\b(?:ideally|preferably|if possible|where possible|when possible|perhaps|possibly|probably|somewhat|"
    r"kind of|sort of|more or less|to some extent|as needed)\b",
    re.IGNORECASE,
)
_UNSTATED_ANSWER = re.compile(
    r"\b(?:correct|right|reference|expected|gold(?:en)?|true)\s+(?:final\s+)?(?:answer|result|solution|response|value|output)s?\b"
    r"(?!\s*(?:is|are|of|:|=|\())",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:the above|as above|see above|mentioned above|aforementioned|(?:previous|preceding|next|other) criteri(?:on|a)|"
    r"mentioned earlier|as before)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"^(?:the\s+)?(?:response|answer|model|assistant|output|submission|text)?\s*"
    r"(?:does not|doesn[’']t|do not|is not|isn[’']t|never|fails? to|lacks?|omits?|refrains?|avoids?)\b",
    re.IGNORECASE,
)
_VERBOSE = re.compile(
    r"\bat least (?:\d+|two|three|five|ten) (?:words|sentences|paragraphs|pages|characters)\b"
    r"|\bas (?:much|many) (?:\w+ )?as possible\b|\b(?:lengthy|exhaustive(?:ly)?|long(?:er)? (?:response|answer|explanation))\b",
    re.IGNORECASE,
)


def normalised(text: str) -> str:
    """The text as duplicates are compared: NFKC, lower case, words only."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def style_findings(criterion: Criterion) -> Iterator[tuple[str, str]]:
    """(code, message) for each rule of style the criterion's text breaks."""
    text = criterion.text[:LONGEST_TEXT].strip()
    positive = criterion.points is None or criterion.points > 0
    anchored = _ANCHOR.search(text) is not None
    if _is_compound(_QUOTED.sub("", text)):
        yield "compound", "It seems to ask for two things: a grader can meet one and miss the other."
    if not anchored and (vague := _VAGUE.search(text)):
        yield "vague", f'"{vague[0]}" needs an anchor: a number, a quotation or an example.'
    if hedge := _HEDGE.search(_QUOTED.sub("", text)):
        yield "hedging", f'"{hedge[0]}" leaves open whether it is required.'
    if not anchored and _UNSTATED_ANSWER.search(text):
        yield "unstated_answer", "It asks for the correct answer without stating it."
    if elsewhere := _ELSEWHERE.search(text):
        yield "not_self_contained", f'"{elsewhere[0]}" cannot be judged without reading something else.'
    # Where policies know no negative points, an absence can only be asked for like this.
    if criterion.points is not None and positive and _NEGATED.search(text):
        yield "negated_positive", "It rewards an absence; say what should be there, or give negative points."
    if positive and _VERBOSE.search(text):
        yield "verbosity_rewarded", "It rewards length rather than content."


def _is_compound(text: str) -> bool:
    first = _FIRST_VERB.search(text)
    return first is not None and _SECOND_VERB.search(text, first.end()) is not None


def near_duplicates(criteria: Sequence[Criterion]) -> Iterator[tuple[Criterion, Criterion]]:
    """Pairs of siblings of one category whose words overlap by 0.8 (Jaccard) or more.

    Only pairs with the same numbers, quotations and names are compared: families
    that differ in a parameter are legitimate. Exact duplicates are left to the
    structural rule, and at most the first hundred pairs are told.
    """
    groups: dict[object, list[tuple[Criterion, str, frozenset[str]]]] = {}
    for criterion in criteria:
        text = normalised(criterion.text[:LONGEST_TEXT])
        family = (criterion.parent, criterion.category, _parameters(criterion.text[:LONGEST_TEXT]))
        groups.setdefault(family, []).append((criterion, text, frozenset(text.split())))
    pairs = (pair for group in groups.values() for pair in _overlapping(group))
    return islice(pairs, MOST_PAIRS)


def _overlapping(group: list[tuple[Criterion, str, frozenset[str]]]) -> Iterator[tuple[Criterion, Criterion]]:
    group.sort(key=lambda entry: len(entry[2]))  # stable: equal lengths keep their order
    for index, (one, text, words) in enumerate(group):
        for other, other_text, more in group[index + 1 : index + 1 + MOST_NEIGHBOURS]:
            if len(words) < NEAR_DUPLICATE_JACCARD * len(more):
                break
            shared = len(words & more)
            if text != other_text and shared >= NEAR_DUPLICATE_JACCARD * (len(words) + len(more) - shared):
                yield one, other


def _parameters(text: str) -> frozenset[str]:
    """What distinguishes members of a family: quotations, numbers, names (capitals inside a word or a sentence)."""
    unquoted = _QUOTED.sub(" ", text)
    names = (word.strip(".,;:()") for word in unquoted.split() if any(ch.isupper() or ch.isdigit() for ch in word[1:]))
    capitals = (word.strip(".,;:()") for word in unquoted.split()[1:] if word[:1].isupper() or word[:1].isdigit())
    return frozenset([*_QUOTED.findall(text), *names, *capitals])
