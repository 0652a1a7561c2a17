"""What the methods cite."""

from __future__ import annotations

from typing import NamedTuple


class Publication(NamedTuple):
    """A publication.

    Parameters
    ----------
    short
        How a sentence names it.
    text
        How a list names it.
    doi
        Where it is found, if it has a DOI.
    """

    short: str
    text: str
    doi: str = ""


REFERENCES = {
    "bunne2023": Publication(
        "Bunne et al. 2023",
        "Bunne, C. et al. Learning single-cell perturbation responses using neural optimal transport. Nature Methods "
        "20, 1759–1768 (2023).",
        "10.1038/s41592-023-01969-x",
    ),
    "makkuva2020": Publication(
        "Makkuva et al. 2020",
        "Makkuva, A. V., Taghvaei, A., Oh, S. & Lee, J. D. Optimal transport mapping via input convex neural networks. "
        "Proceedings of the 37th International Conference on Machine Learning 119, 6672–6681 (2020).",
    ),
    "buzun2024": Publication(
        "Buzun et al. 2024",
        "Buzun, N., Bobrin, M. & Dylov, D. V. Expectile regularization for fast and accurate training of neural "
        "optimal transport. Advances in Neural Information Processing Systems 37 (2024).",
    ),
    "pooladian2021": Publication(
        "Pooladian and Niles-Weed 2021",
        "Pooladian, A.-A. & Niles-Weed, J. Entropic estimation of optimal transport maps. arXiv 2109.12004 (2021).",
    ),
    "uscidda2023": Publication(
        "Uscidda and Cuturi 2023",
        "Uscidda, T. & Cuturi, M. The Monge gap: A regularizer to learn all transport maps. Proceedings of the 40th "
        "International Conference on Machine Learning 202, 34709–34733 (2023).",
    ),
    "cuturi2022": Publication(
        "Cuturi et al. 2022",
        "Cuturi, M. et al. Optimal Transport Tools (OTT): A JAX toolbox for all things Wasserstein. arXiv 2201.12324 "
        "(2022).",
    ),
    "amos2023": Publication(
        "Amos 2023",
        "Amos, B. On amortizing convex conjugates for optimal transport. International Conference on Learning "
        "Representations (2023).",
    ),
    "chen2020": Publication(
        "Chen et al. 2020",
        "Chen, S. et al. Dissecting heterogeneous cell populations across drug and disease conditions with PopAlign. "
        "PNAS 117, 28784–28794 (2020).",
        "10.1073/pnas.2005990117",
    ),
    "lotfollahi2019": Publication(
        "Lotfollahi et al. 2019",
        "Lotfollahi, M., Wolf, F. A. & Theis, F. J. scGen predicts single-cell perturbation responses. Nature Methods "
        "16, 715–721 (2019).",
        "10.1038/s41592-019-0494-8",
    ),
    "szekely2013": Publication(
        "Székely and Rizzo 2013",
        "Székely, G. J. & Rizzo, M. L. Energy statistics: A class of statistics based on distances. Journal of "
        "Statistical Planning and Inference 143, 1249–1272 (2013).",
        "10.1016/j.jspi.2013.03.018",
    ),
    "gretton2012": Publication(
        "Gretton et al. 2012",
        "Gretton, A. et al. A kernel two-sample test. Journal of Machine Learning Research 13, 723–773 (2012).",
    ),
    "benjamini1995": Publication(
        "Benjamini and Hochberg 1995",
        "Benjamini, Y. & Hochberg, Y. Controlling the false discovery rate: A practical and powerful approach to "
        "multiple testing. Journal of the Royal Statistical Society B 57, 289–300 (1995).",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "chizat2018": Publication(
        "Chizat et al. 2018",
        "Chizat, L., Peyré, G., Schmitzer, B. & Vialard, F.-X. Scaling algorithms for unbalanced optimal transport "
        "problems. Mathematics of Computation 87, 2563–2609 (2018).",
        "10.1090/mcom/3303",
    ),
    "smyth2004": Publication(
        "Smyth 2004",
        "Smyth, G. K. Linear models and empirical Bayes methods for assessing differential expression in microarray "
        "experiments. Statistical Applications in Genetics and Molecular Biology 3, 1–25 (2004).",
        "10.2202/1544-6115.1027",
    ),
    "urbut2019": Publication(
        "Urbut et al. 2019",
        "Urbut, S. M., Wang, G., Carbonetto, P. & Stephens, M. Flexible statistical methods for estimating and testing "
        "effects in genomic studies with multiple conditions. Nature Genetics 51, 187–195 (2019).",
        "10.1038/s41588-018-0268-8",
    ),
    "wolf2018": Publication(
        "Wolf et al. 2018",
        "Wolf, F. A., Angerer, P. & Theis, F. J. SCANPY: large-scale single-cell gene expression data analysis. Genome "
        "Biology 19, 15 (2018).",
        "10.1186/s13059-017-1382-0",
    ),
    "virshup2024": Publication(
        "Virshup et al. 2024",
        "Virshup, I. et al. anndata: Access and store annotated data matrices. Journal of Open Source Software 9, 4371 "
        "(2024).",
        "10.21105/joss.04371",
    ),
}


class Citations:
    """The publications that a text has cited so far, in order."""

    def __init__(self) -> None:
        self.cited: list[Publication] = []

    def __call__(self, *names: str) -> str:
        """Return how a sentence names publications, and remember them; an unknown one is named by what is given."""
        found = [REFERENCES.get(name, Publication(name, name)) for name in names]
        self.cited = list(dict.fromkeys([*self.cited, *found]))
        return "; ".join(reference.short for reference in found)
