"""What a methods paragraph may cite: key -> reference in words, DOI ("" where a work has none that we know)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Citation:
    """One work: short form for the text, full form for the list."""

    short: str
    full: str
    doi: str = ""

    def line(self) -> str:
        """Return the entry of the list."""
        return f"{self.full} https://doi.org/{self.doi}" if self.doi else self.full


def _arxiv(number: str) -> str:
    return f"10.48550/arXiv.{number}"


CITATIONS: dict[str, Citation] = {
    "nsd": Citation("Allen et al., 2022", "Allen EJ, St-Yves G, Wu Y, et al. A massive 7T fMRI dataset to bridge "
                    "cognitive neuroscience and artificial intelligence. Nature Neuroscience 25, 116-126 (2022).",
                    "10.1038/s41593-021-00962-x"),
    "algonauts2023": Citation("Gifford et al., 2023", "Gifford AT, Lahner B, Saba-Sadiya S, et al. The Algonauts "
                              "Project 2023 Challenge: How the human brain makes sense of natural scenes. arXiv "
                              "(2023).", _arxiv("2301.03198")),
    "had": Citation("Zhou et al., 2023", "Zhou M, Gong Z, Dai Y, Wen Y, Liu Y, Zhen Z. A large-scale fMRI dataset for "
                    "human action recognition. Scientific Data 10, 415 (2023).", "10.1038/s41597-023-02325-6"),
    "mindeye2": Citation("Scotti et al., 2024", "Scotti PS, Tripathy M, Torrico Villanueva CK, et al. MindEye2: "
                         "Shared-subject models enable fMRI-to-image with 1 hour of data. arXiv (2024).",
                         _arxiv("2403.11207")),
    "fsaverage": Citation("Fischl et al., 1999", "Fischl B, Sereno MI, Tootell RBH, Dale AM. High-resolution "
                          "intersubject averaging and a coordinate system for the cortical surface. Human Brain "
                          "Mapping 8, 272-284 (1999).",
                          "10.1002/(SICI)1097-0193(1999)8:4<272::AID-HBM10>3.0.CO;2-4"),
    "mni": Citation("Fonov et al., 2011", "Fonov V, Evans AC, Botteron K, et al. Unbiased average age-appropriate "
                    "atlases for pediatric studies. NeuroImage 54, 313-327 (2011).",
                    "10.1016/j.neuroimage.2010.07.033"),
    "fslr": Citation("Glasser et al., 2013", "Glasser MF, Sotiropoulos SN, Wilson JA, et al. The minimal preprocessing "
                     "pipelines for the Human Connectome Project. NeuroImage 80, 105-124 (2013).",
                     "10.1016/j.neuroimage.2013.04.127"),
    "ridge": Citation("Hoerl & Kennard, 1970", "Hoerl AE, Kennard RW. Ridge regression: biased estimation for "
                      "nonorthogonal problems. Technometrics 12, 55-67 (1970).", "10.1080/00401706.1970.10488634"),
    "gcv": Citation("Golub et al., 1979", "Golub GH, Heath M, Wahba G. Generalized cross-validation as a method for "
                    "choosing a good ridge parameter. Technometrics 21, 215-223 (1979).",
                    "10.1080/00401706.1979.10489751"),
    "gabor": Citation("Kay et al., 2008", "Kay KN, Naselaris T, Prenger RJ, Gallant JL. Identifying natural images "
                      "from human brain activity. Nature 452, 352-355 (2008).", "10.1038/nature06713"),
    "clip": Citation("Radford et al., 2021", "Radford A, Kim JW, Hallacy C, et al. Learning transferable visual models "
                     "from natural language supervision. arXiv (2021).", _arxiv("2103.00020")),
    "eva02": Citation("Fang et al., 2024", "Fang Y, Sun Q, Wang X, Huang T, Wang X, Cao Y. EVA-02: A visual "
                      "representation for neon genesis. Image and Vision Computing 149, 105171 (2024).",
                      "10.1016/j.imavis.2024.105171"),
    "timm": Citation("Wightman, 2019", "Wightman R. PyTorch Image Models. GitHub repository (2019).",
                     "10.5281/zenodo.4414861"),
    "llm-vem": Citation("Ma et al., 2024", "Ma S, Wang L, Hou S, Yan B. Aligned with LLM: a new multi-modal "
                        "training paradigm for encoding fMRI activity in visual cortex. arXiv (2024).",
                        _arxiv("2401.03851")),
    "lane-kiar": Citation("Lane & Kiar, 2023", "Lane C, Kiar G. A parameter-efficient multi-subject model for "
                          "predicting fMRI activity. arXiv (2023).", _arxiv("2308.02351")),
    "ceiling": Citation("Lage-Castellanos et al., 2019", "Lage-Castellanos A, Valente G, Formisano E, De Martino F. "
                        "Methods for computing the maximum performance of computational models of fMRI responses. PLOS "
                        "Computational Biology 15, e1006397 (2019).", "10.1371/journal.pcbi.1006397"),
    "bh": Citation("Benjamini & Hochberg, 1995", "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a "
                   "practical and powerful approach to multiple testing. Journal of the Royal Statistical Society B "
                   "57, 289-300 (1995).", "10.1111/j.2517-6161.1995.tb02031.x"),
    "permutation": Citation("Phipson & Smyth, 2010", "Phipson B, Smyth GK. Permutation p-values should never be zero. "
                            "Statistical Applications in Genetics and Molecular Biology 9, 39 (2010).",
                            "10.2202/1544-6115.1585"),
    "tsnr": Citation("Murphy et al., 2007", "Murphy K, Bodurka J, Bandettini PA. How long to scan? The relationship "
                     "between fMRI temporal signal to noise ratio and necessary scan duration. NeuroImage 34, 565-574 "
                     "(2007).", "10.1016/j.neuroimage.2006.09.032"),
    "pyvista": Citation("Sullivan & Kaszynski, 2019", "Sullivan CB, Kaszynski AA. PyVista: 3D plotting and mesh "
                        "analysis through a streamlined interface for the Visualization Toolkit (VTK). Journal of Open "
                        "Source Software 4, 1450 (2019).", "10.21105/joss.01450"),
    "numpy": Citation("Harris et al., 2020", "Harris CR, Millman KJ, van der Walt SJ, et al. Array programming with "
                      "NumPy. Nature 585, 357-362 (2020).", "10.1038/s41586-020-2649-2"),
}
