"""Simulated brains with exactly known truth, written in real layouts (reference: developers' page "phantom")."""
