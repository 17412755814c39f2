"""The LLaVA-class captioner that is shipped: small, trained on drawn scenes, of transformers' own classes."""
