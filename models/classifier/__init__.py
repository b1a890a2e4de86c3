"""What a text amounts to beyond listed words: proposals of abuse, threat, sexual content, fraud, for a person to see.

The lexicon says that a phrase was said; this model says that a sentence resembles offences it was trained on. It
proposes, and the policy decides what a proposal is worth.
"""

from models.classifier.model import CATEGORIES, Head, Proposal, TextModel, TextModelError, classify, load_text_model

__all__ = ["CATEGORIES", "Head", "Proposal", "TextModel", "TextModelError", "classify", "load_text_model"]
