"""Settings of a ridge encoding model, as they stand in the card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from brainview.core.errors import MismatchError


@dataclass(frozen=True)
class RidgeConfig:
    """Everything that decides a ridge run besides data set and subjects."""

    features: str = "gabor"          # name of the feature space, settings in brackets
    method: str = "gcv"              # gcv | kfold: how the penalty of each location is chosen
    folds: int = 5                   # for kfold
    components: int = 1000           # columns after PCA on training images; 0 = no PCA
    val: float = 0.1                 # share of images for validation
    test: float = 0.1                # share for test where the layout defines none
    seed: int = 0                    # of the split, the projection and the bootstraps
    bootstraps: int = 200            # draws of images for intervals
    permutations: int = 50           # shuffles for the chance baseline
    variant: str = ""                # response set of the data; empty = the first that inspect names
    keep_model: bool = True          # store the factor through which new pictures are predicted

    def __post_init__(self) -> None:
        if self.method not in ("gcv", "kfold"):
            raise MismatchError(f"must be gcv or kfold, got {self.method!r}", where="method")
        if self.folds < 2 or self.components < 0 or self.bootstraps < 0 or self.permutations < 0:
            raise MismatchError("folds must be at least 2; components, bootstraps and permutations at least 0",
                                where="settings")

    def plain(self) -> dict[str, Any]:
        """Return plain JSON types; no variant where none was chosen, as in runs from before there was a choice."""
        return {k: v for k, v in asdict(self).items() if k != "variant" or v}

    @staticmethod
    def of(options: dict[str, Any]) -> RidgeConfig:
        """Build from plain types or texts (``"5"``); raises MismatchError for an unknown setting or a wrong type."""
        known: dict[str, Any] = {f.name: type(f.default) for f in fields(RidgeConfig)}
        values: dict[str, Any] = {}
        for key, value in options.items():
            if key not in known:
                raise MismatchError(f"has no setting {key!r}", where="ridge", remedy="It has " + ", ".join(known) + ".")
            kind = known[key]
            try:
                values[key] = (str(value).lower() in ("1", "true", "yes")) if kind is bool else kind(value)
            except (TypeError, ValueError) as err:
                raise MismatchError(f"{key} must be {kind.__name__}, got {value!r}", where="ridge") from err
        return replace(RidgeConfig(), **values)


#: Named settings.
PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"features": "gabor", "method": "gcv", "components": 500, "bootstraps": 100, "permutations": 20},
    "paper": {"features": "timm:eva02_base_patch14_224.mim_in22k[layers=0,2,4,6,8,10]", "method": "kfold"},
}
