"""One file per layout on disk; the file's name is the layout's name, `layout.py` holds what each of them offers.

A layout looks at names and at small JSON files only: which files belong to which case. It reads no voxels.
"""
