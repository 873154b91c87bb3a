"""The needle task: sequences with (key, value) needles, two small models that recall them, and their recipe."""

from prism_photonics.ranking.needle.tokens import NeedleSequence, Vocabulary, needle_sequence

__all__ = ["NeedleSequence", "Vocabulary", "needle_sequence"]
