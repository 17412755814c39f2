"""Figures of a paper: drawn by one painter on the screen, in PNG, SVG and PDF, with their numbers as CSV beside."""
