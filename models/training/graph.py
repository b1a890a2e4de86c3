"""Builds the detector's two ONNX graphs: waveform to frames of the recogniser's lowest layers; statistics to logit.

The layers are Whisper's own (convolution stem and the first transformer blocks, weights frozen): what tells
a synthetic voice from a human one lies in the fine structure that they keep and that higher layers discard.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.speech.mel import HOP, WINDOW, mel_filters
from models.training.head import Projection
from models.training.kernel import KernelHead

Array = NDArray[np.float32]

OPSET = 20
WIDTH = 512  # channels of Whisper base
HEADS = 8
POSITIONS = 512  # frames of 20 ms that the graph accepts: 10 s, well above one block
LEVEL = 0.05  # RMS of the loud part to which the waveform is scaled (-26 dBFS)

_MEL_BANDS = 80


class Graph:
    """A graph under construction; `add` appends a node and returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[np.generic]) -> str:
        """Store an array and return its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def number(self, value: float) -> str:
        """Store a float32 scalar."""
        return self.constant(np.array(value, np.float32))

    def integers(self, values: Iterable[int]) -> str:
        """Store an int64 vector, as shapes, axes and slices want."""
        return self.constant(np.array(list(values), np.int64))

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append a node with one output."""
        name = output or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def slice(self, value: str, start: int, end: int, axis: int) -> str:
        """Return value[start:end] along `axis`."""
        return self.add("Slice", value, self.integers([start]), self.integers([end]), self.integers([axis]))

    def linear(self, value: str, weight: Array, bias: Array) -> str:
        """Return value @ weight.T + bias, weight as [out, in]."""
        return self.add("Add", self.add("MatMul", value, self.constant(weight.T)), self.constant(bias))

    def model(self, inputs: dict[str, list[str | int]], outputs: dict[str, list[str | int]]) -> onnx.ModelProto:
        """Return the checked model; shapes name dynamic axes by strings."""
        graph = helper.make_graph(
            self._nodes,
            "synthetic-voice",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(model)
        return model


def log_mel(graph: Graph, samples: str) -> str:
    """Add nodes from samples [batch, n] to Whisper's log-mel [batch, 80, frames], after levelling the loud part.

    The level is the RMS over 10 ms frames within 35 dB of the loudest, so pauses do not count.
    """
    wave = graph.add("Unsqueeze", samples, graph.integers([1]))
    power = graph.add("AveragePool", graph.add("Mul", wave, wave), kernel_shape=[HOP], strides=[HOP])
    floor = graph.add("Mul", graph.add("ReduceMax", power, graph.integers([2]), keepdims=1), graph.number(10**-3.5))
    loud = graph.add("Cast", graph.add("Greater", power, floor), to=TensorProto.FLOAT)
    total = graph.add("ReduceSum", graph.add("Mul", power, loud), graph.integers([2]), keepdims=1)
    count = graph.add("Max", graph.add("ReduceSum", loud, graph.integers([2]), keepdims=1), graph.number(1.0))
    rms = graph.add("Sqrt", graph.add("Add", graph.add("Div", total, count), graph.number(1e-12)))
    level = graph.add("Mul", wave, graph.add("Div", graph.number(LEVEL), rms))
    padded = graph.add("Pad", level, graph.integers([0, 0, WINDOW // 2, 0, 0, WINDOW // 2]), mode="reflect")
    time = np.arange(WINDOW)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / WINDOW)  # periodic Hann, as Whisper was trained on
    angle = 2 * np.pi * np.outer(np.arange(WINDOW // 2 + 1), time) / WINDOW
    kernels = np.concatenate([np.cos(angle), np.sin(angle)])[:, None] * window
    fourier = graph.add("Conv", padded, graph.constant(kernels.astype(np.float32)), strides=[HOP])
    fourier = graph.slice(fourier, 0, -1, 2)  # Whisper drops the last frame
    squares = graph.add("Mul", fourier, fourier)
    bins = WINDOW // 2 + 1
    spectrum = graph.add("Add", graph.slice(squares, 0, bins, 1), graph.slice(squares, bins, 2 * bins, 1))
    mel = graph.add("MatMul", graph.constant(mel_filters(_MEL_BANDS).T.copy()), spectrum)
    log = graph.add("Div", graph.add("Log", graph.add("Max", mel, graph.number(1e-10))), graph.number(np.log(10)))
    peak = graph.add("ReduceMax", log, graph.integers([1, 2]), keepdims=1)
    bounded = graph.add("Max", log, graph.add("Sub", peak, graph.number(8.0)))
    return graph.add("Div", graph.add("Add", bounded, graph.number(4.0)), graph.number(4.0))


def stem(graph: Graph, mel: str, weights: dict[str, Array]) -> str:
    """Add Whisper's two convolutions; returns [batch, frames of 20 ms, 512], before positions are added."""
    value = mel
    for name, stride in (("conv1", 1), ("conv2", 2)):
        weight, bias = (graph.constant(weights[f"{name}/{part}"]) for part in ("weight", "bias"))
        value = graph.add("Conv", value, weight, bias, pads=[1, 1], strides=[stride])
        value = graph.add("Gelu", value)
    return graph.add("Transpose", value, perm=[0, 2, 1])


def add_positions(graph: Graph, value: str, weights: dict[str, Array]) -> str:
    """Add the sinusoidal positions to the stem's output."""
    table = graph.constant(weights["position_encodings/encodings"][:POSITIONS])
    frames = graph.add("Shape", value, start=1, end=2)
    return graph.add("Add", value, graph.add("Slice", table, graph.integers([0]), frames, graph.integers([0])))


def block(graph: Graph, value: str, weights: dict[str, Array], index: int) -> str:
    """Add transformer block `index`: self-attention and feed-forward, each behind a layer norm and a residual."""

    def norm(name: str, inputs: str) -> str:
        scale, shift = (graph.constant(weights[f"{name}/layer_norm/{part}"]) for part in ("gamma", "beta"))
        return graph.add("LayerNormalization", inputs, scale, shift, axis=-1, epsilon=1e-5)

    def project(name: str, inputs: str) -> str:
        return graph.linear(inputs, weights[f"{name}/weight"], weights[f"{name}/bias"])

    prefix = f"layer_{index}"
    fused = project(f"{prefix}/self_attention/linear_0", norm(f"{prefix}/self_attention", value))
    heads = graph.integers([0, 0, HEADS, WIDTH // HEADS])
    query, key, content = (
        graph.add("Reshape", graph.slice(fused, part * WIDTH, (part + 1) * WIDTH, 2), heads) for part in range(3)
    )
    scores = graph.add(
        "MatMul", graph.add("Transpose", query, perm=[0, 2, 1, 3]), graph.add("Transpose", key, perm=[0, 2, 3, 1])
    )
    scale = graph.number((WIDTH // HEADS) ** -0.5)
    shares = graph.add("Softmax", graph.add("Mul", scores, scale), axis=-1)
    mixed = graph.add("MatMul", shares, graph.add("Transpose", content, perm=[0, 2, 1, 3]))
    merged = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), graph.integers([0, 0, WIDTH]))
    value = graph.add("Add", value, project(f"{prefix}/self_attention/linear_1", merged))
    inner = graph.add("Gelu", project(f"{prefix}/ffn/linear_0", norm(f"{prefix}/ffn", value)))
    return graph.add("Add", value, project(f"{prefix}/ffn/linear_1", inner))


def build_encoder(weights: dict[str, Array], blocks: int) -> onnx.ModelProto:
    """Return the graph from `samples` [batch, n] to `frames` [batch, n / 320, 512 (1 + blocks)].

    `weights` are the encoder's by name without the prefix `encoder/`; taps are the stem and `blocks` blocks.
    """
    graph = Graph()
    taps = [stem(graph, log_mel(graph, "samples"), weights)]
    value = add_positions(graph, taps[0], weights) if blocks else taps[0]
    for index in range(blocks):
        value = block(graph, value, weights, index)
        taps.append(value)
    graph.add("Concat", *taps, axis=2, output="frames")
    return graph.model({"samples": ["batch", "n"]}, {"frames": ["batch", "t", len(taps) * WIDTH]})


def build_head(projection: Projection, head: KernelHead) -> onnx.ModelProto:
    """Return the graph from `statistics` [batch, d], of encoder, spectrum and excitation, to `logit` [batch].

    Projection and landmarks are stored in half precision and widened when the graph is loaded.
    """
    graph = Graph()

    def stored(value: Array) -> str:
        return graph.add("Cast", graph.constant(value.astype(np.float16)), to=TensorProto.FLOAT)

    standard = graph.add("Sub", "statistics", graph.constant(projection.mean.astype(np.float32)))
    standard = graph.add("Div", standard, graph.constant(projection.deviation.astype(np.float32)))
    point = graph.add("MatMul", standard, stored(projection.components))
    landmarks = head.landmarks.astype(np.float16).astype(np.float32)
    squares = graph.add("ReduceSum", graph.add("Mul", point, point), graph.integers([1]), keepdims=1)
    products = graph.add("MatMul", point, stored(2.0 * landmarks.T))
    distances = graph.add("Sub", graph.add("Add", squares, graph.constant((landmarks**2).sum(axis=1))), products)
    distances = graph.add("Max", distances, graph.number(0.0))
    near = graph.add("Exp", graph.add("Mul", distances, graph.number(-head.sharpness)))
    column = graph.add("MatMul", near, graph.constant(head.weight.reshape(-1, 1).astype(np.float32)))
    graph.add("Add", graph.add("Squeeze", column, graph.integers([1])), graph.number(head.bias), output="logit")
    return graph.model({"statistics": ["batch", len(projection.mean)]}, {"logit": ["batch"]})
