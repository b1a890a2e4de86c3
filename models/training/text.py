"""Trains the text model: `python -m models.training.text --data FOLDER --ordinary FOLDER [--out FOLDER]`.

Fits the heads on the training parts, calibrates them and sets their thresholds on the tuning parts, and only then
looks at the test parts. `--bench` measures the installed model's speed instead and needs no data. Needs the `train`
extra; takes about a quarter of an hour of one core. The seed is fixed, and the weights come out the same.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.classifier import CATEGORIES, Head, TextModel, load_text_model
from models.training.head import calibrate
from models.training.metrics import Floats, Labels
from models.training.text_corpora import Sentence, apart, cold, davidson, ordinary
from models.training.text_examples import Example, examples, held_out, misheard
from models.training.text_linear import Weights, fit, matrix, scores

SEED = 20_261_130
# Share of offences that probabilities assume. Nobody knows that of live rooms; offences are rare there.
PRIOR = 0.05
# Chosen on the tuning parts: inverse regularisation of the abuse heads, and of those trained on our own examples.
PENALTY = {"zh": 16.0, "en": 4.0}
PENALTY_OWN = 4.0
# A head proposes from where at most these shares of the tuning parts' harmless sentences lie above.
ORDINARY_ALARMS = 0.001
HARD_ALARMS = 0.01
# A head needs so many lines of examples, and must find so much of what was written apart, or it abstains.
MIN_LINES = 15
MIN_RECALL = 0.1
FOLDS = 3
# Ordinary sentences that each head is trained against.
BACKGROUND = 8_000
LANGUAGES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Pool:
    """All sentences of one language, by what they are good for."""

    language: str
    labelled: list[Sentence]
    ordinary: list[Sentence]
    own: list[Example]

    def part(self, part: str, offensive: bool | None) -> list[str]:
        """Texts of a part with this label; None for ordinary ones."""
        pool = self.ordinary if offensive is None else self.labelled
        return [s.text for s in pool if s.part == part and s.offensive is offensive]

    def examples_of(self, *heads: str) -> list[Example]:
        """Our own examples of these heads."""
        return [e for e in self.own if e.head in heads]


def with_errors(texts: Sequence[str], language: str, seed: int = SEED) -> list[str]:
    """The texts, and after them each once more as a recogniser may write it."""
    chance = random.Random(seed)
    return [*texts, *(misheard(text, language, chance) for text in texts)]


def sample(texts: Sequence[str], limit: int) -> list[str]:
    """At most ``limit`` of the texts, drawn by seed."""
    return list(texts) if len(texts) <= limit else random.Random(SEED).sample(list(texts), limit)


def fit_texts(
    positive: Sequence[str], negative: Sequence[str], background: Sequence[str], language: str, penalty: float
) -> Weights:
    """Fit a head on sentences for and against, each also as misheard, and on a background as written."""
    for_it, against = with_errors(positive, language), with_errors(negative, language)
    labels = np.array([1] * len(for_it) + [0] * (len(against) + len(background)), np.int64)
    return fit(matrix([*for_it, *against, *background], language), labels, penalty, balanced=True)


def calibrated(weights: Weights, offences: Floats, harmless: Floats, everyday: Sequence[Floats], abstains: str) -> Head:
    """Calibration on scores of sentences that the head has not learned, and the threshold that they allow.

    ``everyday`` has the scores of ordinary sentences by source: no source may have more than its share of alarms.

    Both classes weigh half; targets are smoothed as by Platt (1999), so that separable scores stay finite.
    """
    raw = np.concatenate([offences, harmless])
    labels = np.array([1] * len(offences) + [0] * len(harmless), np.int64)
    share = np.concatenate([np.full(len(part), 0.5 / len(part)) for part in (offences, harmless)])
    smooth = 1.0 / (min(len(offences), len(harmless)) + 2.0)
    slope, offset = calibrate(
        np.tile(raw, 2), np.concatenate([labels, 1 - labels]), np.concatenate([share * (1 - smooth), share * smooth])
    )
    limit = max(np.quantile(harmless, 1 - HARD_ALARMS), *(np.quantile(part, 1 - ORDINARY_ALARMS) for part in everyday))
    # Nor does it propose what is likelier not so.
    threshold = max(round(slope * float(limit) + offset + 0.005, 2), round(math.log((1 - PRIOR) / PRIOR), 2) + 0.01)
    return Head(weights.scale, weights.bias, slope, offset, threshold, abstains)


def everyday(pool: Pool, weights: Weights) -> list[Floats]:
    """Scores of the tuning part's ordinary sentences, by source."""
    sources: dict[str, list[str]] = {}
    for sentence in pool.ordinary:
        if sentence.part == "tune":
            sources.setdefault(sentence.source, []).append(sentence.text)
    return [scores(matrix(texts, pool.language), weights) for texts in sources.values()]


