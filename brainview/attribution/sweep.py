"""The seed's table of hyper-parameters (its Table 6): one setting of IB-BA changed at a time, what each figure says.

Drop and increase are the degradation figures of the whole-brain alignment paper (volume times the map's 0..1 values);
beside them stand what the paper lacks: the mean of that mask, three controls (a constant map, the default map with
its tokens permuted, the truth), and hard AUROC against what was planted.
"""

from __future__ import annotations

from typing import Any

from brainview.attribution.benchmark import survey_rows
from brainview.attribution.ibba import IbbaConfig
from brainview.attribution.survey import PERMUTED, Cell, SurveyConfig, World
from brainview.core.jobs import QUIET, JobContext

#: Changed setting -> values; `var` is the variance of the noise (sigma squared). The paper's layers 0, 3, 6, 9 of 12
#: are depths; here every layer before the last block's output is tried.
VALUES: dict[str, tuple[float, ...]] = {"beta": (0.001, 0.01, 0.1, 1.0), "var": (0.01, 0.1, 1.0, 10.0),
                                        "lr": (0.1, 0.5, 1.0, 2.0), "steps": (5, 10, 20, 50)}


def sweep_cells(blocks: int, copies: int = 10) -> list[Cell]:
    """Return the rows: controls, then one per setting and value; the default is named in each group."""
    default = IbbaConfig(layer=IbbaConfig.default_layer(blocks), copies=copies)
    base = {"beta": default.beta, "copies": copies, "steps": default.steps}
    out = [Cell("oracle", 0, {}, "=control: planted truth per token"),
           Cell("constant", 0, {}, "=control: constant map"),
           Cell(PERMUTED, default.layer, base, "=control: default map, tokens permuted")]
    out += [Cell("ibba", layer, base, _name("layer", layer, default.layer)) for layer in range(blocks)]
    for key, values in VALUES.items():
        own = default.sigma**2 if key == "var" else getattr(default, key)
        for value in values:
            change = {"sigma": value**0.5} if key == "var" else {key: int(value) if key == "steps" else value}
            out.append(Cell("ibba", default.layer, {**base, **change}, _name(key, value, own)))
    out.append(Cell("ibba", default.layer, {**base, "sigma": 0.1**0.5, "mode": "m2ib_strict"},
                    "=var 0.1 as in M2IB's code (inert)"))
    return out


def _name(key: str, value: float, default: float) -> str:
    return f"={key} {value:g}" + (" (default)" if value == default else "")


def sweep(world: World, key: str | None, *, samples: int = 40, copies: int = 10,
          context: JobContext = QUIET) -> dict[str, Any]:
    """Grade the rows of :func:`sweep_cells` on a world; arguments and answer as :func:`survey_world`."""
    config = SurveyConfig(samples=samples, copies=copies, gaps=0, repeats=0, variants=False)
    rows = sweep_cells(len(world.encoder.blocks), copies)
    return survey_rows(world, config, None if key is None else f"sweep {key}", rows, context=context)
