"""Brain to CLIP space: the whole-brain encoder, its loss, the compared methods, retrieval."""
