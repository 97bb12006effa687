"""Image sets from folders: sizes, classes, names, links and files that cannot be read."""

import os
import tarfile
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from gan.data import ImageSet, from_folder
from gan.data.images import decoding
from gan.data.images.decoding import default_size
from gan.errors import DataError
from tests.gan.data.images.pictures import BLUE, classes_of, flat, folder_of, save


@pytest.fixture(autouse=True)
def cache_of_the_test(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path_factory.mktemp("data")))


def error(*arguments, **options):
    with pytest.raises(DataError) as caught:
        from_folder(*arguments, **options)
    return str(caught.value)


def test_a_folder_at_any_depth_in_the_order_of_names(tmp_path):
    save(tmp_path / "b.png", flat((20, 0, 0)))
    save(tmp_path / "a" / "deep" / "x.jpg", flat((10, 0, 0)), quality=100)
    save(tmp_path / "c.WEBP", flat((30, 0, 0)), lossless=True)
    images = from_folder(tmp_path, size=16)
    assert isinstance(images, ImageSet) and images.images.shape == (3, 3, 16, 16)
    assert np.abs(images.images[:, 0, 5, 5].astype(int) - [10, 20, 30]).max() <= 2
    assert images.labels is None and images.class_names is None


def test_folders_as_classes(tmp_path):
    images = from_folder(classes_of(tmp_path), labels="folders", size=16)
    assert images.class_names == ("blue", "green", "red")
    assert images.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert images.images[0, 2].min() == 255 and images.images[14, 0].min() == 255
    assert images.report.endswith("; 3 classes")


def test_folders_without_labels_are_mentioned(tmp_path):
    images = from_folder(classes_of(tmp_path))
    assert len(images) == 15 and images.labels is None
    assert "no labels: its 3 folders become classes with --labels folders" in images.report


def test_one_class_only(tmp_path):
    save(tmp_path / "cats" / "a.png")
    message = error(tmp_path, labels="folders")
    assert "expected a folder for each of at least two classes, got only 'cats'" in message


def test_images_beside_the_folders_of_classes(tmp_path):
    save(classes_of(tmp_path) / "stray.png")
    message = error(tmp_path, labels="folders")
    assert "got 1 elsewhere: stray.png (in no folder); move them" in message


@pytest.mark.parametrize(
    "sides, expected", [([1], 28), ([28], 28), ([29], 32), ([20, 33, 90], 48), ([64], 64)]
)
def test_the_default_size(sides, expected):
    assert default_size(sides) == expected
    assert default_size([5000] * 3) == 64


def test_the_default_size_is_that_of_the_shorter_sides(tmp_path):
    folder_of(tmp_path, size=(200, 30))
    assert from_folder(tmp_path).image_shape == (3, 32, 32)
    assert from_folder(tmp_path, size=28, channels=1).image_shape == (1, 28, 28)


def test_grey_images_have_one_channel_however_they_are_stored(tmp_path):
    save(tmp_path / "a.png", flat(50, mode="L"))
    assert from_folder(tmp_path).image_shape == (1, 32, 32)
    save(tmp_path / "b.png", flat((60, 60, 60)))
    save(tmp_path / "c.jpg", flat((70, 70, 70)))
    images = from_folder(tmp_path)
    assert images.images[:, 0, 0, 0].tolist() == [50, 60, 70]
    assert from_folder(tmp_path, channels=3).image_shape == (3, 32, 32)


def test_one_coloured_image_among_many_grey_ones(tmp_path):
    for k in range(120):
        save(tmp_path / f"{k:03}.png", flat((k, k, k), (8, 8)))
    save(tmp_path / "055.png", flat((55, 0, 0), (8, 8)))
    images = from_folder(tmp_path)
    assert images.images.shape == (120, 3, 28, 28)
    assert images.images[:, :, 0, 0].tolist() == [
        [k, 0 if k == 55 else k, 0 if k == 55 else k] for k in range(120)
    ]


def test_the_report_says_what_was_made_of_the_files(tmp_path):
    folder_of(tmp_path, 19)
    save(tmp_path / "large.png", flat(size=(80, 60)))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("ignored")
    assert from_folder(tmp_path).report == (
        f"{tmp_path}: 20 images of 2 sizes, 40 x 30 to 80 x 60, cropped to 32 x 32 in colour; "
        "skipped 1 unreadable: broken.jpg (not a PNG, JPEG, WEBP, BMP or GIF image); "
        "ignored 1 other file (.txt)"
    )


