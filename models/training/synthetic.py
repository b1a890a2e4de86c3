"""Trains the synthetic-voice detector: `python -m models.training.synthetic --data FOLDER --out FOLDER`.

Reads FOLDER/manifest.csv, computes the statistics of every clip (clean, through Opus, and through a room),
judges the head on sources held out by corpus, then fits it on all and writes the graph (int8) and its card.
Needs the `train` extra and the Whisper base weights; takes about an hour of one CPU core the first time,
and a few minutes when the statistics are in the cache.
"""

import argparse
import csv
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from models.training.audio_files import Samples
from models.training.ctranslate2_weights import read_weights
from models.training.features import Extractor, Features, extract
from models.training.graph import build
from models.training.head import Indices, LinearHead, balanced_weights, calibrate, fit
from models.training.manifest import FOLDS, Clip, assign_folds, read_manifest
from models.training.metrics import Floats, Labels
from models.training.report import by_source, cross_calibrated, measure, thresholds
from models.weights import find

BLOCKS = 2  # transformer blocks above the stem; later ones know words better and artefacts worse
_PREFIX = "encoder/"


def quantised(model: onnx.ModelProto) -> bytes:
    """Return the model with int8 weights in its matrix products, scales per channel; convolutions stay float32."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(source))
        quantize_dynamic(source, target, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, per_channel=True)
        return target.read_bytes()


def session_extractor(graph: bytes) -> Extractor:
    """Return a function from samples to their statistics, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def statistics(samples: Samples) -> Features:
        (row,) = session.run(None, {"samples": samples[None]})
        return np.asarray(row[0], np.float32)

    return statistics


def held_out_scores(
    training: list[Features], judged: dict[str, Features], labels: Labels, sources: Indices, folds: Indices
) -> dict[str, Floats]:
    """Return, per condition, each clip's score by a head that saw no clip of its group."""
    scores = {name: np.zeros(len(labels)) for name in judged}
    for fold in range(FOLDS):
        inside = folds == fold
        head = fit_all([features[~inside] for features in training], labels[~inside], sources[~inside])
        for name, features in judged.items():
            scores[name][inside] = head.score(features[inside])
        print(f"fold {fold + 1} of {FOLDS}", flush=True)
    return scores


def fit_all(training: list[Features], labels: Labels, sources: Indices) -> LinearHead:
    """Fit the head on several conditions of the same clips."""
    weights = np.tile(balanced_weights(sources, labels), len(training)) / len(training)
    return fit(np.concatenate(training), np.tile(labels, len(training)), weights)


def write(out: Path, graph: bytes, calibration: dict[str, float], measured: dict[str, Any]) -> None:
    """Write the graph and its card to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "detector.onnx").write_bytes(graph)
    card = {
        "model": "detector.onnx",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "calibration": calibration,
        "measured": measured,
    }
    (out / "detector.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, clips: list[Clip], scores: dict[str, Floats]) -> None:
    """Write equal error rates by source and condition as CSV."""
    tables = {name: {row.source: row for row in by_source(clips, values)} for name, values in scores.items()}
    first = next(iter(tables.values()))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "source", "humans", "synthetics", *(f"equal_error_{name}" for name in tables)])
        for source, row in sorted(first.items(), key=lambda item: (item[1].group, item[0])):
            rates = [f"{table[source].equal_error:.3f}" for table in tables.values()]
            writer.writerow([row.group, source, row.humans, row.synthetics, *rates])


def main(arguments: list[str] | None = None) -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description="Train the synthetic-voice detector.")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and the clips it lists")
    parser.add_argument("--out", type=Path, default=Path("models/synthetic/weights"), help="where the model goes")
    parser.add_argument("--cache", type=Path, default=Path(".roomwarden/training"), help="where statistics are kept")
    parser.add_argument("--conditions", nargs="+", default=["clean", "opus24", "room"], help="trained on and judged")
    parser.add_argument("--table", type=Path, help="CSV of equal error rates by source")
    options = parser.parse_args(arguments)

    clips = read_manifest(options.data / "manifest.csv")
    labels = np.array([int(clip.synthetic) for clip in clips])
    sources = np.unique([clip.source for clip in clips], return_inverse=True)[1].astype(np.int64)
    folds = np.array(assign_folds(clips))
    model = read_weights(find("whisper-base").directory / "model.bin", _PREFIX)
    encoder = {name.removeprefix(_PREFIX): array for name, array in model.items()}
    extractor = session_extractor(quantised(build(encoder, BLOCKS)))
    features = {name: extract(clips, options.data, name, extractor, options.cache) for name in options.conditions}
    scores = held_out_scores(list(features.values()), features, labels, sources, folds)
    weights = balanced_weights(sources, labels)
    measured = {name: measure(clips, values, weights, folds) for name, values in scores.items()}
    print(json.dumps(measured, indent=2))
    if options.table:
        write_table(options.table, clips, scores)

    pooled, repeated = np.concatenate(list(scores.values())), np.tile(labels, len(scores))
    share = np.tile(weights, len(scores)) / len(scores)
    slope, offset = calibrate(pooled, repeated, share)
    llr = cross_calibrated(pooled, repeated, share, np.tile(folds, len(scores)))
    upper, lower = thresholds(llr, repeated)
    head = fit_all(list(features.values()), labels, sources)
    graph = quantised(build(encoder, BLOCKS, (head.weight.astype(np.float32), head.bias)))
    calibration = {"slope": slope, "offset": offset, "synthetic_from": upper, "human_to": lower}
    write(options.out, graph, calibration, measured)


if __name__ == "__main__":
    main()