def abuse(pool: Pool) -> tuple[Weights, Head]:
    """The abuse head: the labelled corpus and our own examples against its harmless part, ordinary text, innocents."""
    language = pool.language
    own = [e.text for e in pool.examples_of("abuse")]
    innocent = [e.text for e in pool.examples_of("innocent")]
    harmless = pool.part("train", False) + innocent
    background = sample(pool.part("train", None), BACKGROUND)
    weights = fit_texts(pool.part("train", True) + own, harmless, background, language, PENALTY[language])
    offences, innocents = (scores(matrix(pool.part("tune", label), language), weights) for label in (True, False))
    return weights, calibrated(weights, offences, innocents, everyday(pool, weights), abstains="")


def own_head(pool: Pool, head: str) -> tuple[Weights, Head]:
    """A head of our own examples; calibrated on lines that a fold left out, since sentences of a line are alike."""
    language = pool.language
    own, others = pool.examples_of(head), pool.examples_of(*(set(CATEGORIES) | {"innocent"}) - {head})
    background = [text for label in (False, None) for text in sample(pool.part("train", label), BACKGROUND // 2)]
    lines = np.array([e.line for e in (*own, *others)])
    texts, labels = [e.text for e in (*own, *others)], np.array([1] * len(own) + [0] * len(others))
    fold = np.random.default_rng(SEED).integers(0, FOLDS, lines.max() + 1)[lines]
    innocent = np.array([e.head == "innocent" for e in (*own, *others)])
    unseen = np.zeros(len(texts))
    for left_out in range(FOLDS):
        kept = np.flatnonzero(fold != left_out)
        weights = fit_texts(
            [texts[i] for i in kept if labels[i]],
            [texts[i] for i in kept if not labels[i]],
            background,
            language,
            PENALTY_OWN,
        )
        judged = np.flatnonzero(fold == left_out)
        unseen[judged] = scores(matrix([texts[i] for i in judged], language), weights)
    weights = fit_texts([e.text for e in own], [e.text for e in others], background, language, PENALTY_OWN)
    harmless = scores(matrix(pool.part("tune", False), language), weights)
    few = len({e.line for e in own}) < MIN_LINES
    reason = f"fewer than {MIN_LINES} lines of examples" if few else ""
    # Other heads' offences are taught as none of this head's, but to mistake one for the other alarms nobody falsely.
    return weights, calibrated(
        weights, unseen[labels == 1], np.concatenate([unseen[innocent], harmless]), everyday(pool, weights), reason
    )


def pools(data: Path, everyday: Path) -> dict[str, Pool]:
    """All sentences by language; what was written to judge the heads is in none of them."""
    sentences = apart([*cold(data), *davidson(data), *ordinary(everyday)])
    out = {}
    for language in LANGUAGES:
        judging = {text for texts in held_out(language).values() for text in texts}
        mine = [s for s in sentences if s.language == language and s.text not in judging]
        out[language] = Pool(
            language,
            [s for s in mine if s.offensive is not None],
            [s for s in mine if s.offensive is None],
            [e for e in examples(language, SEED) if e.text not in judging],
        )
    return out


def train(everything: dict[str, Pool], out: Path) -> None:
    """Train every head and write weights and card; the card has no measurements yet."""
    arrays: dict[str, Any] = {}
    heads: dict[str, dict[str, Head]] = {}
    for language, pool in everything.items():
        trained = {}
        for name in CATEGORIES:
            begun = time.monotonic()
            trained[name] = abuse(pool) if name == "abuse" else own_head(pool, name)
            print(f"{language} {name}: {time.monotonic() - begun:.0f} s, {trained[name][1]}", flush=True)
        arrays[language] = np.stack([weights.values for weights, _ in trained.values()], axis=1)
        heads[language] = {name: head for name, (_, head) in trained.items()}
    out.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    (out / "text.npz").write_bytes(packed.getvalue())
    write_card(out, hashlib.sha256(packed.getvalue()).hexdigest(), heads, {})


def write_card(out: Path, digest: str, heads: dict[str, dict[str, Head]], measured: dict[str, Any]) -> None:
    """Write the card of weights with this SHA-256."""
    card = {
        "sha256": digest,
        "prior": PRIOR,
        "seed": SEED,
        "heads": {language: {name: asdict(head) for name, head in row.items()} for language, row in heads.items()},
        "measured": measured,
    }
    (out / "text.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def judge(model: TextModel, pool: Pool) -> dict[str, Any]:
    """Everything that the test part says about one language."""
    from models.training import text_report as report

    language = pool.language
    train = [s for s in pool.labelled if s.part == "train"]
    test = [s for s in pool.labelled if s.part == "test"]
    labels: Labels = np.array([int(bool(s.offensive)) for s in train], np.int64)
    plain = report.baseline([s.text for s in train], labels, language)
    texts = [s.text for s in test]
    heard = with_errors(texts, language, SEED + 1)[len(texts) :]
    return {
        "corpus": report.corpus(model, test, language, plain, heard),
        "written_apart": report.apart(model, language),
        "ordinary": report.ordinary(model, [s for s in pool.ordinary if s.part == "test"], language),
        "groups": report.groups(model, language),
    }


def dependable(heads: dict[str, Head], measured: dict[str, Any]) -> dict[str, Head]:
    """The heads; those abstain that find too little of what was written apart. Nothing else is decided by that."""
    out = dict(heads)
    for name, row in measured["written_apart"].items():
        if row["recall"] < MIN_RECALL and not heads[name].abstains:
            reason = f"finds {row['recall']:.0%} of the sentences written apart, fewer than {MIN_RECALL:.0%}"
            out[name] = replace(heads[name], abstains=reason)
    return out


def bench(model: TextModel, repeats: int = 2000) -> str:
    """One line: median and 99th percentile of a call, in milliseconds."""
    lines = [text for language in LANGUAGES for texts in held_out(language).values() for text in texts]
    chance, taken = random.Random(SEED), []
    for _ in range(repeats):
        text = chance.choice(lines)
        begun = time.perf_counter()
        model.classify(text)
        taken.append((time.perf_counter() - begun) * 1000.0)
    ranked = sorted(taken)
    return (
        f"text model: median {statistics.median(taken):.3f} ms, p99 {ranked[len(ranked) * 99 // 100]:.3f} ms a sentence"
    )


def main(arguments: list[str] | None = None) -> None:
    """Train, calibrate, write, judge."""
    parser = argparse.ArgumentParser(description="Train the text model.")
    parser.add_argument("--data", type=Path, help="folder with cold/ and davidson_en.csv")
    parser.add_argument("--ordinary", type=Path, help="folder with the three source archives of ordinary text")
    parser.add_argument("--out", type=Path, default=Path("models/classifier/weights"), help="where the model goes")
    parser.add_argument("--judge", action="store_true", help="judge the weights of --out again, without training")
    parser.add_argument("--bench", action="store_true", help="measure the speed of the installed model")
    options = parser.parse_args(arguments)
    if options.bench:
        print(bench(load_text_model()))
        return
    if options.data is None or options.ordinary is None:
        parser.error("--data and --ordinary: name the folders of the corpora (docs/models.md says where they are from)")
    everything = pools(options.data, options.ordinary)
    if not options.judge:
        train(everything, options.out)
    model = TextModel(options.out)
    measured = {language: judge(model, pool) for language, pool in everything.items()}
    heads = {language: dependable(dict(row), measured[language]) for language, row in model.heads.items()}
    write_card(options.out, model.version, heads, measured)
    print(json.dumps(measured, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
