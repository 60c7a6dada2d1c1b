"""Scores of embeddings, for packages that evaluate while they train: cosines, and all pairs of a set."""

from fr_native import AllPairs, all_pairs, pair_scores

__all__ = ["AllPairs", "all_pairs", "pair_scores"]
