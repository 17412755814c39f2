"""What the figures of runs mean, one sentence each: told on hover wherever a figure stands in a table."""

from __future__ import annotations

import re

#: Figure -> definition; the first pattern that fits the whole name counts.
DEFINITIONS: tuple[tuple[str, str], ...] = (
    (r"run|name", "Folder of the run."),
    (r"subjects?", "Subjects that the run was trained on."),
    (r"part", "Part of the stimuli that was evaluated: test where there is one, else validation."),
    (r"images|n", "Stimuli that were evaluated."),
    (r"train_images", "Stimuli that the model was fitted on."),
    (r"n_scored", "Locations that have a score: measured values that vary, without gaps."),
    (r"mean_r", "Mean over locations of the correlation of predicted and measured responses."),
    (r"median_r", "Median over locations of the correlation of predicted and measured responses."),
    (r"(val_)?median_R2", "Median over locations of the coefficient of determination (val: on validation images, which "
                          "choose the checkpoint)."),
    (r"R2", "Coefficient of determination: 1 − squared error / variance of the target."),
    (r"official_(mean|median)", "Algonauts 2023 score in percent: r² over the noise ceiling, capped at 100, over all "
                                "locations; a ceiling of 0 counts as the challenge's script has it."),
    (r"clean_(mean|median)", "As the official score, over locations with a noise ceiling of at least 5 %."),
    (r"chance R@(\d+)", "R@k that random guessing reaches: k over the size of the gallery."),
    (r"shuffled R@(\d+)", "R@k of brains that were dealt to the wrong stimuli."),
    (r".*R@(\d+)", "Share of queries whose true partner is among the k nearest of the gallery."),
    (r"shuffled token r", "Token r of brains that were dealt to the wrong stimuli."),
    (r"token r", "Correlation of predicted and true tower tokens, after the mean token is taken out."),
    (r"loss|mean patch loss", "Loss on held-out data; for masked models also that of a patch predicted by its mean."),
    (r"explained", "Share of the variance of held-out masked patches that is predicted."),
    (r"shuffled .*", "The same figure for brains that were dealt to the wrong stimuli."),
    (r"p( .*)?", "Chance of a figure at least this high when brains are dealt to the wrong stimuli (permutations)."),
    (r"2-way id\.|clip 2-way", "Share of pairs in which the true text or clip is nearer than a random other one; "
                               "chance 50 %."),
    (r"category( by .*)?", "Share of stimuli whose category is named."),
    (r"BERTScore", "Similarity of contextual word embeddings of text and reference (F1)."),
    (r"BLEU-\d", "Share of word sequences of the text that stand in a reference, with a penalty for brevity."),
    (r"ROUGE-L F", "Longest common subsequence of words of text and reference (F)."),
    (r"epochs?|seconds|trained|when|date|features|system|model", "As the run's card says."),
)


def definition(figure: str) -> str:
    """Return what a figure means, "" when it is not known.

    >>> definition("brain→image R@5")[:16]
    'Share of queries'
    """
    return next((text for pattern, text in DEFINITIONS if re.fullmatch(pattern, figure.strip())), "")
