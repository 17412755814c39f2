"""Multimodal language models behind one small interface: vision tokens and a prompt in, text out."""
