"""Trains the synthetic-voice detector: `python -m models.training.synthetic --data FOLDER --out FOLDER`.

Reads FOLDER/manifest.csv, computes the statistics of every clip (as recorded, and as rooms deliver it), judges the
head on sources held out by corpus, then fits it on all and writes the graphs and their card. Needs the `train`
extra and the Whisper base weights; takes about an hour of one CPU core the first time, and a few minutes when the
statistics are in the cache.
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

from models.synthetic import excitation, spectrum
from models.synthetic.texture import statistics
from models.training.audio_files import Samples
from models.training.ctranslate2_weights import read_weights
from models.training.features import Extractor, Features, extract
from models.training.graph import WIDTH, build_encoder, build_head
from models.training.head import Indices, Projection, balanced_weights, calibrate, project
from models.training.kernel import KernelHead, draw, fit_kernel
from models.training.manifest import FOLDS, Clip, assign_folds, read_manifest
from models.training.metrics import Floats, Labels
from models.training.report import by_source, cross_calibrated, measure, thresholds
from models.weights import find

BLOCKS = 2  # transformer blocks above the stem; later ones know words better and artefacts worse
TAPS = WIDTH * (1 + BLOCKS)  # channels of the encoder's output
KINDS = tuple(zip((3 * TAPS, *spectrum.BLOCKS, excitation.SIZE), (1.0, 1.0, 0.5, 0.5), strict=True))
"""Statistics of each kind, and their share in a distance."""
LANDMARKS = 2000
SHARPNESS = 0.16  # of the kernel; two clips are at a squared distance of 6 on average, twice the sum of the shares
RIDGE = 1e-4

TRAINED = ("clean", "opus")
JUDGED = ("clean", "opus24")
_PREFIX = "encoder/"


def quantised(model: onnx.ModelProto) -> bytes:
    """Return the model with 7-bit weights in its matrix products, scales per channel; convolutions stay float32.

    Seven bits, because processors without VNNI add two products of a byte and a weight in 16 bits: with eight they
    saturate there, and the same voice scores otherwise on another machine.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(source))
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return target.read_bytes()


def session_extractor(encoder: bytes) -> Extractor:
    """Return a function from samples to the statistics of encoder, spectrum and excitation, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(encoder, options, providers=["CPUExecutionProvider"])

    def summary(samples: Samples) -> Features:
        (frames,) = session.run(None, {"samples": samples[None]})
        branches = (spectrum.analyse(samples), excitation.analyse(samples))
        return np.concatenate([statistics(frames[0]), *(branch.summary(0, len(samples)) for branch in branches)])

    return summary


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


def cached_projection(features: list[Features], cache: Path) -> Projection:
    """Return the projection of these conditions, from the cache if it is there: finding it is the longest step."""
    stored = cache / "projection.npz"
    if not stored.exists():
        found = project(features, KINDS)
        np.savez(stored, mean=found.mean, deviation=found.deviation, components=found.components)
    arrays = np.load(stored)
    return Projection(arrays["mean"], arrays["deviation"], arrays["components"])


def fit_all(training: list[Features], labels: Labels, sources: Indices) -> KernelHead:
    """Fit the head on several conditions of the same clips; landmarks are clips of the first."""
    shares = balanced_weights(sources, labels)
    weights = np.tile(shares, len(training)) / len(training)
    landmarks = training[0][draw(shares, LANDMARKS)]
    every = np.concatenate(training)
    return fit_kernel(every, np.tile(labels, len(training)), weights, landmarks, SHARPNESS, RIDGE)


def write(out: Path, graphs: dict[str, bytes], calibration: dict[str, float], measured: dict[str, Any]) -> None:
    """Write the graphs and their card to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, graph in graphs.items():
        (out / name).write_bytes(graph)
    card = {
        "sha256": {name: hashlib.sha256(graph).hexdigest() for name, graph in graphs.items()},
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
    parser.add_argument("--conditions", nargs="+", default=list(TRAINED), help="what it is trained on")
    parser.add_argument("--judged", nargs="+", default=list(JUDGED), help="what it is judged on")
    parser.add_argument("--table", type=Path, help="CSV of equal error rates by source")
    options = parser.parse_args(arguments)

    clips = read_manifest(options.data / "manifest.csv")
    labels = np.array([int(clip.synthetic) for clip in clips])
    sources = np.unique([clip.source for clip in clips], return_inverse=True)[1].astype(np.int64)
    folds = np.array(assign_folds(clips))
    model = read_weights(find("whisper-base").directory / "model.bin", _PREFIX)
    encoder = quantised(build_encoder({name.removeprefix(_PREFIX): value for name, value in model.items()}, BLOCKS))
    extractor = session_extractor(encoder)
    names = dict.fromkeys([*options.conditions, *options.judged])
    features = {name: extract(clips, options.data, name, extractor, options.cache) for name in names}
    projection = cached_projection([features[name] for name in options.conditions], options.cache)
    reduced = {name: projection.apply(values) for name, values in features.items()}
    training = [reduced[name] for name in options.conditions]
    judged = {name: reduced[name] for name in options.judged}
    scores = held_out_scores(training, judged, labels, sources, folds)
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
    pooling = build_head(projection, fit_all(training, labels, sources))
    calibration = {"slope": slope, "offset": offset, "synthetic_from": upper, "human_to": lower}
    write(
        options.out,
        {"encoder.onnx": encoder, "head.onnx": pooling.SerializeToString()},
        calibration,
        measured,
    )


if __name__ == "__main__":
    main()
