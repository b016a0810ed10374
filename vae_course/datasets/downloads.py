"""Files of the full-size data sets: found in a folder, in the user's cache, or downloaded; verified."""

import contextlib
import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from vae_course import needed


class Source(NamedTuple):
    """One file: where it may lie in $VAE_COURSE_DATA, its SHA-256, and the addresses to try in order.

    A text may lie at its path, or packed at path.gz: the SHA-256 is the text's, for no two programs pack alike. A file
    without addresses is one that a person fetches from the page, because of a form or a large archive. Where an
    archive is packed anew for each reader its SHA-256 is "", and the reader of its content checks the structure.
    """

    path: str
    sha256: str
    urls: tuple = ()
    page: str = ""


def _idx(folder, mirrors, digests):
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = [f"{name}-ubyte.gz" for name in names]
    return tuple(
        Source(f"{folder}/{file}", digest, tuple(mirror + file for mirror in mirrors))
        for file, digest in zip(files, digests)
    )


_AMAT = "www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_"
_DSPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"

_ADBENCH = "Minqi824/ADBench"
# file: SHA-256. The data set's name is the file's without its number and hyphen, in small letters.
_ADBENCH_FILES = {
    "2_annthyroid.npz": "e738f7c58a8740d2c4aac4c71ff49ce5e1d1aa16f44178135fc9c09df05fad1b",
    "4_breastw.npz": "4f37ce07dbc25ddad8178fdc6d664ab46d2d0000ee28c2787c3c7ff3c03ef9f6",
    "6_cardio.npz": "bc5009bde6930b4d298b594f31b34485a9a17210cff0e8fb00a8c3068b885a2d",
    "16_http.npz": "9d98710091551587f4740cfc851a6b064fff6319a337c2dc77ee6da4bcc2e02c",
    "18_Ionosphere.npz": "bca46cb0cfd1bf9ddef6cde5ad2215d54fb0189508d0d4c4eb98e788cad69001",
    "20_letter.npz": "f986d3da80cf1fa2aea83a5ebe73b7d4800e0d4c01fdd1ae074b58d20f10d039",
    "23_mammography.npz": "a0308ac9712d78321073b1c2dc98dc37665c0f35c1cc33019416fe8f8d7de7ea",
    "24_mnist.npz": "be7706272325fdd3592c1be555ae1a82f916a2f8545f4f8cbaa548ab102cc44c",
    "25_musk.npz": "2ed3f4392197b76a1e59116ff880c7720a4b026cf4842073a53b56fdea265017",
    "26_optdigits.npz": "60de17a375a278ba220a7849727d998aa02b5e2f9fd17732a004bba28de4656e",
    "28_pendigits.npz": "c4936b89dcdad59d303020e492f763a0f54170080d787c77497609acbb9c2d79",
    "29_Pima.npz": "215454bb263a2f040945c9ea7bd7f06f1e89a61a3143bdb6f196e3887e801a7d",
    "30_satellite.npz": "1f048f5686f1b8c16a227fdfa3c81a62cd9a92715714a6b24c69b1c5ad96b46e",
    "31_satimage-2.npz": "1b056e357f801b8b20c3f380a30224a3c4088d7ed764ec5a24828dc9b1918d6f",
    "32_shuttle.npz": "26900b0f6be45d9ddb7a402c9b2f956ceda42d23a8ca4cf4406b8bc1352823d1",
    "34_smtp.npz": "d2569fc9bc12115419e3f5b37d19921e10e6c26e5ad1e61064cfb0fbc402dfdd",
    "38_thyroid.npz": "8de161b3f235b7647bb0b39a836d983ff61d67bf234edac461da2d71e889cb87",
    "40_vowels.npz": "4bfc4244d1c882773bbbc50d4a5db5e52276e53506e46b2d45e02d074cfcb1b6",
    "42_WBC.npz": "650f9dcb129248f67a291be0974f533ef259fcbde50fce5c8ad2a1cb2652d03b",
    "43_WDBC.npz": "78d4606a1ab516f5b60b00c196497f3bbd6bd5e4548fd04cf5f2475209b34b85",
}
_SHAKESPEARE = "karpathy/char-rnn"
_SPOKEN = "https://github.com/Jakobovski/free-spoken-digit-dataset (Code, Download ZIP)"
_UNB = "https://www.unb.ca/cic/datasets/nsl.html (NSL-KDD.zip, behind a form)"
_NASA = (
    "https://www.nasa.gov/intelligent-systems-division/discovery-and-systems-health/pcoe/pcoe-data-set-repository/ "
    "(Turbofan Engine Degradation Simulation, CMAPSSData.zip)"
)

