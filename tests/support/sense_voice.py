"""A stand-in for SenseVoice: the smallest ONNX graph that sherpa-onnx takes for one. It knows two sounds, no language.

``python -m tests.support.sense_voice DIR`` writes ``model.onnx`` and ``tokens.txt``; needs the package onnx. Frames in
which the low mel bands are louder than the high ones spell 你, the other way round "▁hello", silence a blank.
"""

import sys
from pathlib import Path

import numpy as np

TOKENS = ["<blk>", "<s>", "</s>", "<unk>", "<|zh|>", "<|NEUTRAL|>", "<|Speech|>", "<|woitn|>", "你", "▁hello"]
_WIDTH = 7 * 80
_TAGS = (4, 5, 6, 7)


def build(folder: Path) -> None:
    """Write the model to ``folder``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    low, high = (np.tile(mask, 7) for mask in (np.arange(80) < 30, np.arange(80) >= 50))
    weights = np.zeros((_WIDTH, len(TOKENS)), np.float32)
    contrast = (low / low.sum() - high / high.sum()).astype(np.float32)
    weights[:, 8], weights[:, 9] = contrast, -contrast
    bias = np.full(len(TOKENS), -1e3, np.float32)
    bias[0], bias[8], bias[9] = 1.5, 0.0, 0.0
    tags = np.full((1, 4, len(TOKENS)), -1e3, np.float32)
    tags[0, range(4), _TAGS] = 0.0
    constants = {"weights": weights, "bias": bias, "tags": tags}
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", _WIDTH]),
        *(helper.make_tensor_value_info(n, TensorProto.INT32, ["N"]) for n in ("x_length", "language", "text_norm")),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["body"]),
        helper.make_node("Shape", ["x"], ["batch"], start=0, end=1),
        helper.make_node("Concat", ["batch", "rest"], ["wide"], axis=0),
        helper.make_node("Expand", ["tags", "wide"], ["prefix"]),
        helper.make_node("Concat", ["prefix", "body"], ["logits"], axis=1),
    ]
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    held.append(numpy_helper.from_array(np.array([1, 1], np.int64), "rest"))
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", "U", len(TOKENS)])
    graph = helper.make_graph(nodes, "stand-in", inputs, [output], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = {
        "model_type": "sense_voice_ctc",
        "vocab_size": len(TOKENS),
        "lfr_window_size": 7,
        "lfr_window_shift": 6,
        "normalize_samples": 0,
        "with_itn": 14,
        "without_itn": 15,
        **{f"lang_{code}": number for number, code in enumerate(("auto", "zh", "en", "yue", "ja", "ko"))},
        "neg_mean": ",".join(["-10"] * _WIDTH),
        "inv_stddev": ",".join(["1"] * _WIDTH),
    }
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "tokens.txt").write_text("".join(f"{t} {n}\n" for n, t in enumerate(TOKENS)), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
