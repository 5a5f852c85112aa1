"""Decoding of params, byte-stable and atomic files, errors. Imports nothing of ours and never torch."""