def test_unreadable_files_are_named_up_to_ten_then_counted(tmp_path):
    folder_of(tmp_path, 120, (8, 8))
    for k in range(12):
        (tmp_path / f"x{k:02}.png").write_bytes(b"no image")
    report = from_folder(tmp_path).report
    assert "skipped 12 unreadable: x00.png" in report
    assert "x09.png" in report and "x10.png" not in report and "and 2 more" in report


def test_more_than_one_unreadable_file_in_ten(tmp_path):
    folder_of(tmp_path, 18, (8, 8))
    for k in range(2):
        (tmp_path / f"x{k}.png").write_bytes(b"no image")
    assert len(from_folder(tmp_path)) == 18
    (tmp_path / "x2.png").write_bytes(b"")
    message = error(tmp_path)
    assert message.startswith(f"{tmp_path}: expected at most one unreadable image file in ten")
    assert "got 3 of 21: x0.png (not a PNG" in message and "remove or replace them" in message
    assert error(tmp_path, size=16, channels=3) == message


def test_truncated_bombs_and_single_pixels_are_skipped_by_name(tmp_path):
    folder_of(tmp_path, 30)
    data = (tmp_path / "000.png").read_bytes()
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    whole = save(tmp_path / "half.jpg", Image.fromarray(noise)).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    save(tmp_path / "pixel.png", flat(size=(1, 1)))
    bomb = bytearray(data)
    bomb[16:24] = (20_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bomb)
    images = from_folder(tmp_path)
    assert len(images) == 30
    assert "bomb.png (more than 64,000,000 pixels)" in images.report
    assert "half.jpg (truncated)" in images.report
    assert "pixel.png (only 1 x 1 pixels)" in images.report


def test_content_counts_and_not_the_ending(tmp_path):
    save(tmp_path / "really.jpg", format="PNG")
    assert len(from_folder(tmp_path)) == 1


def test_hidden_files_are_ignored(tmp_path):
    folder_of(tmp_path, 2)
    for name in (".hidden.png", "__MACOSX/._000.png", ".git/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    images = from_folder(tmp_path)
    assert len(images) == 2 and "skipped" not in images.report


# ---- nothing to read ------------------------------------------------------------------------


def test_no_images(tmp_path):
    assert "got no files; name the folder that holds the images" in error(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    assert "expected images (.png, .jpg" in error(tmp_path)
    assert "got 1 other file (.txt)" in error(tmp_path)


def test_no_such_folder(tmp_path):
    assert "got no such file; check the path" in error(tmp_path / "missing")


def test_a_file_that_is_no_archive(tmp_path):
    path = save(tmp_path / "a.png")
    assert "got another file; name the folder that holds the images" in error(path)
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8)))
    assert "read it with gan.data.from_array" in error(tmp_path / "a.npy")


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("gan.data.images.image_folders.os.scandir", forbidden)
    assert "expected a readable folder of images, got Permission denied" in error(tmp_path)


@pytest.mark.parametrize(
    "options, part",
    [
        ({"size": 3}, "size: expected 4 to 1,024 pixels, got 3"),
        ({"size": 32.0}, "size: expected 4 to 1,024 pixels, got 32.0"),
        ({"channels": 4}, "channels: expected 1 or 3, got 4"),
        ({"fit": "zoom"}, "fit: expected one of crop, pad, stretch, got 'zoom'"),
        ({"labels": "names"}, "labels: expected None or 'folders', got 'names'"),
        ({"background": "blak"}, "background: expected a colour such as 'white'"),
        ({"background": (1, 2, 300)}, "got (1, 2, 300)"),
        ({"background": 7}, "got 7"),
    ],
)
def test_arguments(tmp_path, options, part):
    assert part in error(tmp_path, **options)


# ---- links, pipes and names -----------------------------------------------------------------


def test_links_that_loop_end(tmp_path):
    folder_of(tmp_path / "a", 10)
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self.png").symlink_to(tmp_path / "a" / "self.png")
    images = from_folder(tmp_path)
    assert (
        len(images) == 10 and "skipped 1 unreadable: a/self.png (Too many levels" in images.report
    )


