"""What the text model is worth: on each corpus beside a plain baseline, by group, on sentences written apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from models.classifier import CATEGORIES, TextModel
from models.training.metrics import Floats, Labels, calibration_error, recall_at_false_alarms
from models.training.text_corpora import Sentence
from models.training.text_examples import group_sentences, held_out

Judged = Callable[[Sequence[str]], Floats]


def ranking(scores: Floats, labels: Labels) -> dict[str, float]:
    """Area under the curve, and recall at 1 % false alarms."""
    return {
        "auc": round(float(roc_auc_score(labels, scores)), 4),
        "recall_at_1pc": round(recall_at_false_alarms(scores, labels), 4),
    }


def baseline(texts: Sequence[str], labels: Labels, language: str) -> Judged:
    """TF-IDF of characters (Mandarin) or words (English), one and two in a row, and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(analyzer="char" if language == "zh" else "word", ngram_range=(1, 2), sublinear_tf=True)
    pipeline = make_pipeline(vectors, LogisticRegression(max_iter=1000)).fit(texts, labels)
    return lambda judged: np.asarray(pipeline.decision_function(judged), np.float64)


def ratios(model: TextModel, texts: Sequence[str], language: str) -> dict[str, Floats]:
    """Log-likelihood ratios [n] of each head."""
    rows = [model.ratios(text, language) for text in texts]
    return {head: np.array([row[head] for row in rows]) for head in CATEGORIES}


def by_detail(sentences: Sequence[Sentence], llr: Floats, threshold: float) -> dict[str, dict[str, float]]:
    """Per topic or class: how many, ranking, and rates at an even threshold (LLR 0) and at the one that proposes."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, sentence in enumerate(sentences):
        members[sentence.detail.split("/")[0]].append(index)
    table = {}
    for name, indices in sorted(members.items()):
        labels, scores = _labels([sentences[i] for i in indices]), llr[indices]
        row: dict[str, float] = {"sentences": len(indices), "offensive": int(labels.sum())}
        if 0 < labels.sum() < len(labels):
            row |= ranking(scores, labels)
        for label, even, proposed in ((0, "false_alarms_even", "false_alarms"), (1, "recall_even", "recall")):
            if (labels == label).any():
                row[even] = round(float((scores[labels == label] >= 0).mean()), 4)
                row[proposed] = round(float((scores[labels == label] >= threshold).mean()), 4)
        table[name] = row
    return table


def corpus(
    model: TextModel, sentences: Sequence[Sentence], language: str, plain: Judged, heard: Sequence[str]
) -> dict[str, Any]:
    """The abuse head on a labelled corpus: as written and as it may be recognised (``heard``), beside the baseline."""
    labels, texts = _labels(sentences), [sentence.text for sentence in sentences]
    llr = ratios(model, texts, language)["abuse"]
    head = model.heads[language]["abuse"]
    share = labels.mean()
    probability = 1.0 / (1.0 + np.exp(-(llr + np.log(share / (1 - share)))))
    return {
        "sentences": len(labels),
        "offensive": int(labels.sum()),
        "model": ranking(llr, labels),
        "baseline": ranking(plain(texts), labels),
        "model_misheard": ranking(ratios(model, heard, language)["abuse"], labels),
        "baseline_misheard": ranking(plain(heard), labels),
        "calibration_error": round(calibration_error(probability, labels), 4),
        "by_detail": by_detail(sentences, llr, head.threshold),
    }


def apart(model: TextModel, language: str) -> dict[str, dict[str, float]]:
    """Heads with examples of our own, on the sentences written apart."""
    texts = held_out(language)
    innocent = ratios(model, texts["innocent"], language)
    table = {}
    for head in CATEGORIES:
        if head not in texts:
            continue
        offences = ratios(model, texts[head], language)[head]
        llr = np.concatenate([offences, innocent[head]])
        labels = np.array([1] * len(offences) + [0] * len(innocent[head]))
        threshold = model.heads[language][head].threshold
        probability = 1.0 / (1.0 + np.exp(-(llr + np.log(labels.mean() / (1 - labels.mean())))))
        table[head] = {
            "offences": len(offences),
            "innocent": len(innocent[head]),
            **ranking(llr, labels),
            "recall": round(float((llr[labels == 1] >= threshold).mean()), 4),
            "false_alarms": round(float((llr[labels == 0] >= threshold).mean()), 4),
            "calibration_error": round(calibration_error(probability, labels), 4),
        }
    return table


def ordinary(model: TextModel, sentences: Sequence[Sentence], language: str) -> dict[str, float]:
    """Share of ordinary sentences of the test part that each head proposes."""
    rates: dict[str, float] = {"sentences": len(sentences)}
    for head, llr in ratios(model, [s.text for s in sentences], language).items():
        rates[head] = round(float((llr >= model.heads[language][head].threshold).mean()), 5)
    return rates


def groups(model: TextModel, language: str) -> dict[str, Any]:
    """False alarms of the abuse head on sentences that only name a group, and the groups it thinks worst of."""
    named = list(group_sentences(language))
    llr = ratios(model, [text for _, text in named], language)["abuse"]
    by_name: dict[str, list[float]] = defaultdict(list)
    for (name, _), value in zip(named, llr, strict=True):
        by_name[name].append(float(value))
    means = sorted(((sum(values) / len(values), name) for name, values in by_name.items()), reverse=True)
    return {
        "sentences": len(named),
        "false_alarms": round(float((llr >= model.heads[language]["abuse"].threshold).mean()), 4),
        "false_alarms_even": round(float((llr >= 0).mean()), 4),
        "worst": {name: round(mean, 2) for mean, name in means[:5]},
        "best": {name: round(mean, 2) for mean, name in means[-3:]},
    }


def _labels(sentences: Sequence[Sentence]) -> Labels:
    return np.array([int(bool(sentence.offensive)) for sentence in sentences], np.int64)
