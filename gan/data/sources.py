"""The known data sets: where their files are served, and the SHA-256 of each.

Sources: MNIST, LeCun, Cortes & Burges 1998; Fashion-MNIST, Xiao, Rasul & Vollgraf 2017; KMNIST,
Clanuwat et al. 2018. MNIST's original host answers 403 or 404 and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DIGIT_DATASETS = ("mnist", "mnist-sample")  # whose images the digit classifier can judge


@dataclass(frozen=True)
class Source:
    """A data set in MNIST's format.

    Parameters
    ----------
    name
        What the user calls it; also the name of its folder.
    files
        SHA-256 by official file name; unpacked files (without .gz) may be listed too.
    mirrors
        Base addresses in order of preference, each ending in a slash.
    fallback
        The data set that is used if this one cannot be fetched.
    bundled
        Whether it is part of this package; see `gan.data.locations.sample_folder`.
    """

    name: str
    files: dict[str, str] = field(repr=False)
    mirrors: tuple[str, ...] = ()
    fallback: str = ""
    bundled: bool = False


def _files(
    train_images: str, train_labels: str, test_images: str, test_labels: str, suffix: str = ".gz"
) -> dict[str, str]:
    """The four official names with their SHA-256."""
    return {
        f"train-images-idx3-ubyte{suffix}": train_images,
        f"train-labels-idx1-ubyte{suffix}": train_labels,
        f"t10k-images-idx3-ubyte{suffix}": test_images,
        f"t10k-labels-idx1-ubyte{suffix}": test_labels,
    }


SOURCES = {
    source.name: source
    for source in (
        Source(
            "mnist",
            _files(
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            )
            | _files(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                suffix="",
            ),
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            fallback="mnist-sample",
        ),
        Source(
            "fashion-mnist",
            _files(
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
            mirrors=(
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
        ),
        Source(
            "kmnist",
            _files(
                "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            ),
            mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        ),
        Source(
            "mnist-sample",  # data/mnist-sample/README.md; its test files are MNIST's own
            _files(
                "11a772a6dc925b05dd399880865d80fdc378f1482a27072a7fe2c10be2367eda",
                "4e8b4ac90e302aa725dd50c14268e8630d3941e30cf889ea15dfa1a6dedf8665",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
            bundled=True,
        ),
    )
}
