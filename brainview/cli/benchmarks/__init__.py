"""The benchmarks that are not part of a system: their switches and their tables."""
