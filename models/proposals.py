"""What the text model proposes, in the form of hits. It proposes; whether anything follows is for the policy to say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from models.classifier import load_text_model
from models.lexicon.hits import Hit

if TYPE_CHECKING:
    from models.findings import Heard

LIST = "text-model"
# Mild, because no phrase was heard that anybody had listed: an insult 1, the rest 2.
_SEVERITY = {"abuse": 1}
_OTHERS = 2


def model_hits(heard: Heard, known: Collection[str]) -> Iterable[Hit]:
    """Hits of a final transcript with match ``model``, of areas (first levels of categories) not ``known`` already."""
    if not heard.final or heard.guarded is not None:
        return
    model = load_text_model()
    for proposal in model.classify(heard.text, heard.language):
        area = proposal.category.split("/")[0]
        if area not in known:
            yield Hit(
                list=LIST,
                entry=proposal.head,
                category=proposal.category,
                severity=_SEVERITY.get(area, _OTHERS),
                language=proposal.language,
                span=proposal.span,
                match="model",
                score=round(proposal.probability, 3),
                explain=(f"proposed by the text model {model.version[:12]}, log-likelihood ratio {proposal.llr:.2f}",),
            )
