"""All engines in turn over the same utterances, round after round, and what came of it as a table."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from loadtest.speech.engines import PADDINGS, Contender
from loadtest.speech.material import Reference, errors

PEERS = ("plain", "plain greedy", "batched", "live")
FULL_DECODE = "ours, 30 s"
MOST_LOSS = 0.3
"""Points of error rate that short inputs may cost against the decode of the full 30 s."""


def compare(
    reference: Reference,
    weights: Path,
    *,
    rounds: int,
    threads: int,
    padding: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the engines; with ``padding`` ours with other lengths of added silence, else ours and the peers.

    Engines take turns within each round, so that a busy moment of the machine hits all alike.
    """
    names = PADDINGS if padding else ("ours", *PEERS, FULL_DECODE)
    utterances = [piece.samples for piece in reference.pieces]
    lengths = [piece.seconds for piece in reference.pieces]
    found: dict[str, list[Any]] = {name: [] for name in names}
    with ExitStack() as stack:
        contenders = {name: Contender(name, weights, threads) for name in names}
        for contender in contenders.values():
            stack.callback(contender.close)
        for contender in contenders.values():
            contender.run(utterances[:2])  # loads the weights, and warms what is made at the first call
        for number in range(rounds):
            for name, contender in contenders.items():
                found[name].append(contender.run(utterances))
                say(f"round {number + 1}: {name} {sum(lengths) / found[name][-1].seconds:.1f} audio seconds a second")
    first = found[names[0]]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "rounds": rounds,
        "utterances": len(lengths),
        "audio_seconds": round(sum(lengths), 1),
        "lengths": [round(value, 2) for value in (min(lengths), statistics.median(lengths), max(lengths))],
        "engines": {name: _figures(reference, sum(lengths), found[name], first) for name in names},
    }


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    low, middle, high = result["lengths"]
    what = (
        f"{result['utterances']} utterances of {low} to {high} s (median {middle}), {result['audio_seconds']} s in all"
    )
    lines = [
        f"{what}; {result['threads']} threads on {result['cores']} cores, {result['rounds']} rounds",
        "",
        "| engine | audio s per s (range) | slower by (range) | errors %: all, zh, en, mixed | batch | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["engines"].items():
        low, high = row["speed_range"]
        ratio = f"{row['ratio']:.2f} ({row['ratio_range'][0]:.2f} to {row['ratio_range'][1]:.2f})"
        rates = ", ".join(f"{row['errors'].get(key, float('nan')):.2f}" for key in ("all", "zh", "en", "mixed"))
        lines.append(
            f"| {name} | {row['speed']:.1f} ({low:.1f} to {high:.1f}) | {ratio} | {rates} | {row['batch']:.1f} "
            f"| {row['peak_mib']:.0f} |"
        )
    lines += ["", *verdicts(result["engines"])]
    return "\n".join(lines)


def verdicts(engines: dict[str, Any]) -> list[str]:
    """The targets, each with what was measured; nothing where the engines that it needs did not run."""
    out = []
    for name, target in (("plain", 10.0), ("batched", 4.0)):
        if "ours" in engines and name in engines:
            ratio = engines[name]["ratio"]
            out.append(f"{_word(ratio >= target)}: {ratio:.1f} times {name}, target {target:g}")
    if "ours" in engines and FULL_DECODE in engines:
        loss = engines["ours"]["errors"]["all"] - engines[FULL_DECODE]["errors"]["all"]
        out.append(f"{_word(loss <= MOST_LOSS)}: {loss:+.2f} points against the 30 s decode, at most {MOST_LOSS:g}")
    return out


def _word(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


def _figures(reference: Reference, audio: float, rounds: Sequence[Any], first: Sequence[Any]) -> dict[str, Any]:
    speeds = [audio / each.seconds for each in rounds]
    ratios = [each.seconds / other.seconds for each, other in zip(rounds, first, strict=True)]
    batches = [size for each in rounds for size in each.batches]
    return {
        "speed": round(statistics.median(speeds), 2),
        "speed_range": [round(min(speeds), 2), round(max(speeds), 2)],
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "errors": dict(errors(reference, rounds[-1].texts)),
        "batch": round(statistics.mean(batches), 2),
        "peak_mib": round(max(each.peak_mib for each in rounds)),
    }
