"""The page of a proof, and of a comparison of finished runs: one self-contained HTML file, the sentence first."""
