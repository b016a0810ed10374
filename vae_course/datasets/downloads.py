"""Files of the full-size data sets: found in a folder, in the user's cache, or downloaded; verified."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """One file: where it may lie in $VAE_COURSE_DATA, its SHA-256, and the addresses to try in order."""

    path: str
    sha256: str
    urls: tuple


def _idx(folder, mirrors, digests):
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = [f"{name}-ubyte.gz" for name in names]
    return tuple(
        Source(f"{folder}/{file}", digest, tuple(mirror + file for mirror in mirrors))
        for file, digest in zip(files, digests)
    )


_AMAT = "www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_"
_DSPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"

# The originals. The digests of MNIST and Fashion-MNIST were computed from files with the published MD5 sums,
# those of the other two come from public records (data/README.md).
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
}

# Smaller files with the same content, for a classroom: their bytes vary, so their structure is verified.
COMPACT = {
    "binarized_mnist": "binarized_mnist/binarized_mnist_packed.npz",
    "dsprites": "dsprites_subset/dsprites_downsampled.npz",
}
INSTEAD = {"mnist": "digits", "binarized_mnist": "digits", "fashion_mnist": "faces", "dsprites": "sprites"}


def find(name):
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


def cache():
    """The folder that downloads go to: $VAE_COURSE_CACHE, or the user's cache folder."""
    import pooch  # here, so that the embedded sets need neither pooch nor tqdm

    return Path(os.environ.get("VAE_COURSE_CACHE") or pooch.os_cache("vae_course")).expanduser()


def place(name):
    """The folder in which all files of a data set are (unverified), or None. Downloads nothing."""
    originals = [source.path for source in SOURCES[name]]
    local = os.environ.get("VAE_COURSE_DATA")
    choices = [(Path(local).expanduser(), [COMPACT[name]])] if local and name in COMPACT else []
    choices += [(Path(local).expanduser(), originals)] if local else []
    for folder, paths in [*choices, (cache(), originals)]:
        if all((folder / path).is_file() for path in paths):
            return folder
    return None


def _local(name, folder, tried):
    """The paths in $VAE_COURSE_DATA, verified, or None if they are not all there."""
    if name in COMPACT and (folder / COMPACT[name]).is_file():
        return [folder / COMPACT[name]]
    missing = [source.path for source in SOURCES[name] if not (folder / source.path).is_file()]
    if missing:
        what = f"has no {missing[0]}" if folder.is_dir() else "is not a folder"
        tried.append(f"$VAE_COURSE_DATA = {folder} {what}")
        return None
    for source in SOURCES[name]:
        try:
            with open(folder / source.path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise damaged(name, folder / source.path, str(error)) from error
        if digest != source.sha256:
            reason = f"its SHA-256 is {digest}, it should be {source.sha256}"
            raise damaged(name, folder / source.path, reason)
    return [folder / source.path for source in SOURCES[name]]


def _fetch(name, source, tried):
    """The path of one file in the cache; downloaded if need be: to a temporary name, checked, renamed."""
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


def damaged(name, path, reason):
    """The error for a file that is there but wrong."""
    return RuntimeError(
        f"The data set {name!r} could not be loaded: {path} is unreadable, damaged or changed: {reason}. "
        f"Replace it, or unset VAE_COURSE_DATA to download the original.\n{_advice(name)}"
    )


def _advice(name):
    return (
        f'Use load("{INSTEAD[name]}") instead, which needs no network; or put the files '
        f"{', '.join(source.path for source in SOURCES[name])} in a folder and set VAE_COURSE_DATA to it."
    )