def test_a_folder_and_a_link_to_it_are_one(tmp_path):
    classes_of(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / "red", target_is_directory=True)
    images = from_folder(tmp_path, labels="folders")
    assert len(images) == 15 and images.class_names == ("blue", "green", "red")


def test_links_to_files_and_folders_elsewhere_are_followed(tmp_path):
    folder_of(tmp_path / "elsewhere", 3)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "all").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "one.png").symlink_to(tmp_path / "elsewhere" / "000.png")
    assert len(from_folder(tmp_path / "here")) == 4


def test_a_broken_link_and_a_pipe_are_skipped(tmp_path):
    folder_of(tmp_path, 30)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    report = from_folder(tmp_path).report
    assert "gone.png" in report and "skipped 2 unreadable" in report
    assert "pipe.png (not a regular file)" in report


def test_a_file_without_permission_is_skipped(tmp_path, monkeypatch):
    folder_of(tmp_path, 30)
    real_open = open

    def guarded(path, *rest, **options):
        if str(path).endswith("007.png"):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *rest, **options)

    monkeypatch.setattr("builtins.open", guarded)
    assert "skipped 1 unreadable: 007.png (Permission denied)" in from_folder(tmp_path).report


def test_names_in_any_encoding(tmp_path):
    for name in (b"caf\xe9", "雪".encode(), b"line\nbreak"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        for k in range(4):
            flat((k, 0, 0)).save(os.fsdecode(os.path.join(folder, b"\xff%d.png" % k)))
    with open(os.path.join(os.fsencode(tmp_path), name, b"\xfe.png"), "wb"):
        pass
    images = from_folder(tmp_path, labels="folders")
    assert images.class_names == ("caf\\xe9", "line\\nbreak", "雪")
    assert "line\\nbreak/\\xfe.png (" in images.report and images.report.isprintable()
    again = from_folder(tmp_path, labels="folders")
    assert again.class_names == images.class_names and again.report == images.report


# ---- progress and threads -------------------------------------------------------------------


def test_progress(tmp_path):
    folder_of(tmp_path, 5)
    calls = []
    from_folder(tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(k, 10) for k in range(1, 11)]
    calls.clear()
    from_folder(tmp_path, size=16, channels=3, progress=lambda *call: calls.append(call))
    assert calls == [(k, 5) for k in range(1, 6)]


def test_decoding_uses_several_threads(tmp_path, monkeypatch):
    folder_of(tmp_path, 200, (8, 8))
    monkeypatch.setattr("gan.data.images.parallel.cores", lambda: 2)
    threads, both = set(), threading.Barrier(2)
    decode = decoding.decode

    def noting(open_file, target):
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            both.wait(20)
        return decode(open_file, target)

    monkeypatch.setattr(decoding, "decode", noting)
    images = from_folder(tmp_path, size=16, channels=3)
    assert len(threads) == 2
    assert images.images[:, 0, 0, 0].tolist() == [10 + k for k in range(200)]


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    folder_of(tmp_path / "images", 100, (8, 8))

    def interrupt(done, total):
        if done > 120:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        from_folder(tmp_path / "images", progress=interrupt, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_transparent_images_and_a_named_background(tmp_path):
    save(tmp_path / "a.png", flat((0, 0, 0, 0), mode="RGBA"))
    images = from_folder(tmp_path, background="#0000ff")
    assert images.images[0, :, 3, 3].tolist() == list(BLUE)
    assert from_folder(tmp_path).images.max() == 0


def test_a_subfolder_of_a_folder_or_archive(tmp_path):
    classes_of(tmp_path / "all" / "train")
    classes_of(tmp_path / "all" / "test", 2)
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(tmp_path / "all", "all")
    for path in (tmp_path / "all", tmp_path / "all.tar"):
        for _ in range(2):  # the second time from the cache
            train = from_folder(path, labels="folders", size=16, subfolder="train")
            test = from_folder(path, size=16, subfolder="test/red/")
            assert train.class_names == ("blue", "green", "red") and len(train) == 15
            assert train.report.startswith(f"{path}/train: 15 images") and len(test) == 2
            assert test.images[0, 0].min() == 255
        message = error(path, subfolder="tests")
        assert f"{path}: expected images in the folder tests of it, got test, train;" in message
    assert "got no folders of images" in error(tmp_path / "all" / "test" / "red", subfolder="x")
