"""Where attribution takes its encoder, brains and targets from: a run of ``brainview train whole-brain``.

Brains come from the run's data set (mean of the repetitions of a stimulus) and targets from what training stored, or
from the CLIP model. A run that carries ``subjects/<subject>/stimuli.safetensors`` (ids, voxels, image, text) needs
neither: that is how a checkpoint is shipped with brains to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from brainview.alignment.encoder import BrainEncoder
from brainview.alignment.patches import PatchGrid
from brainview.alignment.whole_brain import load_encoder, subject_folder
from brainview.attribution.ibba import frozen
from brainview.core.errors import BrainViewError, FormatError, MismatchError, MissingError
from brainview.core.files import atomic_path, read_json, regular_file
from brainview.core.names import shown
from brainview.training.run import RunFolder

if TYPE_CHECKING:
    from brainview.features.clip_pair import ClipPair

STIMULI, EMBEDDINGS, TEXTS = "stimuli.safetensors", "embeddings.safetensors", "texts.json"


@dataclass(frozen=True, eq=False)
class Item:
    """One stimulus: (n_tokens, p^3) float32 patches of its brain, (embed,) image and text embeddings or None."""

    patches: torch.Tensor
    image: torch.Tensor | None
    text: torch.Tensor | None


@dataclass(eq=False)
class Source:
    """One subject's encoder and the stimuli that it can be asked about; :func:`open_source` makes one.

    Parameters
    ----------
    path : Path
        Run folder.
    subject : str
    card : dict
    model : VoxelEncoder
        From (n, k) voxels to patches; holds the encoder and the patch grid.
    ids : (n,) int64
        Stimuli that come first: the saved ones, or the test part. Others of the data set can be asked for by id.
    data : str
        A data set to use where the run's own place is unknown or gone (a shipped run names none).
    """

    path: Path
    subject: str
    card: dict[str, Any]
    model: Any
    ids: np.ndarray
    data: str = ""
    _brains: Any = field(default=None, repr=False)
    _texts: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    @property
    def encoder(self) -> BrainEncoder:
        """The frozen transformer."""
        return self.model.encoder

    @property
    def grid(self) -> PatchGrid:
        """How tokens lie in the brain."""
        return self.model.grid

    @property
    def folder(self) -> Path:
        """Folder of the subject's model."""
        return Path(subject_folder(self.path, self.subject))

    @property
    def checkpoint(self) -> str:
        """SHA-256 of the weights."""
        return str(self.card.get("files", {}).get("model.safetensors", ""))

    @property
    def at_hand(self) -> bool:
        """Whether the data that the run was trained on can be read; without them only the kept stimuli can be asked."""
        try:
            return self.dataset is not None
        except BrainViewError:
            return False

    @property
    def test_ids(self) -> np.ndarray:
        """(n,) int64 every test stimulus whose brain can be read: the whole test part where the data are here."""
        file = self.folder / EMBEDDINGS
        try:
            return read_ids(file) if file.is_file() and self.dataset is not None else self.ids
        except BrainViewError:
            return self.ids

    def item(self, stimulus: int) -> Item:
        """Read one stimulus; raises MissingError for one that the subject has not seen."""
        voxels = _row(self.folder / STIMULI, "voxels", stimulus)
        voxels = self._mean_response(stimulus) if voxels is None else voxels
        if voxels.shape != tuple(self.model.weight.shape):
            raise MismatchError(f"{voxels.size:,} voxels, the encoder takes {self.model.weight.numel():,}",
                                where=self.path)
        with torch.no_grad():
            patches = self.model.patches(torch.from_numpy(voxels)[None])[0]
        image, text = self.embeddings(stimulus)
        return Item(patches, image, text)

    def embeddings(self, stimulus: int) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the (embed,) image and text embeddings of a stimulus."""
        for name in (STIMULI, EMBEDDINGS):
            found = [_row(self.folder / name, kind, stimulus) for kind in ("image", "text")]
            if any(v is not None for v in found):
                return tuple(None if v is None else torch.from_numpy(v) for v in found)  # type: ignore[return-value]
        from brainview.alignment.targets import make_targets

        made = make_targets(self.clip, self.dataset.stimuli, np.array([stimulus]),
                            source=RunFolder.open(self.path).config["captions"])
        return torch.from_numpy(made.image[0]), torch.from_numpy(made.text[0])

    @cached_property
    def clip(self) -> ClipPair:
        """The CLIP model that the brain was aligned with."""
        from brainview.features.clip_pair import load_clip

        return load_clip(RunFolder.open(self.path).config["clip"])

    def words(self, text: str) -> torch.Tensor:
        """Return the (embed,) embedding of any text by the run's own CLIP model; kept."""
        if text not in self._texts:
            if len(self._texts) > 256:
                self._texts.clear()
            self._texts[text] = torch.from_numpy(self.clip.texts([text])[0])
        return self._texts[text]

    def look(self, stimulus: int) -> tuple[np.ndarray | None, list[str], str]:
        """Return ((h, w, 3) uint8 picture, texts, problem) of a stimulus; None and [] where the data are not here.

        The texts are the detailed description (if there is one) and the captions; without the data those that
        training kept.
        """
        try:
            stimuli = self.dataset.stimuli
            picture = np.asarray(stimuli.image(int(stimulus)).convert("RGB"))
            return picture, _texts_of(stimuli, int(stimulus)), ""
        except BrainViewError as err:
            return None, self.texts.get(int(stimulus), []), str(err)

    def _mean_response(self, stimulus: int) -> np.ndarray:
        if self._brains is None:
            from brainview.alignment.brains import load_brains, mni_subject

            region = RunFolder.open(self.path).config.get("region")
            self._brains = load_brains(mni_subject(self.dataset, self.subject), region=region)
        return self._brains.mean(np.array([stimulus]))[0]

    @cached_property
    def dataset(self) -> Any:
        """The data set that the run was trained on; raises MissingError where it is not on this machine."""
        from brainview.datasets.registry import open_dataset

        story = RunFolder.open(self.path).story
        place = story.get("data")
        if place and Path(place).exists():
            return open_dataset(place)
        if not self.data or not Path(self.data).exists():
            raise MissingError(f"was trained on {shown(place or story.get('dataset'))}, which is not on this machine",
                               where=self.path, remedy="Put the data set back to that place, or open it.")
        found = open_dataset(self.data)
        if found.name != story.get("dataset") or self.subject not in found.subjects or not self._shares(found):
            raise MissingError(f"was trained on {self.subject} of another {shown(story.get('dataset'))} than the one "
                               f"that is open ({shown(found.name)})", where=self.path,
                               remedy="Open the data set of this run.")
        return found

    @cached_property
    def texts(self) -> dict[int, list[str]]:
        """Stimulus -> texts that training kept of the test part; {} where there are none."""
        file = self.folder / TEXTS
        kept = read_json(file) if file.is_file() else {}
        if not isinstance(kept, dict):
            raise FormatError("is no table of texts", where=file)
        return {int(k): [str(t) for t in v] for k, v in kept.items() if isinstance(v, list) and str(k).isdigit()}

    def _shares(self, dataset: Any) -> bool:
        """Whether a data set shows the pictures of this run: a few kept texts are among its own of the same ids."""
        for stimulus, texts in list(self.texts.items())[:3]:
            try:
                own = _texts_of(dataset.stimuli, stimulus)
            except BrainViewError:
                return False
            if not set(texts) & set(own):
                return False
        return True


