"""Verbs around a transfer: advice before it, proof after it, runs side by side."""
