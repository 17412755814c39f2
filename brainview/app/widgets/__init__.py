"""Small widgets without knowledge of brains."""
