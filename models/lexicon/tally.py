"""The bill of a comparison: what each change from the entry to the text costs, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass, field

# Log prior that a stretch of moderated speech is a given entry: that of a word with 1,650 uses in 60 million.
PRIOR = -10.5
# Anything else must beat ordinary language by this much; by more, the fewer syllables there are to go by.
CHANGED_MARGIN = 2.0
# Cost in nats of each change.
SAME_TONE = 0.5
LATIN_SYLLABLE = 0.4
DIGIT_SOUND = 1.2
INITIAL = 0.4
ALIAS = 1.0
INFLECTED = 0.3
REPEATED = 0.5
SPLIT = 1.0
SPLIT_COMMON = 3.5
# One word said as several of the dictionary, a particle among them: "hero in" is no heroin.
SPLIT_WORDS = 7.5
SENTENCE_END = 3.0


@dataclass(slots=True)
class Tally:
    """Costs and changes collected while a candidate is compared with its entry."""

    cost: float = 0.0
    heard: bool = False
    abbreviated: bool = False
    blurred: bool = False  # some sound is not the entry's own, tone included
    kept: bool = False  # some character is the entry's own, or spelled in Latin letters
    steps: list[str] = field(default_factory=list)

    def add(self, cost: float, step: str) -> None:
        """Enter a change."""
        self.cost += cost
        self.steps.append(step)
