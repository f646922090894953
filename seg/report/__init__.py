"""Evidence becomes a page: records and numbers in, one self-contained HTML file out. No torch."""
