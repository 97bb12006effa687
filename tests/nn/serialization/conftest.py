"""Each reader of archives, with a sound file of its own."""

import pytest

from tests.nn.serialization.untrusted import READERS, members


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


@pytest.fixture
def sound_file(reader, tmp_path):
    """The path of a sound file, and its members."""
    path = tmp_path / "file.npz"
    reader.save(path)
    return path, members(path)
