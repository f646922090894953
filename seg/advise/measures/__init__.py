"""One measure per file, found by the file's name; `measure.py` holds what each of them offers."""