# The originals. The digests of MNIST and Fashion-MNIST were computed from files with the published MD5 sums,
# those of "binarized_mnist", "dsprites" and "breastmnist" come from public records (data/README.md).
SOURCES = {
    "mnist": _idx(
        "mnist",
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    "fashion_mnist": _idx(
        "fashion_mnist",
        (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    "binarized_mnist": tuple(
        Source(f"binarized_mnist/binarized_mnist_{split}.amat", digest, (f"https://{url}", f"http://{url}"))
        for split, digest, url in (
            (
                "train",
                "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
                f"{_AMAT}train.amat",
            ),
            (
                "valid",
                "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
                f"{_AMAT}valid.amat",
            ),
            ("test", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c", f"{_AMAT}test.amat"),
        )
    ),
    "dsprites": (
        Source(
            f"dsprites/{_DSPRITES}",
            "857dc001287e8efa226e0025fac6b29e5745c621b380b0d3363e4e33f4e28fa2",
            (
                f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{_DSPRITES}",
                f"https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/{_DSPRITES}",
            ),
        ),
    ),
    "nsl_kdd": (
        Source(
            "nsl_kdd/KDDTrain+_20Percent.txt",
            "7ea86479faab5ca2190b7f18b4982fb058ce5bf2b46e0e1017d0d9ef90f9c16e",
            page=_UNB,
        ),
        Source(
            "nsl_kdd/KDDTest+.txt",
            "fa46b0935342616aa83b7c2578db355b6a7aaabbc492248172c7a1e8b7ab8f84",
            page=_UNB,
        ),
    ),
    "cmapss": (
        Source(
            "cmapss_fd001/train_FD001.txt",
            "963b5e22825b34d8b21c69e1aeb4af3e647050eb672ee8834ba4b5d91d2de0f8",
            page=_NASA,
        ),
    ),
    "breastmnist": (
        Source(
            "breastmnist/breastmnist.npz",
            "3a22d2a4625e7dd8903f0f59030e81a3d0c222bece2e5e10927456cb50efdec1",
            tuple(f"https://zenodo.org/records/{record}/files/breastmnist.npz" for record in (10519652, 5208230)),
        ),
    ),
    "spoken_digits": (Source("spoken_digits/free-spoken-digit-dataset.zip", "", page=_SPOKEN),),
    "tinyshakespeare": (
        Source(
            "tinyshakespeare/input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            (
                f"https://raw.githubusercontent.com/{_SHAKESPEARE}/master/data/tinyshakespeare/input.txt",
                f"https://github.com/{_SHAKESPEARE}/raw/master/data/tinyshakespeare/input.txt",
            ),
        ),
    ),
}
ADBENCH = {f"adbench_{file[:-4].split('_')[1].replace('-', '').lower()}": file for file in _ADBENCH_FILES}
SOURCES |= {
    name: (
        Source(
            f"adbench_tabular/{file}",
            _ADBENCH_FILES[file],
            (
                f"https://github.com/{_ADBENCH}/raw/main/adbench/datasets/Classical/{file}",
                f"https://raw.githubusercontent.com/{_ADBENCH}/main/adbench/datasets/Classical/{file}",
            ),
        ),
    )
    for name, file in ADBENCH.items()
}

# Smaller files with the same content, for a classroom: their bytes vary, so their structure is verified.
COMPACT = {
    "binarized_mnist": "binarized_mnist/binarized_mnist_packed.npz",
    "dsprites": "dsprites_subset/dsprites_downsampled.npz",
    "breastmnist": "breastmnist/BreastMNIST.npz",
    "spoken_digits": "spoken_digits/spoken_digits.npz",
}
INSTEAD = {"mnist": "digits", "binarized_mnist": "digits", "fashion_mnist": "faces", "dsprites": "sprites"}
INSTEAD |= {"breastmnist": "breast_cancer", "spoken_digits": "vowels", "tinyshakespeare": "sentences"}
INSTEAD |= {"nsl_kdd": "payments", "cmapss": "sensors"} | dict.fromkeys(ADBENCH, "payments")


def find(name: str) -> list[Path]:
    """The paths of a data set's files: [the compact file], or the originals in the order of SOURCES.

    Looked for in $VAE_COURSE_DATA, then in the cache ($VAE_COURSE_CACHE, or the user's cache folder), then
    downloaded there. Raises RuntimeError: what was tried, why each failed, and what to use instead.
    """
    tried = []
    local = os.environ.get("VAE_COURSE_DATA")
    paths = _local(name, Path(local).expanduser(), tried) if local else None
    if paths is None:
        if not local:
            tried.append("$VAE_COURSE_DATA is not set")
        paths = [_fetch(name, source, tried) for source in SOURCES[name]]
    return paths


def cache() -> Path:
    """The folder that downloads go to: $VAE_COURSE_CACHE, or the user's cache folder."""
    with needed("data"):
        import pooch  # here, so that the embedded sets need neither pooch nor tqdm

    return Path(os.environ.get("VAE_COURSE_CACHE") or pooch.os_cache("vae_course")).expanduser()


def place(name: str) -> Path | None:
    """The folder in which all files of a data set are (unverified), or None. Downloads nothing."""
    local = os.environ.get("VAE_COURSE_DATA")
    folders = [Path(local).expanduser()] if local else []
    if local and name in COMPACT and (folders[0] / COMPACT[name]).is_file():
        return folders[0]
    for folder in [*folders, cache()]:
        if all(_present(folder, source) for source in SOURCES[name]):
            return folder
    return None


def _present(folder, source):
    """The path of a source's file in a folder, or None."""
    paths = [folder / f"{source.path}{ending}" for ending in ("", ".gz")]
    return next((path for path in paths if path.is_file()), None)


def _verified(name, source, path):
    """The path, if its content is right, as far as a digest tells."""
    if not source.sha256:
        return path
    packed = path.name == f"{Path(source.path).name}.gz"
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(name, path, str(error)) from error
    if digest != source.sha256:
        what = "the SHA-256 of its text" if packed else "its SHA-256"
        raise damaged(name, path, f"{what} is {digest}, it should be {source.sha256}")
    return path


def _local(name, folder, tried):
    """The paths in $VAE_COURSE_DATA, verified, or None if they are not all there."""
    if name in COMPACT and (folder / COMPACT[name]).is_file():
        return [folder / COMPACT[name]]
    paths = [_present(folder, source) for source in SOURCES[name]]
    if None in paths:
        missing = SOURCES[name][paths.index(None)].path
        what = f"has no {missing}" if folder.is_dir() else "is not a folder"
        tried.append(f"$VAE_COURSE_DATA = {folder} {what}")
        return None
    return [_verified(name, source, path) for source, path in zip(SOURCES[name], paths)]


def _fetch(name, source, tried):
    """The path of one file in the cache; downloaded if need be: to a temporary name, checked, renamed."""
    if not source.urls:
        return _placed(name, source, tried)
    with needed("data"):
        import pooch
        from tqdm import tqdm

    path = cache() / source.path
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it
    for url in source.urls:
        try:
            if path.is_file() and pooch.file_hash(str(path)) == source.sha256:
                return path
            with tqdm(desc=path.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
                loader = pooch.HTTPDownloader(progressbar=bar, timeout=(10, 30), chunk_size=2**16)
                pooch.retrieve(url, source.sha256, path.name, path.parent, downloader=loader)
            with contextlib.suppress(OSError):  # some memory sticks know no modes
                path.chmod(0o644)  # pooch's temporary files are their owner's alone; a class must read copies
            return path
        except (OSError, ValueError) as error:  # every network error of requests is an OSError
            tried.append(f"{url} to {path}: {type(error).__name__}: {' '.join(str(error).split())[:400]}")
    raise RuntimeError(
        f"The data set {name!r} could not be loaded: {source.path} is not to be had. Tried:\n  - "
        + "\n  - ".join(tried)
        + f"\nNothing broken was left behind. {_advice(name)}"
    )


def _placed(name, source, tried):
    """The path of a file that somebody put in the cache by hand."""
    path = _present(cache(), source)
    if path:
        return _verified(name, source, path)
    packed = f", or packed by gzip at {source.path}.gz," if source.sha256 else ""
    digest = f" The SHA-256 of the text must be {source.sha256}." if source.sha256 else ""
    raise RuntimeError(
        f"The data set {name!r} could not be loaded: {source.path} is not here, and a program cannot download it. "
        f"Get it from {source.page}, put it at {source.path}{packed} in a folder, and "
        f"set VAE_COURSE_DATA to that folder.{digest} Tried:\n  - "
        + "\n  - ".join([*tried, f"{cache()} has no {source.path}"])
        + f"\n{_advice(name)}"
    )


def damaged(name: str, path: Path, reason: str) -> RuntimeError:
    """The error for a file that is there but wrong."""
    remedy = "Replace it, or unset VAE_COURSE_DATA to download the original."
    if not SOURCES[name][0].urls:
        remedy = f"Replace it by the one from {SOURCES[name][0].page}."
    return RuntimeError(
        f"The data set {name!r} could not be loaded: {path} is unreadable, damaged or changed: {reason}. "
        f"{remedy}\n{_advice(name)}"
    )


def _advice(name):
    return (
        f'Use load("{INSTEAD[name]}") instead, which needs no network; or put the files '
        f"{', '.join(source.path for source in SOURCES[name])} in a folder and set VAE_COURSE_DATA to it."
    )
