"""Repodata patches: what they make of records, and who changed what and when. Pure: values in, values out.

`engines` applies patch instructions as each indexer does. `digests`, `changes` and `generation` make the files by which
a generation of patches is attested.
"""