def _texts_of(stimuli: Any, stimulus: int) -> list[str]:
    details = str(stimuli.details(stimulus).get("description") or "")
    return [t for t in (details, *stimuli.captions(stimulus)) if t]


def open_source(run: str | Path, subject: str | None = None, data: str = "") -> Source:
    """Open one subject (the first by default) of a whole-brain run; `data` as in :class:`Source`.

    Raises
    ------
    MissingError
        No run, no finished model, no such subject.
    FormatError
        A run of another system, or damaged files.
    """
    folder = RunFolder.open(run)
    home = folder.path / "subjects"
    names = sorted(p.name for p in home.iterdir() if (p / "run.json").is_file()) if home.is_dir() else []
    if not names or folder.system != "whole-brain":
        raise FormatError(f"is a {shown(folder.system)} run without a whole-brain encoder", where=folder.path,
                          remedy="Attribution needs a run of 'brainview train whole-brain'.")
    if subject is not None and subject not in names:
        raise MissingError(f"has no trained subject {shown(subject)}", where=folder.path,
                           remedy="It has " + ", ".join(names) + ".")
    chosen = subject or names[0]
    model, card = load_encoder(folder.path, chosen)
    frozen(model.encoder)
    place = Path(subject_folder(folder.path, chosen))
    saved = next((place / n for n in (STIMULI, EMBEDDINGS) if (place / n).is_file()), None)
    ids = read_ids(saved) if saved else np.zeros(0, np.int64)
    return Source(folder.path, chosen, card, model, ids, data)


def write_stimuli(folder: Path, ids: np.ndarray, voxels: np.ndarray, image: np.ndarray | None,
                  text: np.ndarray | None) -> None:
    """Put brains beside a subject's weights: (n,) ids, (n, k) z-scored voxels, (n, embed) embeddings."""
    content: dict[str, np.ndarray] = {"ids": np.asarray(ids, np.int64), "voxels": np.asarray(voxels, np.float16)}
    content |= {k: np.asarray(v, np.float32) for k, v in (("image", image), ("text", text)) if v is not None}
    if len({len(v) for v in content.values()}) != 1:
        raise MismatchError("ids, voxels and embeddings differ in number", where=folder / STIMULI)
    with atomic_path(folder / STIMULI) as temporary:
        save_file({k: np.ascontiguousarray(v) for k, v in content.items()}, temporary)


def _row(path: Path, name: str, stimulus: int) -> np.ndarray | None:
    """Return one stimulus' row as float32, None when the file, the array or the stimulus is not there."""
    if not path.is_file():
        return None
    try:
        with safe_open(regular_file(path), framework="numpy") as file:
            rows = np.flatnonzero(file.get_tensor("ids") == stimulus)
            if not rows.size or name not in file.keys():  # noqa: SIM118 - not a dict
                return None
            return file.get_slice(name)[int(rows[0]):int(rows[0]) + 1][0].astype(np.float32)
    except (SafetensorError, OSError) as err:
        raise FormatError(f"is not a sound safetensors file: {shown(err)}", where=path) from err


def read_ids(path: Path) -> np.ndarray:
    """Return the (n,) int64 stimuli of a file of brains or embeddings."""
    try:
        with safe_open(regular_file(path), framework="numpy") as file:
            return file.get_tensor("ids").astype(np.int64)
    except (SafetensorError, OSError) as err:
        raise FormatError(f"is not a sound safetensors file: {shown(err)}", where=path) from err
