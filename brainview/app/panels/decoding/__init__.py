"""Dock "Decoding": one page per way of reading a brain; each page is a file with a widget, wired in ``wiring_*``."""
