from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="building the detector's graph needs the train extra")

import onnxruntime

from models.speech.mel import mel_filters
from models.synthetic import detector
from models.synthetic.texture import statistics
from models.training.ctranslate2_weights import read_weights
from models.training.graph import build_encoder, build_head
from models.training.head import Projection
from models.training.kernel import KernelHead
from models.weights import MissingWeights, find

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def encoder():
    try:
        path = find("whisper-base").directory / "model.bin"
    except MissingWeights as error:
        pytest.skip(str(error))
    return {name.removeprefix("encoder/"): array for name, array in read_weights(path, "encoder/").items()}


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


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
    frames = run(build_encoder(encoder, 0), samples=samples[None])
    assert frames.shape == (1, 50, 512)
    assert np.abs(frames[0].T - stem_by_hand(samples, encoder)).max() < 5e-3


def test_a_batch_is_heard_like_its_members(encoder):
    samples = np.random.default_rng(1).standard_normal((2, 20_160)).astype(np.float32) * 0.1
    model = build_encoder(encoder, 1)
    both = run(model, samples=samples)
    assert both.shape == (2, 63, 1024)
    assert np.abs(run(model, samples=samples[1:])[0] - both[1]).max() < 1e-3


def test_frames_are_summed_up_by_mean_deviation_and_change():
    frames = np.random.default_rng(2).standard_normal((40, 6)).astype(np.float32)
    expected = np.concatenate([frames.mean(0), frames.std(0), np.diff(frames, axis=0).std(0)])
    assert statistics(frames) == pytest.approx(expected, abs=1e-5)
    assert np.isfinite(statistics(frames[:1])).all()


def test_the_graph_is_the_head_it_was_built_from():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((3, 23)).astype(np.float32)
    projection = Projection(rows[0], np.full(23, 2.0, np.float32), rng.standard_normal((23, 4)).astype(np.float32))
    head = KernelHead(rng.standard_normal((7, 4)).astype(np.float32), 0.1, rng.standard_normal(7), 0.25)
    logit = run(build_head(projection, head), statistics=rows)
    assert logit == pytest.approx(head.score(projection.apply(rows)), abs=0.01)  # the projection has half precision


def test_weights_have_seven_bits_so_that_no_processor_saturates():
    """Without VNNI, two products of a byte and a weight are added in 16 bits: 2 x 255 x 64 still fits."""
    import onnx
    from onnx import numpy_helper

    shipped = onnx.load(str(Path(detector.__file__).parent / "weights" / "encoder.onnx"))
    weights = [numpy_helper.to_array(t) for t in shipped.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    matrices = [weight for weight in weights if weight.ndim == 2]
    assert len(matrices) == 8  # four in each of two blocks
    assert max(np.abs(weight.astype(int)).max() for weight in matrices) <= 64
