"""LLM-VEM (arXiv 2401.03851): pictures -> responses of many subjects through one trunk, one head and a PCA readout.

The model is that of Lane and Kiar (arXiv 2308.02351, repository childmindresearch/algonauts23) plus an alignment with
texts in a second stage. :mod:`.head` holds the blocks, :mod:`.pca` the readout, :mod:`.fit` the loop, :mod:`.workflow`
a whole training, :mod:`.published` reads the original's checkpoints.
"""
