import numpy as np
import pytest

pytest.importorskip("onnx", reason="building the detector's graph needs the train extra")

import onnxruntime

from models.speech.mel import mel_filters
from models.training.ctranslate2_weights import read_weights
from models.training.graph import build_encoder, build_head
from models.weights import MissingWeights, find

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def encoder():
    try:
        path = find("whisper-base").directory / "model.bin"
    except MissingWeights as error:
        pytest.skip(str(error))
    return {name.removeprefix("encoder/"): array for name, array in read_weights(path, "encoder/").items()}


def run(model, name, value):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value})[0]


def erf_gelu(value):
    from math import erf

    return value * 0.5 * (1.0 + np.vectorize(erf)(value / np.sqrt(2.0)))


def stem_by_hand(samples, weights):
    """Whisper's log-mel and convolutions in plain NumPy, for a signal that is loud throughout."""
    level = samples * (0.05 / np.sqrt(np.mean(samples**2)))
    padded = np.pad(level, 200, mode="reflect")
    window = np.hanning(401)[:-1]
    frames = np.stack([padded[start : start + 400] * window for start in range(0, len(samples), 160)])
    mel = np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ mel_filters(80), 1e-10)).T
    value = (np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
    for name, stride in (("conv1", 1), ("conv2", 2)):
        wide = np.pad(value, ((0, 0), (1, 1)))
        stacked = np.stack([wide[:, k : k + value.shape[1]] for k in range(3)], axis=1)[:, :, ::stride]
        kernel = weights[f"{name}/weight"]
        value = erf_gelu(np.einsum("oik,ikt->ot", kernel, stacked) + weights[f"{name}/bias"][:, None])
    return value


def test_the_stem_is_whispers(encoder):
    samples = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    frames = run(build_encoder(encoder, 0), "samples", samples[None])
    assert frames.shape == (1, 50, 512)
    assert np.abs(frames[0].T - stem_by_hand(samples, encoder)).max() < 5e-3


def test_a_batch_is_heard_like_its_members(encoder):
    samples = np.random.default_rng(1).standard_normal((2, 20_160)).astype(np.float32) * 0.1
    model = build_encoder(encoder, 1)
    both = run(model, "samples", samples)
    assert both.shape == (2, 63, 1024)
    assert np.abs(run(model, "samples", samples[1:])[0] - both[1]).max() < 1e-3


def test_the_head_reads_mean_deviation_and_change():
    rng = np.random.default_rng(2)
    frames = rng.standard_normal((2, 40, 6)).astype(np.float32)
    expected = np.concatenate([frames.mean(1), frames.std(1), np.diff(frames, axis=1).std(1)], axis=1)
    assert run(build_head(6), "frames", frames) == pytest.approx(expected, abs=1e-5)
    weight = rng.standard_normal(18).astype(np.float32)
    assert run(build_head(6, (weight, 0.25)), "frames", frames) == pytest.approx(expected @ weight + 0.25, abs=1e-4)
