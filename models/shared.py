"""What all rooms of a tenant know of a speaker: strikes earned elsewhere, suspensions, and what was taken back.

Every worker builds it from the same takedowns, whoever issued them; the order in which they come does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from models.judgement import Takedown
from models.standing import Standing, standing
from models.strikes import SpeakerState

_SWEEP_EVERY = 4096


@dataclass(slots=True)
class _Speaker:
    issued: dict[str, Standing] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)


class SharedRecord:
    """Takedowns of the last ``window_ms`` by tenant and speaker. ``note`` may see one any number of times."""

    def __init__(self, window_ms: float = 86_400_000.0) -> None:
        self._window_ms = window_ms
        self._speakers: dict[tuple[str, str], _Speaker] = {}
        self._newest_ms = 0.0
        self._noted = 0

    def __len__(self) -> int:
        return len(self._speakers)

    def note(self, takedown: Takedown) -> None:
        """Take in a takedown that was issued, here or anywhere."""
        speaker = takedown.target.get("speaker", "")
        if takedown.dry_run or not speaker:
            return
        known = self._speakers.setdefault((takedown.target["tenant"], speaker), _Speaker())
        if takedown.reverses:
            known.reversed.add(takedown.reverses)
        elif (takedown.strike > 0 or takedown.action == "suspend") and not takedown.reissue_of:
            known.issued[takedown.id] = standing(takedown)
        self._newest_ms = max(self._newest_ms, takedown.at_ms)
        self._noted += 1
        if self._noted % _SWEEP_EVERY == 0:
            self._sweep()

    def merged(self, state: SpeakerState, tenant: str, speaker: str) -> SpeakerState:
        """A room's state of a speaker with the strikes of all rooms, and without those taken back."""
        known = self._speakers.get((tenant, speaker))
        if known is None:
            return state
        for name, each in known.issued.items():
            takedown = each.takedown
            if name not in known.reversed:
                state = state.with_strike(takedown.utterance_id, takedown.at_ms, takedown.strike)
        for name in known.reversed & known.issued.keys():
            state = state.without_strikes_of(known.issued[name].takedown.utterance_id)
        return state

    def reversed(self, tenant: str, speaker: str) -> frozenset[str]:
        """Ids of a speaker's takedowns that were taken back."""
        known = self._speakers.get((tenant, speaker))
        return frozenset(known.reversed) if known else frozenset()

    def suspensions(self, tenant: str, speaker: str) -> list[Standing]:
        """Suspensions of a speaker, wherever they were issued; they hold in all rooms of the tenant."""
        known = self._speakers.get((tenant, speaker))
        if known is None:
            return []
        issued = known.issued.items()
        return [each for name, each in issued if each.takedown.action == "suspend" and name not in known.reversed]

    def _sweep(self) -> None:
        """Forget what no longer counts."""
        since = self._newest_ms - self._window_ms
        for key, known in list(self._speakers.items()):
            for name, each in list(known.issued.items()):
                if each.takedown.at_ms < since and each.remaining_s(self._newest_ms) == 0:
                    del known.issued[name]
                    known.reversed.discard(name)
            if not known.issued:
                del self._speakers[key]
