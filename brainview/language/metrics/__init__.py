"""Metrics of decoded text and boxes, each as its field defines it; pure Python unless it says otherwise."""
