"""Reduced vocabulary, small CLIP folders, caption sources, and what is cut."""

import json
from dataclasses import asdict, dataclass, field

import numpy as np
import pytest
from PIL import Image

from brainview.alignment.clip_training import Pairs, SmallClip, _Trainer, train_clip
from brainview.alignment.targets import make_targets, texts_of
from brainview.core.errors import FormatError, MissingError
from brainview.core.jobs import QUIET
from brainview.features.clip_pair import load_clip
from brainview.features.compact_tokens import UNKNOWN, CompactTokenizer, vocabulary_of
from brainview.training.run import RunFolder

WORDS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220), "white": (240, 240, 240)}
SMALL = SmallClip(embed=16, pixels=32, stages=(1, 1, 1, 1), image_width=8, width=32, text_layers=1, batch=16, steps=60,
                  steps_per_round=30, lr=3e-3)


def colours(n, seed):
    rng = np.random.default_rng(seed)
    names = [list(WORDS)[k] for k in rng.integers(0, 4, n)]
    images = np.stack([np.clip(np.array(WORDS[k]) + rng.normal(0, 15, (32, 32, 3)), 0, 255).astype(np.uint8)
                       for k in names])
    return Pairs(images, [[f"a {k} wall", f"the wall is {k}"] for k in names]), names


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    stopped = train_clip(colours(120, 0)[0], colours(40, 1)[0], folder / "m", SMALL, folder / "w", minutes=-1)
    assert stopped is None and not (folder / "m").exists()
    trainer = _Trainer(colours(120, 0)[0], SMALL, RunFolder.create(folder / "w", "small-clip", asdict(SMALL)))
    trainer.round(QUIET)  # half of the steps, then as if killed
    card = train_clip(colours(120, 0)[0], colours(40, 1)[0], folder / "m", SMALL, folder / "w")
    whole = train_clip(colours(120, 0)[0], colours(40, 1)[0], folder / "m2", SMALL, folder / "w2")
    assert card["last_loss"] == whole["last_loss"], "a resumed training is the same training"
    return folder / "m", card


@dataclass
class Walls:
    names: list = field(default_factory=lambda: list(WORDS))
    described: bool = True

    @property
    def ids(self):
        return np.arange(len(self.names))

    def image(self, i):
        return Image.new("RGB", (50, 50), WORDS[self.names[i]])

    def captions(self, i):
        return [f"a {self.names[i]} wall", f"the wall is {self.names[i]}"]

    def details(self, i):
        return {"description": f"a {self.names[i]} wall"} if self.described else {}


def test_reduced_vocabulary_keeps_known_words_apart_and_marks_strangers():
    tokenizer = CompactTokenizer(vocabulary_of(["a red wall", "the blue sea"]), context=6)
    assert tokenizer.vocabulary == 3 + 6 + 1
    known, strange = tokenizer("a red sea")[0].tolist(), tokenizer("a zebra sea")[0].tolist()
    assert UNKNOWN not in known and strange[2] == UNKNOWN and tokenizer.unknown("a zebra sea") == 1
    assert max(known) == known[4] == tokenizer.end, "the end must be the highest number, where CLIP pools"
    cut = tokenizer("a red wall the blue sea a red wall")[0].tolist()
    assert len(cut) == 6 and cut[-1] == tokenizer.end


def test_small_clip_learns_and_reads_back_through_open_clip(small):
    folder, card = small
    clip = load_clip(f"local-dir:{folder}")
    walls = Walls()
    likeness = clip.images([walls.image(i) for i in range(4)]) @ clip.texts([f"a {k} wall" for k in WORDS]).T
    assert (likeness.argmax(1) == np.arange(4)).all() and (likeness.argmax(0) == np.arange(4)).all()
    assert card["last_loss"] < 2.2 and card["parameters"] == sum(p.numel() for p in clip.model.parameters())
    assert clip.temperature == pytest.approx(1 / float(clip.model.logit_scale.exp()))


def test_targets_are_unit_means_of_the_named_source_and_are_kept(small, tmp_path):
    clip, walls = load_clip(f"local-dir:{small[0]}"), Walls()
    ids = np.array([2, 0, 3])
    made = make_targets(clip, walls, ids, source="captions")
    each = clip.texts([t for i in ids for t in walls.captions(i)]).reshape(3, 2, -1).mean(1)
    np.testing.assert_allclose(made.text, each / np.linalg.norm(each, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(made.of(np.array([3, 2])).image, made.image[[2, 0]])
    assert made.story["texts"] == 6 and made.story["texts_cut"] == 0
    again = make_targets(clip, walls, ids, source="captions")
    np.testing.assert_array_equal(again.text, made.text)
    assert texts_of(walls, ids, "auto")[0] == "detailed" and texts_of(Walls(described=False), ids)[0] == "captions"
    file = tmp_path / "llm.json"
    file.write_text(json.dumps({"2": "a blue wall " * 40, "0": ["a red wall"], "3": "white"}))
    assert make_targets(clip, walls, ids, source=f"file:{file}").story["texts_cut"] == 1
    with pytest.raises(MissingError, match="stimulus 1"):
        texts_of(walls, np.array([1]), f"file:{file}")


def test_names_that_are_no_model_are_refused(tmp_path):
    for name in ("nonsense", "ViT-B-32:no-such-tag", f"local-dir:{tmp_path}"):
        with pytest.raises(MissingError):
            load_clip(name)


def test_damaged_folder_is_refused(small, tmp_path):
    for file in small[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"\x10" * 200)
    with pytest.raises(FormatError):
        load_clip(f"local-dir:{tmp_path}")


def test_a_captioner_writes_targets_and_sees_the_own_captions_in_its_prompt(small, tmp_path, monkeypatch):
    from brainview.features.captions import Decoding, load_captioner
    from tests.features.test_captions import _blip2

    model = str(_blip2(tmp_path / "blip2"))  # random weights: what it writes is noise, how it is asked is not
    captioner = load_captioner(model, "alignment", Decoding(tokens=3, beams=1))
    asked = []
    tokenize = captioner.processor
    captioner.processor = type("Seen", (), {"__call__": lambda _, **k: (asked.extend(k["text"]), tokenize(**k))[1],
                                            "batch_decode": tokenize.batch_decode, "chat_template": None})()
    assert len(captioner.write([Walls().image(0)], [Walls().captions(0)])) == 1
    assert "a red wall the wall is red" in asked[0] and "{captions}" not in asked[0] and "77" in asked[0]
    monkeypatch.setattr("brainview.features.captions.Captioner.write",
                        lambda self, images, captions=None: [" and ".join(own) for own in captions])
    made = make_targets(load_clip(f"local-dir:{small[0]}"), Walls(), np.array([0, 2]), source=f"captioner:{model}")
    assert made.texts[1] == ["a blue wall and the wall is blue"] and made.story["caption_source"].endswith("blip2")


def test_siblings_come_in_couples_and_only_from_their_step_on():
    pairs, _ = colours(20, 0)
    both = pairs.and_siblings(colours(8, 1)[0])
    pick = both.pick(10, 3, np.random.default_rng(0))
    assert both.singles == 20 and len(set(pick.tolist())) == 10
    couples = np.sort(pick[pick >= 20]).reshape(-1, 2)
    assert len(couples) == 3 and (couples[:, 0] % 2 == 0).all() and (np.diff(couples) == 1).all()
    assert (both.pick(10, 0, np.random.default_rng(0)) < 20).all()
