"""Which language an utterance is in: the encoder's evidence, the speaker's habit, and honest doubt.

Whisper's language head answers as if every language were equally likely. Here its answer is taken as evidence,
restricted to the languages that the platform moderates, and combined with what is known of the speaker. An
utterance whose posterior stays split is decoded in both languages; it is never forced into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PRIOR_FLOOR = 0.05
"""No habit makes a language impossible: people switch."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The languages to decode in, likeliest first, with the posterior over the supported ones."""

    candidates: tuple[str, ...]
    posterior: Mapping[str, float]
    probability: float


@dataclass(frozen=True, slots=True)
class LanguagePolicy:
    """How to choose.

    `supported`: languages that are moderated. `split_below`: decode in the two best if the best has less
    than this. `other_above`: believe another language only if the head gives all others together this much.
    """

    supported: tuple[str, ...] = ("zh", "en")
    split_below: float = 0.80
    other_above: float = 0.90

    def __post_init__(self) -> None:
        if not self.supported:
            raise ValueError("supported languages are empty: name at least one")

    def choose(self, evidence: Sequence[tuple[str, float]], prior: Mapping[str, float] | None = None) -> Choice:
        """Return the choice for one utterance.

        `evidence`: probability by language code from the model's head. `prior`: habit of the speaker or room;
        missing languages get the floor.
        """
        heard = dict(evidence)
        mass = sum(heard.get(code, 0.0) for code in self.supported)
        posterior = self._mix(heard, prior)
        others = {code: p for code, p in heard.items() if code not in self.supported}
        if others and 1.0 - mass > self.other_above:
            foreign = max(others, key=others.__getitem__)
            if others[foreign] > mass:
                return Choice((foreign,), posterior, others[foreign])
        ranked = sorted(posterior, key=posterior.__getitem__, reverse=True)
        best = posterior[ranked[0]]
        candidates = tuple(ranked[:2]) if best < self.split_below else (ranked[0],)
        return Choice(candidates, posterior, best)

    def assume(self, code: str, prior: Mapping[str, float] | None = None) -> Choice:
        """Return the choice of a language that the model was not asked for; the posterior is what was known."""
        posterior = self._mix(dict.fromkeys(self.supported, 1.0), prior)
        return Choice((code,), posterior, posterior.get(code, 0.0))

    def _mix(self, heard: Mapping[str, float], prior: Mapping[str, float] | None) -> dict[str, float]:
        uniform = 1.0 / len(self.supported)
        tiny = 1e-6  # keeps the ratio defined where the head gives the supported languages nothing
        weighted = {
            code: (heard.get(code, 0.0) + tiny) * (max(PRIOR_FLOOR, prior.get(code, 0.0)) if prior else uniform)
            for code in self.supported
        }
        total = sum(weighted.values())
        return {code: value / total for code, value in weighted.items()}


def update_prior(
    prior: Mapping[str, float] | None, posterior: Mapping[str, float], *, memory: float = 0.8
) -> dict[str, float]:
    """Return the speaker's prior after one more utterance: an exponential average of posteriors.

    `memory` is the weight of the past, so that about 1 / (1 - memory) utterances count.
    """
    if prior is None:
        uniform = 1.0 / len(posterior)
        prior = dict.fromkeys(posterior, uniform)
    return {code: memory * prior.get(code, 0.0) + (1 - memory) * p for code, p in posterior.items()}
