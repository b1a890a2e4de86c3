"""`python -m tests.kafka.chaos`: an undisturbed run, a disturbed one, and what differs between them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from deploy.brokers import missing
from tests.kafka.chaos.account import differences
from tests.kafka.chaos.plan import Fault, Scenario, plan
from tests.kafka.chaos.run import Outcome, Say, kafka, play
from tests.kafka.chaos.traffic import Traffic, traffic


@dataclass
class Verdict:
    """Both runs, and what must be zero."""

    sent: Traffic
    undisturbed: Outcome
    disturbed: Outcome
    differences: dict[str, int]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return self.undisturbed.complete and self.disturbed.complete and not any(self.differences.values())


async def compare(
    scenario: Scenario, chunks: int, seed: int, kills: int, directory: Path, say: Say, *, real: bool = False
) -> Verdict:
    """Run the same traffic twice: left alone, and with the faults of a scenario."""
    sent = traffic(chunks, seed)
    say(f"{sent.chunks} chunks, {sent.milliseconds / 1000:.0f} s of audio; {sent.repeated} repeated, "
        f"{sent.reordered} reordered, {sum(sent.bad.values())} bad records of {len(sent.bad)} kinds")  # fmt: skip
    runs = []
    faults: list[Fault]
    for name, faults in (("undisturbed", []), (scenario, plan(scenario, seed, kills))):
        say(f"{name}: begins")
        proxied = scenario == "network" and bool(faults)
        async with kafka(3 if scenario == "leaders" else 1, directory / f"kafka-{name}", proxied) as (
            broker,
            at,
            proxies,
        ):
            outcome = await play(
                broker, at, proxies, sent, faults, directory=directory / name, seed=seed, say=say, real=real
            )
        say(f"{name}: {'complete' if outcome.complete else 'NOT complete'} after {outcome.seconds:.0f} s")
        runs.append(outcome)
    return Verdict(sent, runs[0], runs[1], differences(runs[1].account, runs[0].account))


def table(verdict: Verdict) -> str:
    """What was injected, what is promised, what happened."""
    disturbed = verdict.disturbed
    lines = ["", "injected:"]
    lines += [f"  {row.share:6.1%}  {row.fault.kind:16} {row.what}" for row in disturbed.rows]
    lines += [
        f"  workers that ended by themselves: {', '.join(disturbed.fell) or 'none'}",
        "promised to be 0, and was:",
    ]
    lines += [f"  {count:6d}  {what}" for what, count in verdict.differences.items()]
    account = disturbed.account
    repeated = ", ".join(f"{what}s {share:.1%}" for what, share in account.repeated().items())
    lines += [
        f"heard: {len(account.utterances)} utterances, {account.received_ms / 1000:.0f} s of audio",
        f"issued: {len(account.takedowns)} takedowns, {len(account.dead)} dead letters",
        f"published again under the same id: {repeated}",
        f"worst pause: {disturbed.worst_pause_s:.1f} s (undisturbed {verdict.undisturbed.worst_pause_s:.1f} s)",
        f"took: {disturbed.seconds:.0f} s (undisturbed {verdict.undisturbed.seconds:.0f} s)",
        "every promise was kept" if verdict.kept else "NOT every promise was kept",
    ]
    return "\n".join(lines)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The table for machines."""
    disturbed = verdict.disturbed
    return {
        "chunks": verdict.sent.chunks,
        "kept": verdict.kept,
        "differences": verdict.differences,
        "injected": [{"at": row.share, "kind": row.fault.kind, "what": row.what} for row in disturbed.rows],
        "ended_by_themselves": disturbed.fell,
        "repeated": disturbed.account.repeated(),
        "utterances": len(disturbed.account.utterances),
        "takedowns": len(disturbed.account.takedowns),
        "worst_pause_s": disturbed.worst_pause_s,
        "seconds": disturbed.seconds,
    }


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.chaos", description=__doc__)
    parser.add_argument("--scenario", choices=get_args(Scenario), default="kills")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20, help="of the scenario kills")
    parser.add_argument("--directory", type=Path, help="for logs; a temporary one if none, deleted in the end")
    parser.add_argument("--real", action="store_true", help="the real recogniser; its words are not compared")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if (reason := missing("apache")) is not None:
        print(f"chaos needs Apache Kafka: {reason}", file=sys.stderr)  # noqa: T201
        return 2
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="roomwarden-chaos-") as temporary:
        directory = options.directory or Path(temporary)
        verdict = asyncio.run(
            compare(options.scenario, options.chunks, options.seed, options.kills, directory, say, real=options.real)
        )  # fmt: skip
    print(json.dumps(as_json(verdict), indent=2) if options.json else table(verdict))  # noqa: T201
    return 0 if verdict.kept else 1


if __name__ == "__main__":
    sys.exit(main())
