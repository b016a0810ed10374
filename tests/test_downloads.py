"""Downloads from a server of our own: what arrives whole is kept, what does not leaves nothing behind."""

import gzip
import hashlib
import http.server
import multiprocessing
import socket
import threading
from pathlib import Path

from vae_course import datasets
from vae_course.datasets import downloads

import pytest

CONTENT = {"a.bin": bytes(range(256)) * 800, "b.bin": b"second file" * 1000}


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says what goes wrong: /good/, /cut/, /wrong/, /missing/."""

    def do_GET(self):
        self.server.asked.append(self.path)
        _, way, file = self.path.split("/")
        content = CONTENT[file]
        if way == "missing":
            return self.send_error(404)
        if way == "wrong":  # such as the log-in page of a hotel's network
            content = b"<html>please log in</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if way == "cut":
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.url = [], f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def sources(*mirrors):
    return tuple(
        downloads.Source(f"mnist/{file}", hashlib.sha256(content).hexdigest(), tuple(f"{m}/{file}" for m in mirrors))
        for file, content in CONTENT.items()
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("VAE_COURSE_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("VAE_COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def use(monkeypatch, *mirrors):
    monkeypatch.setitem(downloads.SOURCES, "mnist", sources(*mirrors))


def files(cache):
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def fails(match):
    return pytest.raises(RuntimeError, match=f'(?s){match}.*Use load."digits".*VAE_COURSE_DATA')


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_good_download_is_kept_and_not_repeated(server, cache, monkeypatch, capfd):
    use(monkeypatch, f"{server.url}/good")
    paths = downloads.find("mnist")
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert files(cache) == sorted(CONTENT) and server.asked == ["/good/a.bin", "/good/b.bin"]
    assert downloads.find("mnist") == paths and len(server.asked) == 2
    out, progress = capfd.readouterr()
    assert out == "" and "a.bin" in progress, "a progress bar, and nothing on standard output"
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in paths), "a copied cache can be read by a class"


def test_a_changed_file_in_the_cache_is_downloaded_again(server, cache, monkeypatch):
    use(monkeypatch, f"{server.url}/good")
    path = downloads.find("mnist")[0]
    path.write_bytes(b"tampered with")
    assert downloads.find("mnist")[0].read_bytes() == CONTENT["a.bin"]
    assert server.asked.count("/good/a.bin") == 2


@pytest.mark.parametrize(
    "way, reason",
    [("cut", "IncompleteRead|ChunkedEncodingError|hash"), ("wrong", "SHA256"), ("missing", "404")],
)
def test_a_bad_download_leaves_nothing_behind(server, cache, monkeypatch, way, reason):
    use(monkeypatch, f"{server.url}/{way}")
    with fails(f"VAE_COURSE_DATA is not set.*/{way}/a.bin.*({reason})"):
        datasets.load("mnist")
    assert files(cache) == []
    use(monkeypatch, f"{server.url}/good")
    assert len(downloads.find("mnist")) == 2, "the next try works"


def test_no_network(cache, monkeypatch):
    use(monkeypatch, closed_port())
    with fails("ConnectionError.*refused"):
        datasets.load("mnist")
    assert files(cache) == []


@pytest.mark.parametrize("way", ["cut", "wrong", "missing"])
def test_the_second_mirror_is_used(server, cache, monkeypatch, way):
    use(monkeypatch, f"{server.url}/{way}", f"{server.url}/good")
    assert [path.read_bytes() for path in downloads.find("mnist")] == list(CONTENT.values())
    use(monkeypatch, closed_port(), f"{server.url}/good")
    assert files(cache) == sorted(CONTENT)


def test_all_mirrors_are_named_when_all_fail(server, cache, monkeypatch):
    use(monkeypatch, f"{server.url}/missing", closed_port(), f"{server.url}/wrong")
    with fails("/missing/a.bin.*404.*refused.*/wrong/a.bin.*SHA256"):
        datasets.load("mnist")


def test_a_cache_that_cannot_be_written(server, tmp_path, cache, monkeypatch):
    """A regular file stands where the cache's folder should be: not even an administrator can write there."""
    (tmp_path / "cache").write_text("in the way")
    use(monkeypatch, f"{server.url}/good")
    with fails(f"{tmp_path}/cache.*(NotADirectoryError|FileExistsError)"):
        datasets.load("mnist")
    assert server.asked == [] and (tmp_path / "cache").read_text() == "in the way"


