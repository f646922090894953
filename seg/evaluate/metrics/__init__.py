"""One metric per file, found by the file's name; `masks.py` holds what each of them offers."""
