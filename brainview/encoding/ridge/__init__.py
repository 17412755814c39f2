"""Ridge regression for very many targets: one pass over the responses, one penalty per target.

The functions are exact; what makes them fast is written where it is done: :mod:`.gcv` (the eigenbasis of the
features is known before the responses are read), :mod:`.kfold` (all penalties of a fold through a few shrinkage
profiles), :mod:`.source` (the responses are read once).
"""

from brainview.encoding.ridge.alphas import AlphaGrid
from brainview.encoding.ridge.banded import fit_banded
from brainview.encoding.ridge.fit import fit_ridge
from brainview.encoding.ridge.folds import make_folds
from brainview.encoding.ridge.result import CONSTANT, HAS_NAN, OK, RidgeFit
from brainview.encoding.ridge.source import ArraySource, BlockSource, as_source

__all__ = ["CONSTANT", "HAS_NAN", "OK", "AlphaGrid", "ArraySource", "BlockSource", "RidgeFit", "as_source",
           "fit_banded", "fit_ridge", "make_folds"]