def test_a_full_disk(server, cache, monkeypatch):
    import pooch

    def no_space(self, url, path, *_):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    use(monkeypatch, f"{server.url}/good")
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", no_space)
    with fails("No space left on device"):
        datasets.load("mnist")
    assert files(cache) == []


def test_an_interrupt_from_the_keyboard(server, cache, monkeypatch):
    import pooch

    def interrupted(self, url, path, *_):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    use(monkeypatch, f"{server.url}/good")
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.load("mnist")
    assert files(cache) == []


def _download(url, barrier, results):
    downloads.SOURCES["mnist"] = sources(f"{url}/good")
    barrier.wait(60)
    results.put([path.read_bytes() == content for path, content in zip(downloads.find("mnist"), CONTENT.values())])


def test_two_processes_at_once(server, cache):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_download, args=(server.url, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [[True, True], [True, True]]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert files(cache) == sorted(CONTENT)


def test_the_class_room_folder_comes_first(server, cache, tmp_path, monkeypatch):
    folder = tmp_path / "class room"
    (folder / "mnist").mkdir(parents=True)
    (folder / "mnist" / "a.bin").write_bytes(CONTENT["a.bin"])
    monkeypatch.setenv("VAE_COURSE_DATA", str(folder))
    use(monkeypatch, f"{server.url}/missing")
    with fails("class room has no mnist/b.bin"):
        datasets.load("mnist")
    (folder / "mnist" / "b.bin").write_bytes(CONTENT["b.bin"])
    server.asked.clear()
    assert downloads.find("mnist") == [folder / "mnist" / "a.bin", folder / "mnist" / "b.bin"] and not server.asked
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path / "nowhere"))
    with fails("nowhere is not a folder"):
        datasets.load("mnist")


def test_every_source_is_complete():
    for name, files in downloads.SOURCES.items():
        assert downloads.INSTEAD[name] in datasets.BUILDERS
        for source in files:
            packed_anew = not source.sha256 and name in downloads.COMPACT and not source.urls  # its reader checks it
            assert packed_anew or len(source.sha256) == 64 and int(source.sha256, 16)
            assert len(source.urls) >= 2 or (not source.urls and source.page.startswith("https://"))
            assert all(url.endswith(source.path.split("/")[-1]) for url in source.urls)


# Files that a person fetches

TEXT = b"1 2 3\n" * 1000


@pytest.fixture
def by_hand(cache, tmp_path, monkeypatch):
    """A data set of one text that no program can download; the folder of the class is empty."""
    source = downloads.Source("cmapss_fd001/a.txt", hashlib.sha256(TEXT).hexdigest(), page="https://page (a.zip)")
    monkeypatch.setitem(downloads.SOURCES, "cmapss", (source,))
    folder = tmp_path / "class room"
    (folder / "cmapss_fd001").mkdir(parents=True)
    monkeypatch.setenv("VAE_COURSE_DATA", str(folder))
    return folder, source


def test_what_cannot_be_downloaded_says_what_to_put_where(by_hand):
    folder, source = by_hand
    message = f"(?s)Get it from https://page .*at {source.path}.*VAE_COURSE_DATA.*SHA-256.*{source.sha256}.*has no"
    with pytest.raises(RuntimeError, match=message + '.*Use load."sensors"'):
        datasets.load("cmapss")
    assert downloads.place("cmapss") is None


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("where", ["class room", "cache"])
def test_a_text_put_there_by_hand_is_found(by_hand, cache, packed, where):
    folder, source = by_hand
    folder = folder if where == "class room" else cache
    path = folder / f"{source.path}{'.gz' if packed else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(TEXT) if packed else TEXT)
    assert downloads.find("cmapss") == [path] and downloads.place("cmapss") == folder
    content = bytearray(path.read_bytes())
    for spoiled in (content[: len(content) // 2], b"<html>", gzip.compress(b"another text") if packed else b""):
        path.write_bytes(spoiled)
        with pytest.raises(RuntimeError, match=f"(?s){path.name}.*damaged.*Replace it by the one from https://page"):
            downloads.find("cmapss")
