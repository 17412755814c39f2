"""Words about scenes: captions, a description, questions with answers. What is said is always true of the graph."""

from brainview.phantom.words.captions import CAPTION_STYLES, captions
from brainview.phantom.words.description import description, token_count
from brainview.phantom.words.questions import QUESTION_KINDS, majority_baseline, questions

__all__ = ["CAPTION_STYLES", "QUESTION_KINDS", "captions", "description", "majority_baseline", "questions",
    "token_count"]
