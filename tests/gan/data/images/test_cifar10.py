"""CIFAR-10 from a small archive of the same form."""

import hashlib
import io
import tarfile

import numpy as np
import pytest

from gan.data import cifar10
from gan.data.images import cifar10 as module
from gan.errors import DataError
from tests.support.mirror import Mirror, closed_port, names, wrong_content

RNG = np.random.default_rng(0)
FILES = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
RECORDS = {name: RNG.integers(0, 256, (4, 3073), np.uint8) for name in FILES}
for records in RECORDS.values():
    records[:, 0] %= 10


def archive_of(records):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in records.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


ARCHIVE = archive_of({n: RECORDS[n].tobytes() for n in reversed(FILES)} | {"readme.html": b"x"})


@pytest.fixture(autouse=True)
def hash_of_the_test(monkeypatch):
    monkeypatch.setattr(module, "MD5", hashlib.md5(ARCHIVE).hexdigest())
    monkeypatch.setattr(module, "MIRRORS", (closed_port(),))


@pytest.fixture
def there(tmp_path):
    """A folder with the archive in it."""
    (tmp_path / module.ARCHIVE).write_bytes(ARCHIVE)
    return tmp_path


@pytest.mark.parametrize("split, files", [("train", FILES[:5]), ("test", FILES[5:])])
def test_images_labels_and_names(there, split, files):
    images = cifar10(split, data_dir=there)
    records = np.concatenate([RECORDS[name] for name in files])
    assert np.array_equal(images.images, records[:, 1:].reshape(-1, 3, 32, 32))
    assert np.array_equal(images.labels, records[:, 0]) and images.labels.dtype == np.int64
    assert images.class_names[0] == "airplane" and len(images.class_names) == 10
    assert images.report == f"cifar10: {len(records)} images of 32 x 32 in colour; 10 classes"


def test_fetched_once_then_read_offline(tmp_path, monkeypatch):
    with Mirror({module.ARCHIVE: ARCHIVE}) as mirror:
        monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
        for _ in range(2):
            assert len(cifar10(data_dir=tmp_path, quiet=True)) == 20
        assert mirror.requested == [module.ARCHIVE]
    assert names(tmp_path / "cifar10") == [module.ARCHIVE]


def test_another_file_of_that_name_is_never_read(there, capsys):
    (there / module.ARCHIVE).write_bytes(ARCHIVE[:-1] + b"x")
    with pytest.raises(DataError) as caught:
        cifar10(data_dir=there)
    assert "is not the official archive (MD5 " in capsys.readouterr().err
    assert "connection refused); put it there, or name its folder with --data-dir" in str(
        caught.value
    )
    with Mirror({module.ARCHIVE: ARCHIVE}) as mirror, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MIRRORS", (mirror.url,))
        assert len(cifar10(data_dir=there, quiet=True)) == 20
    assert (there / module.ARCHIVE).read_bytes() != ARCHIVE  # the user's own file stays


def test_a_mirror_with_other_content(tmp_path, monkeypatch):
    with Mirror({module.ARCHIVE: ARCHIVE}, wrong_content) as mirror:
        monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
        with pytest.raises(DataError, match="wrong content"):
            cifar10(data_dir=tmp_path, quiet=True)
    assert names(tmp_path / "cifar10") == []


def test_an_archive_without_a_file(tmp_path, monkeypatch):
    archive = archive_of({"data_batch_1.bin": RECORDS["data_batch_1.bin"].tobytes()})
    monkeypatch.setattr(module, "MD5", hashlib.md5(archive).hexdigest())
    (tmp_path / module.ARCHIVE).write_bytes(archive)
    with pytest.raises(DataError, match="expected data_batch_2.bin in it, got none"):
        cifar10(data_dir=tmp_path)


def test_an_unknown_split(tmp_path):
    with pytest.raises(DataError, match="split: expected one of train, test, got 'valid'"):
        cifar10("valid", data_dir=tmp_path)
