"""Dock "Attribution"."""
