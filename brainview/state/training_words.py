"""The words of the training form: what every setting of every system is, in a sentence that teaches. No Qt.

Systems share many settings, so most words stand once, by the name of the setting (:data:`WORDS`); where a system means
something of its own by a name, :data:`OWN` has the better sentence.
"""

from __future__ import annotations

Words = tuple[str, str, tuple[float, float] | None]

#: Feature spaces that work without a download come first; any other name can be typed.
FEATURES: tuple[tuple[str, str], ...] = (
    ("gabor", "Gabor energies: edges and contrast, no network"),
    ("efficientnet-lite0", "EfficientNet-Lite0: small ImageNet network"),
    ("timm:eva02_base_patch14_224.mim_in22k", "EVA02 base: the network of LLM-VEM (needs its weights)"),
)
#: What a system does; a system that is not here says it itself.
ABOUT = {
    "ridge": "Predicts each location's response from picture features by ridge regression: strong, and quick to fit.",
    "llm-vem": "Predicts every subject's responses at once from the layers of a vision network, through a shared "
               "latent and a frozen PCA readout; stage 2 trains the network too, aligned with captions if you wish.",
    "whole-brain": "A transformer over the whole brain volume, aligned with CLIP pictures and captions.",
    "mindeye": "A residual network from the most reliable voxels to CLIP, with MindEye's contrastive loss.",
    "ridge-clip": "Ridge regression from voxels to CLIP pictures and captions: strong, and quick to fit.",
}
#: option -> (title, hint, bounds); "" keeps the system's own words.
WORDS: dict[str, Words] = {
    "features": ("Features", "What describes the pictures.", None),
    "method": ("Alpha by", "How the ridge penalty of every vertex is chosen, on training images only: generalised "
               "cross-validation (GCV, one pass) or exact K-fold cross-validation.", None),
    "folds": ("Folds", "Parts of the training images for K-fold; an image is never in two parts.", (2, 20)),
    "components": ("Principal components", "Features are reduced to this many, fitted on training images. 0 keeps "
                   "all.", (0, 20_000)),
    "bootstraps": ("Bootstrap draws", "Draws of images behind the intervals.", (0, 10_000)),
    "permutations": ("Permutations", "Shuffles of images behind the chance baseline.", (0, 10_000)),
    "variant": ("Response set", "Which of the data's response sets; empty takes the one of the Data page.", None),
    "seed": ("Seed", "Decides every random choice; written into the model's card.", (0, 2**31 - 1)),
    "val": ("Validation share", "Share of the training images that choose the stop.", (0, 0.5)),
    "test": ("Test share", "Share held out where the data set itself names no test images.", (0, 0.5)),
    "epochs": ("Epochs", "Passes over the training images.", (1, 10_000)),
    "batch": ("Batch", "Images of one step; more need more memory.", (2, 65_536)),
    "lr": ("Learning rate", "Highest step size of the schedule.", (1e-8, 10)),
    "weight_decay": ("Weight decay", "Pull of the weights towards zero.", (0, 10)),
    "beta1": ("Beta 1", "How long AdamW remembers the direction of earlier steps (0.9: about ten steps).", (0, 0.9999)),
    "beta2": ("Beta 2", "How long AdamW remembers the size of earlier gradients; smaller adapts faster.", (0, 0.99999)),
    "patience": ("Patience", "Epochs without a better validation score before it stops; 0 never stops early.",
                 (0, 10_000)),
    "dropout": ("Dropout", "Share of units silenced in training.", (0, 0.99)),
    "noise": ("Input noise", "Standard deviation of noise added to the responses in training.", (0, 10)),
    "queue": ("Queue", "Embeddings of earlier batches kept as extra negatives.", (0, 1_000_000)),
    "temperature": ("Temperature", "Sharpness of the contrastive loss; 0 takes the target model's.", (0, 10)),
    "clip": ("Target model", "phantom-clip, or an open_clip name such as ViT-H-14:laion2b_s32b_b79k.", None),
    "captions": ("Captions", "Where the texts come from; auto takes the data set's longest.", None),
    "region": ("Part of the brain", "brain, a class of regions, or class:region.", None),
    "weighting": ("Voxel weights", "Reliable voxels count more (denoised: with their neighbours), or all the same.",
                  None),
    "encoder": ("Size", "Size of the transformer.", None),
    "patch": ("Patch", "Edge of a token in voxels of 2 mm; 0 takes the size's own.", (0, 91)),
    "objective": ("Contrastive loss", "Eq. (1) of the whole-brain paper, or MindEye's two losses.", None),
    "targets": ("Align with", "Pictures, captions, or both.", None),
    "precision": ("Precision", "bf16 is faster on a GPU.", None),
    "voxels": ("Voxels", "How many of the most reliable voxels are used.", (10, 1_000_000)),
    "hidden": ("Hidden width", "Units of the hidden layers; more fit more and need more images.", (1, 65_536)),
    "blocks": ("Blocks", "Residual blocks behind each other.", (1, 256)),
    "keep": ("Voxels kept", "Only so many of the most reliable voxels; 0 keeps all.", (0, 10_000_000)),
    "pool": ("Shared part", "Share of the map from voxels to CLIP that is common to all people; 0 trains each alone.",
             (0, 1)),
    "whiten": ("Whitening", "Directions of CLIP's space that the brain tells badly count less; 0 is off, 1 is mild.",
               (0, 1000)),
    "keep_model": ("Keep the model", "Store what predicts new pictures, not only the scores.", None),
    "width": ("Width", "Channels of every token; more fit more and need more data.", (1, 65_536)),
    "depth": ("Depth", "Transformer blocks behind each other.", (1, 256)),
    "heads": ("Heads", "Attention heads of a block; the width is divided among them.", (1, 256)),
    "flip": ("Mirror", "Mirrored pictures in training; they break the tie between brain and position.", None),
    "rank": ("LoRA rank", "Rank of the low-rank adaptors; only with the adaptor lora.", (1, 4096)),
}
#: Choices that the systems name only in prose.
CHOICES: dict[str, tuple[tuple[str, str], ...]] = {
    "method": (("gcv", "GCV"), ("kfold", "K-fold")),
    "weighting": (("reliability", "By reliability"), ("denoised", "By denoised reliability"), ("none", "All the same")),
    "objective": (("trimodal", "Tri-modal"), ("mindeye", "BiMixCo, then SoftCLIP")),
    "targets": (("both", "Pictures and captions"), ("image", "Pictures"), ("text", "Captions")),
    "precision": (("no", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")),
    "head": (("linear", "Linear, with PCA readout"), ("attention", "Attention of each region over the picture")),
    "padding": (("mask", "Left out"), ("zeros", "Zeros, as in the original")),
    "control": (("none", "None"), ("shuffled", "Captions of other pictures"), ("caption-only", "Captions, no picture")),
    "start": (("random", "Random weights"), ("ridge", "A ridge regression"), ("teacher", "A ridge of all people")),
    "split": (("image", "By picture: no leak"), ("original", "By subject, as published")),
    "adaptor": (("nonlinear", "Non-linear"), ("lora", "Low rank (LoRA)"), ("none", "None")),
    "bridge": (("token", "Each token by itself"), ("mixing", "Across tokens")),
    "reduce": (("mean", "Mean"), ("sum", "Sum, as printed")),
    "watch": (("none", "Nobody"), ("person", "The last training person")),
    "stage2_watch": (("same", "As in stage I"), ("none", "Nobody: every step counts"),
                     ("person", "The last training person")),
    "plane": (("umap", "UMAP"), ("pca", "Principal components")),
    "route": (("betas", "Single-trial betas"), ("grayordinates", "Grayordinates over time"),
              ("volume", "Volumes over time"), ("raw", "Raw series")),
    "repetition": (("one", "One at random"), ("mean", "Their mean"), ("upstream", "As in the original code")),
    "loss": (("mse", "Squared error"), ("l1", "Absolute error"), ("huber", "Huber"), ("quantile", "Quantile")),
    "model": (("auto", "By the number of subjects"), ("brainxs", "One subject (BrainXS)"),
              ("brainx", "Several subjects (BrainX)")),
}
_FILM: dict[str, Words] = {
    "begin": ("Begins from", "A finished run whose stages up to I are taken over with their settings, so that stage II "
              "alone is trained; empty trains all.", None),
    "route": ("Responses", "What of the recordings goes in: one beta per clip, or a window of the series.", None),
    "tokens": ("Parcels", "Pieces that the brain is cut into, each becomes a token; at most 512 on a surface.",
               (1, 512)),
    "held": ("Strangers", "Subjects whom no stage trains on, by commas; empty takes the data set's rule.", None),
    "adapt_share": ("Share for adaptation", "Share of the strangers' runs that adaptation may see, without labels; "
                    "they are scored on the rest.", (0, 1)),
    "decoder_width": ("Decoder width", "Channels of the decoder that fills in hidden parcels; it is thrown away "
                      "afterwards.", (1, 65_536)),
    "decoder_depth": ("Decoder depth", "Blocks of the decoder that fills in hidden parcels.", (1, 64)),
    "mask": ("Hidden parcels", "Share of the parcels that the encoder must guess in masked brain modelling.",
             (0.05, 0.95)),
    "mbm_epochs": ("Epochs of masking", "Passes of masked brain modelling over all training runs.", (0, 10_000)),
    "mbm_lr": ("Rate of masking", "Highest step size of masked brain modelling.", (1e-8, 10)),
    "mbm_batch": ("Batch of masking", "Samples of one step of masked brain modelling.", (2, 65_536)),
    "mbm_weights": ("Encoder weights", "A state dict of MinD-Vis to begin the encoder with; empty trains it here.",
                    None),
    "adaptor": ("Adaptor", "Small layers between encoder and language model that learn each stage's task.", None),
    "bridge": ("Bridge", "How brain tokens become clip tokens: each by itself as in the paper, or mixed.", None),
    "bridge_rank": ("Bridge rank", "Rank of the map across tokens; only with a mixing bridge.", (1, 65_536)),
    "start": ("Start of the bridge", "Random weights, or a ridge regression in closed form (mixing bridge only).",
              None),
    "amplitude": ("Amplitude", "After a ridge start: 0 keeps predictions as small as ridge makes them, 1 makes them "
                  "as large as in clips.", (0, 1)),
    "encoder_trained": ("Train the encoder", "Train the brain's encoder in stage I too; the paper freezes it.", None),
    "qformer_trained": ("Train the Q-Former", "Train the brain's copy of the video Q-Former in stage I.", None),
    "qformer_width": ("Q-Former width", "Channels of the Q-Formers, which sum up pictures and clips in a few tokens.",
                      (1, 65_536)),
    "qformer_heads": ("Q-Former heads", "Attention heads of the Q-Formers; the width is divided among them.", (1, 256)),
    "image_layers": ("Image layers", "Layers of the Q-Former that sums up one frame.", (1, 64)),
    "image_queries": ("Tokens of a frame", "Queries of the image Q-Former: what remains of one frame.", (1, 1024)),
    "queries": ("Tokens of a clip", "Queries of the video Q-Former: what the language model reads of one clip.",
                (1, 1024)),
    "vision": ("Vision tower", "The network that looks at the frames: phantom-film, phantom-clip, an "
               "open_clip name, or instructblipvideo:NAME.", None),
    "frames": ("Frames", "Pictures taken from a clip at equal distances.", (1, 256)),
    "teacher": ("Answers by", "Where the true answers about clips come from: auto (the data set's own), category, "
                "captions, or a file of JSON lines.", None),
    "questions": ("Questions", "A file of questions to learn; empty takes the ten that BrainView has.", None),
    "ask": ("Of these", "Keys of the questions that are used, by commas; empty uses all.", None),
    "llm": ("Language model", "tiny (trained here), smol (SmolLM2-135M), a folder, or a hub name.", None),
    "llm_width": ("Width of tiny", "Channels of the tiny language model.", (8, 65_536)),
    "llm_depth": ("Depth of tiny", "Blocks of the tiny language model.", (1, 64)),
    "words_epochs": ("Epochs of words", "tiny: passes over the teacher's sentences alone, before any clip.",
                     (0, 10_000)),
    "words_lr": ("Rate of words", "tiny: highest step size while it learns the sentences.", (1e-8, 10)),
    "contrast": ("Clip and text", "Weight of the contrast of clips and texts that trains the video branch beside its "
                 "answers.", (0, 100)),
    "video_epochs": ("Epochs of clips", "Passes over the clips that train the video branch; 0 keeps it random, for "
                     "tests only.", (0, 10_000)),
    "video_lr": ("Rate of clips", "Highest step size of the video branch.", (1e-8, 10)),
    "video_weights": ("Video weights", "A trained video branch (safetensors); empty trains it here.", None),
    "stage1_epochs": ("Epochs of stage I", "Passes in which brain tokens learn to be like clip tokens.", (0, 10_000)),
    "stage1_lr": ("Rate of stage I", "Highest step size of stage I.", (1e-8, 10)),
    "alpha": ("L1 share", "Reconstruction of stage I: 0 is squared error only, 1 absolute error only.", (0, 1)),
    "beta": ("Contrast share", "Stage I: 1 is contrast with the clips only, 0 reconstruction of their tokens only.",
             (0, 1)),
    "tau": ("Temperature", "Sharpness of stage I's contrast; smaller is sharper.", (1e-3, 10)),
    "learn_tau": ("Learn temperature", "Let the temperature of stage I train with the rest.", None),
    "mask_same": ("Spare the like", "Leave clips of one category out of each other's negatives.", None),
    "reduce": ("Error over channels", "Sum over channels as the paper prints it, or mean, so that widths compare.",
               None),
    "watch": ("Chooses the epoch", "The last training person is not trained on and chooses the epochs.", None),
    "stage2_epochs": ("Epochs of stage II", "Passes that train answers and adaptation together.", (0, 10_000)),
    "stage2_lr": ("Rate of stage II", "Highest step size of stage II.", (1e-8, 10)),
    "lam": ("Answers against adaptation", "Stage II: 1 trains the answers only, 0 the adaptation only.", (0, 1)),
    "eta": ("Weight of strangers", "Weight of the unlabelled strangers' losses beside the categories.", (0, 100)),
    "bank_tau": ("Neighbour temperature", "Sharpness of a stranger's likeness to its neighbours; .5 is almost "
                 "uniform.", (1e-3, 10)),
    "bank_momentum": ("Neighbour memory", "Share of a sample's old feature that is kept when it is seen again.",
                      (0, 0.999)),
    "rho": ("Entropy threshold", "Entropy that separates known from unknown; 0 takes half of the largest possible.",
            (0, 100)),
    "margin": ("Entropy margin", "Samples nearer than this to the threshold are left in peace.", (0, 100)),
    "adapt": ("Adapt to strangers", "Neighbourhood clustering on the strangers' unlabelled runs.", None),
    "separate": ("Separate unknown", "Push strangers' samples away from the entropy threshold.", None),
    "adaptors_in_stage2": ("Train adaptors in II", "Train adaptors and tokenizer in stage II too, at a tenth of the "
                           "rate.", None),
    "stage2_watch": ("Chooses stage II's epoch", "Nobody lets every step count, which comparing adaptation on and off "
                     "needs: a person who watches may reject both.", None),
    "stage2_seed": ("Seed of stage II", "Added to the seed: another order, other questions and noise in stage II.",
                    (0, 2**31 - 1)),
    "clip_grad": ("Gradient limit", "Longest gradient of a step; longer ones are shortened.", (0, 1000)),
    "longest": ("Longest answer", "Most tokens of an answer.", (1, 4096)),
    "bertscore": ("BERTScore by", "The model behind BERTScore: minilm, a local folder, or none.", None),
    "plane": ("Map of people by", "How features are laid out on the map of people.", None),
    "batch": ("Batch", "Trials of one step; more need more memory.", (2, 65_536)),
}
#: system -> option -> words that are better there than the shared ones.
OWN: dict[str, dict[str, Words]] = {
    "llm-vem": {
        "stage": ("Stage", "1 trains the head on the frozen network; 2 goes on from a stage 1 and trains the "
                  "network's attention too; 3 fits the part of people whom the model never saw.", (1, 3)),
        "start": ("Begins from", "The finished run that stages 2 and 3 go on from.", None),
        "published": ("Published checkpoint", "A checkpoint of childmindresearch/algonauts23 to begin with; empty "
                      "begins anew.", None),
        "features": ("Network", "The vision network whose layers are read: any ViT of timm.", None),
        "layers": ("Layers", "Blocks of the network that are read, counted from 0, by commas.", None),
        "tokens": ("Tokens", "all keeps every patch; a pooling such as cls+4x4 needs far less memory.", None),
        "head": ("Read-out", "Linear with a PCA readout, or regions that attend to patches of the picture.", None),
        "hidden": ("Latent width", "Width of the latent that all subjects share.", (1, 65_536)),
        "components": ("Components of the readout", "Principal components of the training responses of all subjects; "
                       "the frozen readout predicts through them.", (1, 20_000)),
        "width": ("Attention width", "Channels of the attention head; the linear head does not read it.", (1, 4096)),
        "dropout": ("Dropout", "Share of the network's features silenced in training.", (0, 0.99)),
        "batch": ("Batch", "Rows of one step, subjects mixed; more need more memory.", (2, 65_536)),
        "min_lr": ("Last rate", "Where the cosine schedule ends, as a share of the learning rate.", (0, 1)),
        "warmup": ("Warm-up", "Share of the steps in which the rate rises from 0.", (0, 1)),
        "augment": ("Random crops", "A new crop of every picture in every epoch; off, the frozen network's features "
                    "are cached and training is many times faster.", None),
        "crop": ("Least crop", "Smallest area of a random crop, as a share of the picture.", (0.05, 1)),
        "flip": ("Mirror", "Probability of a mirror image, which destroys retinotopy.", (0, 1)),
        "pixels": ("Stored side", "Side in pixels at which pictures are kept for cropping.", (8, 2048)),
        "precision": ("Precision", "Of a GPU; a processor always computes in float32.", None),
        "padding": ("Missing vertices", "What vertices that a subject lacks are to loss and readout.", None),
        "bias_twice": ("Bias twice", "Add the readout's bias to the group's and to the subject's part, as the public "
                       "code does; needed with its checkpoints.", None),
        "freeze": ("Frozen in stage 2", "Patterns of the network's parameters that do not train in stage 2; the "
                   "default leaves its attention projections.", None),
        "head_trainable": ("Train the head too", "Whether the head goes on training in stage 2.", None),
        "lam": ("Weight of captions", "Lambda: how much the alignment with captions counts beside the responses; 0 "
                "is without text. The paper finds .001 best and 1 harmful.", (0, 1000)),
        "texts": ("Captions", "captions (the data set's, averaged), first, detailed, or file:PATH of brainview "
                  "caption.", None),
        "control": ("Control", "Captions of other pictures: does the text help, or any text? Captions without a "
                    "picture: what text alone predicts.", None),
        "clip": ("Text tower", "The CLIP whose text tower embeds the captions: phantom-clip, or an open_clip name.",
                 None),
        "temperature": ("Temperature", "Sharpness of the alignment at the start.", (1e-3, 10)),
        "learn_temperature": ("Learn temperature", "Let the temperature of the alignment train.", None),
        "symmetric": ("Both directions", "Align pictures to captions as well as captions to pictures.", None),
        "limit": ("Fewer images", "Training images of some subjects, such as subj03:60,subj04:10.", None),
        "shuffle": ("Shuffle responses", "Deal the training responses to the wrong images: what chance scores.", None),
        "split": ("Split", "By picture, so that no test picture was trained on with anybody, or as published.", None),
        "val": ("Validation share", "Share of the training images that choose the checkpoint.", (0, 0.5)),
        "keep_predictions": ("Keep predictions", "Write the predictions of the evaluated images, for paired "
                             "comparisons.", None),
    },
    "whole-brain": {
        "start": ("Start", "Random weights; a ridge of the person that the transformer expresses; or a pooled ridge "
                  "of all people as its teacher.", None),
        "noise": ("Input noise", "Standard deviation of noise added to the volumes in training.", (0, 10)),
    },
    **{name: {"start": ("Start", "Random weights; a ridge of the person; or a ridge of all people, where some of it is "
                        "shared.", None)} for name in ("mindeye", "mindeye2", "tgbd")},
    "brainx": {
        "tower": ("Target tower", "The vision tower whose tokens the brain must produce: tower:phantom-llava, "
                  "tower:FOLDER, or one that SE and AF name, such as SE:clip_336.", None),
        "scale": ("Scale", "Pooled targets of this many tokens a side; 0 is the whole grid.", (0, 64)),
        "model": ("Encoder", "One encoder for one subject, or a shared one with a tokenizer per subject.", None),
        "width": ("Width", "Channels of the latent tokens.", (1, 65_536)),
        "depth": ("Depth", "Blocks of the perceiver, each looks at the brain's tokens once more.", (1, 256)),
        "head_width": ("Width of a head", "Channels of one attention head.", (1, 4096)),
        "mult": ("Feed-forward factor", "The feed-forward layers are so many times as wide as the tokens.", (1, 64)),
        "tokens": ("Subject tokens", "Five learned tokens for every subject, as in the paper.", None),
        "norm": ("Norm in the tokenizer", "LayerNorm, GELU and dropout behind the first map of the voxels.", None),
        "region": ("Part of the brain", "A class of regions or class:region; empty takes nsdgeneral where there is "
                   "one.", None),
        "standardise": ("Standardise targets", "Targets minus their mean, over each channel's s.d., so that common "
                        "tokens do not drown the rest.", None),
        "start": ("Start", "Random weights, or voxel maps by ridge to the components of the tokens.", None),
        "hold": ("Hold the start", "After a ridge start the voxel maps are not trained further.", None),
        "loss": ("Loss", "Distance between predicted and true tokens.", None),
        "denoise": ("Denoising", "Weight of a second loss: a small network must tell the noise of a tower's token "
                    "from the brain's token; 0 is off.", (0, 100)),
        "batch": ("Batch", "Trials of each subject of a step; more need more memory.", (2, 65_536)),
        "together": ("Subjects together", "Subjects of an epoch; 0 takes all.", (0, 100)),
        "rise": ("Epochs of rise", "Epochs until the learning rate is highest.", (0, 10_000)),
        "repetition": ("Repetitions", "How the repetitions of a picture enter training.", None),
        "drop": ("Drop voxels", "Share of the voxels set to 0 in every training step.", (0, 0.99)),
        "augment": ("Change pictures", "Pictures are changed in training; the tower then runs in every step, which is "
                    "slow without a GPU.", None),
        "save_every": ("Save every", "Epochs between checkpoints.", (1, 10_000)),
        "checkpoint": ("Published weights", "A published .pth to begin with; all its names must fit.", None),
        "adapt": ("Adapt", "Run or .pth of a model of several subjects that is adapted to one new subject.", None),
        "freeze": ("Freeze the rest", "Adaptation: only the new subject's tokenizer trains.", None),
        "ratio": ("Share of pictures", "Share of the training pictures that is used, chosen by the seed.", (0.001, 1)),
    },
    "sc-mbm": _FILM,
    "video-text": _FILM,
}
#: system -> preset -> what it is for, in a sentence.
PRESETS: dict[str, dict[str, str]] = {
    "ridge": {"demo": "Gabor energies: trains in a minute, no download.",
              "paper": "Six layers of EVA02, penalty by K-fold; needs its weights."},
    "llm-vem": {
        "demo": "Stage 1 with the small network of the phantom: minutes without a GPU.",
        "demo-attention": "As demo, with regions that attend to patches of the picture.",
        "demo-stage2": "Stage 2 of a demo run: trains the small network's attention, minutes without a GPU.",
        "demo-new-person": "The part of people whom a demo run never saw: seconds.",
        "paper": "Stage 1 of the paper: EVA02 base, 40 epochs; needs its weights and a GPU.",
        "paper-stage2": "Stage 2 of the paper: 6 epochs from a stage 1; choose the weight of captions.",
        "new-person": "The part of people whom a run never saw, from all their training images.",
        "original": "Padding, bias and split as in the public code of its base model, with the paper's settings."},
    "whole-brain": {
        "tiny": "Only to see it run.", "live": "The size whose attribution follows a slider.",
        "demo": "Starts from a ridge of all people: the best without a GPU.",
        "alone": "Starts from a ridge of each person alone.", "small": "A larger transformer; hours without a GPU.",
        "base": "For a GPU.", "paper": "241 million parameters and 150 epochs, as published; for a large GPU."},
    "mindeye": {"small": "Begins as a ridge; small enough for a processor.",
                "scratch": "The small network from random weights; learns few images by heart.",
                "paper": "As published; for a GPU."},
    "mindeye2": {"small": "Begins as a ridge of all people; small enough for a processor.",
                 "scratch": "The small network from random weights; learns few images by heart.",
                 "paper": "As published; for a GPU."},
    "tgbd": {"small": "Begins as components and a ridge; small enough for a processor.",
             "scratch": "The small network from random weights.", "paper": "As published; for a GPU."},
    "ridge-clip": {
        "demo": "Each person alone, voxels that are reliable together with their neighbours count more.",
        "plain": "Each person alone, all voxels by their own reliability.",
        "pooled": "Half of the map is shared by all people; needs a common space.",
        "unweighted": "All voxels count the same.", "paper": "ViT-H-14 and nsdgeneral; needs the weights."},
    "brainx": {
        "demo": "A small encoder into the phantom's tower: minutes without a GPU.",
        "demo-adapt": "A new subject for a demo run of others; name it under Adapt.",
        "readme": "UMBRAE as its command trains it; for a GPU.", "paper": "UMBRAE as its paper says; for a GPU.",
        "single": "One subject, one encoder; for a GPU.", "adapt": "A new subject for a published model; for a GPU.",
        "dino": "Tokens of DINOv2 as targets; for a GPU.", "clip-336": "Tokens of CLIP at 336 pixels; for a GPU.",
        "siglip": "Tokens of SigLIP; for a GPU."},
    "sc-mbm": {"demo": "Minutes without a GPU.", "paper": "24 blocks and 500 epochs; for GPUs."},
    "video-text": {
        "demo": "All stages with a tiny language model: minutes to an hour without a GPU.",
        "adaptation": "Stage II with adaptation on and off, every step kept: minutes from a finished demo run.",
        "recommended": "SmolLM2 and a bridge across tokens: what we would run on one GPU.",
        "paper": "Vicuna-7B and volumes, as far as the paper tells; for GPUs."},
}
#: Options that a system's shared settings hold and it does not read.
_MLP = ("encoder", "patch")
UNREAD: dict[str, tuple[str, ...]] = {
    "ridge-clip": ("encoder", "patch", "epochs", "batch", "lr", "temperature", "queue", "noise", "weight_decay",
                   "patience", "voxels", "hidden", "blocks", "dropout", "precision", "targets", "start", "objective"),
    "whole-brain": ("voxels", "hidden", "blocks", "dropout"), "sc-mbm": ("begin",),
    "mindeye": _MLP, "mindeye2": _MLP, "tgbd": (*_MLP, "voxels", "keep", "pool"),
}
#: What a later stage takes from the run that it begins from, whatever the form says; the last only stage 2.
FROM_START: dict[str, tuple[str, ...]] = {
    "llm-vem": ("features", "layers", "tokens", "head", "hidden", "components", "width", "padding", "bias_twice",
                "split", "val", "test", "variant", "limit"),
    "video-text": (
        "route", "tokens", "held", "adapt_share", "width", "depth", "heads", "decoder_width", "decoder_depth", "mask",
        "mbm_epochs", "mbm_lr", "mbm_batch", "mbm_weights", "adaptor", "rank", "bridge", "bridge_rank", "start",
        "amplitude", "encoder_trained", "qformer_trained", "qformer_width", "qformer_heads", "image_layers",
        "image_queries", "queries", "vision", "frames", "teacher", "questions", "ask", "llm", "llm_width", "llm_depth",
        "words_epochs", "words_lr", "contrast", "video_epochs", "video_lr", "video_weights", "stage1_epochs",
        "stage1_lr", "alpha", "beta", "tau", "learn_tau", "mask_same", "reduce", "noise", "watch", "batch",
        "weight_decay", "clip_grad", "precision", "seed")}
#: Options that stand in the form at once where a preset sets them; those of a system always.
MAIN = ("features", "clip", "captions", "encoder", "epochs", "batch", "lr", "method", "trunk", "stage")
ALWAYS: dict[str, tuple[str, ...]] = {"llm-vem": ("head", "lam")}


def words_of(system: str, option: str) -> Words:
    """Return (title, hint, bounds) of an option of a system; ("", "", None) when only the system knows."""
    shared = WORDS.get(option, ("", "", None))
    own = OWN.get(system, {}).get(option)
    return shared if own is None else (own[0] or shared[0], own[1] or shared[1], own[2] or shared[2])
