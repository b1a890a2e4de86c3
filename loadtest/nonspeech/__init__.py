"""Sound in which nobody says a word: made by formula, sung by synthesisers, or found in system packages."""
