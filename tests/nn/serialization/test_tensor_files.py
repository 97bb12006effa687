"""Files of safetensors and PyTorch: written, read, and refused."""

import copy
import io
import json
import pickle
import struct
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy

import nn
from nn.serialization.safetensors_files import open_safetensors, write_safetensors
from nn.serialization.torch_files import open_torch, write_torch

ARRAYS = {
    "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "0.bias": np.ones(2, np.float32),
}
INFO = {"note": "x", "sizes": [1, 2]}
SHAPE = ARRAYS["0.weight"].shape


def read_all(opener, path):
    with opener(path) as file:
        return {name: file.read(name, ARRAYS[name].shape) for name in file.names}, file.info


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, array in got.items():
        assert array.dtype == want[name].dtype and np.array_equal(array, want[name])


def assert_refused(opener, path, words):
    with pytest.raises(nn.WeightsError, match=words) as caught, opener(path) as file:
        file.read("0.weight", SHAPE)
    assert str(caught.value).startswith(f"{path}: ")


# ---- safetensors


@pytest.fixture
def path(tmp_path):
    write_safetensors(tmp_path / "w.safetensors", ARRAYS, INFO)
    return tmp_path / "w.safetensors"


def rewrite(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_safetensors_hold_arrays_and_info(path):
    arrays, info = read_all(open_safetensors, path)
    assert_same(arrays, ARRAYS)
    assert info == INFO
    assert_same(safetensors.numpy.load_file(path), ARRAYS)


def test_safetensors_of_others_have_no_info(path):
    safetensors.numpy.save_file({"0.bias": ARRAYS["0.bias"].astype("float16")}, path)
    with open_safetensors(path) as file:
        assert (file.names, file.info) == (("0.bias",), {})
        assert file.read("0.bias", (2,)).dtype == np.float16


def one(dtype="F32", shape=(2, 3), end=24, **metadata):
    header = {"0.weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}
    return header | ({"__metadata__": metadata} if metadata else {})


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        (one(shape=(3, 2)), bytes(24), r"'0.weight': expected shape \(2, 3\), got \(3, 2\)"),
        (one("BF16", end=12), bytes(12), r"floats of 16, 32 or 64 bits, got BF16; convert it"),
        (one("I32"), bytes(24), "floats of 16, 32 or 64 bits, got I32"),
        (one(shape=(2**40, 3)), bytes(24), "expected a safetensors file"),
        (one(), bytes(20), "expected a safetensors file"),
        (one(byhand="{"), bytes(24), "its metadata 'byhand' is not a JSON object"),
        (one(byhand="[1]"), bytes(24), "its metadata 'byhand' is not a JSON object"),
        (one(byhand="[" * 5000), bytes(24), "its metadata 'byhand' is not a JSON object"),
        (b"{", b"", "expected a safetensors file"),
        (b" " * 1_000_001, b"", "expected a list of at most 1,000,000 bytes, got 1,000,001"),
    ],
)
def test_a_hostile_safetensors_file_is_refused(path, header, data, words):
    rewrite(path, header, data)
    assert_refused(open_safetensors, path, words)


def test_truncated_safetensors_are_refused(path):
    whole = path.read_bytes()
    for length in (0, 4, 8, 50, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert_refused(open_safetensors, path, "expected a safetensors file|'0.weight'|list")


@pytest.mark.parametrize("opener", [open_safetensors, open_torch])
def test_a_missing_file_and_a_folder_are_errors(opener, tmp_path):
    if opener is open_torch:
        pytest.importorskip("torch")
    assert_refused(opener, tmp_path / "nowhere", "there is no such file; expected a")
    assert_refused(opener, tmp_path, "it is a folder; name a")


def test_without_a_library_the_error_says_how_to_install_it(monkeypatch, path, tmp_path):
    for name in ("safetensors", "safetensors.numpy", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    for line, use in (
        (r"pip install -e '\.\[safetensors\]'", lambda: write_safetensors(path, ARRAYS, INFO)),
        (r"pip install -e '\.\[safetensors\]'", lambda: read_all(open_safetensors, path)),
        ("pip install torch", lambda: write_torch(tmp_path / "w.pt", {"G": ARRAYS}, INFO)),
        ("pip install torch", lambda: read_all(open_torch, path)),
    ):
        with pytest.raises(nn.MissingLibraryError, match=line):
            use()
    assert not (tmp_path / "w.pt").exists()


# ---- PyTorch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def saved(torch, content, path):
    torch.save(content, path)
    return path


def test_pytorch_files_hold_states_and_info(torch, tmp_path):
    write_torch(tmp_path / "w.pt", {"G": ARRAYS}, INFO)
    with open_torch(tmp_path / "w.pt") as file:
        assert file.names == ("G.0.weight", "G.0.bias") and file.info == INFO
        got = {name: file.read(f"G.{name}", array.shape) for name, array in ARRAYS.items()}
    assert_same(got, ARRAYS)
    loaded = torch.load(tmp_path / "w.pt", weights_only=True)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2))
    net.load_state_dict(loaded["G"])
    assert loaded["byhand"] == INFO


def test_a_state_of_pytorch_is_read(torch, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        path = saved(torch, net.to(dtype).state_dict(), tmp_path / "w.pt")
        with open_torch(path) as file:
            W = file.read("0.weight", SHAPE)
            assert file.info == {} and "1.num_batches_tracked" in file.names
        np.testing.assert_array_equal(W, net[0].weight.detach().float().numpy())
    path = saved(torch, {"0.weight": torch.nn.Parameter(torch.ones(2, 3))}, path)
    with open_torch(path) as file:
        assert (file.read("0.weight", SHAPE) == 1).all()


def test_pytorch_unpickles_weights_alone(torch, tmp_path, monkeypatch):
    """Even if the check before it should miss something."""
    path, calls, load = (
        saved(torch, {"0.weight": torch.ones(2, 3)}, tmp_path / "w.pt"),
        [],
        torch.load,
    )
    monkeypatch.setattr(torch, "load", lambda *args, **how: calls.append(how) or load(*args, **how))
    with open_torch(path):
        pass
    assert calls == [{"map_location": "cpu", "weights_only": True, "mmap": True}]


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda t: {"0.weight": t.ones(3, 2)}, r"expected shape \(2, 3\), got \(3, 2\)"),
        (lambda t: {"0.weight": t.ones(1).expand(10**12, 3)}, r"got \(1000000000000, 3\)"),
        (lambda t: {"0.weight": t.ones(2, 3, dtype=t.int32)}, "floats of 16, 32 or 64 bits, got"),
        (lambda t: {"0.weight": t.ones(2, 3).to_sparse()}, "expected tensors alone, got torch"),
        (lambda t: {"0.weight": t.ones(2, 3, device="meta")}, "expected tensors alone, got torch"),
        (lambda t: [t.ones(2, 3)], "expected a dict of tensors, got list; save the state alone"),
        (lambda t: {"epoch": 3}, "expected tensors, or dicts of them, got int at 'epoch'"),
        (lambda t: t.nn.Linear(3, 2), "expected tensors alone, got torch.nn.modules.linear.Linear"),
        (lambda t: {"a": Evil(exec, "1 / 0")}, "expected tensors alone, got __builtin__.exec"),
        (lambda t: {"a": Evil(bytearray, 10**11)}, "expected tensors alone, got __builtin__.byte"),
        (lambda t: {"a" * 2_000_000: t.ones(1)}, "expected a pickle of at most 1,000,000 bytes"),
    ],
)
def test_a_hostile_pytorch_file_is_refused(torch, tmp_path, make, words):
    assert_refused(open_torch, saved(torch, make(torch), tmp_path / "w.pt"), words)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_pytorch_file_of_other_members_is_refused(torch, tmp_path):
    path = saved(torch, {"0.weight": torch.zeros(2, 3)}, tmp_path / "w.pt")
    held = members(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    assert_refused(open_torch, path, "it has packed members, which torch.save does not write")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)
        for k in range(100):  # members in one place, each of which would be read
            again = copy.copy(archive.filelist[0])
            again.filename = f"again/{k}"
            archive.filelist.append(again)
    assert_refused(open_torch, path, "its members are longer than the file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/other", b"")
    assert_refused(open_torch, path, "expected a file of torch.save .it has no pickle of tensors")
    other = pickle.dumps({"a": np.float32}, protocol=4)  # names by STACK_GLOBAL
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, other if name.endswith("data.pkl") else data)
    assert_refused(open_torch, path, "expected tensors alone, got STACK_GLOBAL")


def test_a_pytorch_file_that_is_not_a_zip_or_is_damaged_is_refused(torch, tmp_path):
    path = saved(torch, {"0.weight": torch.full((2, 3), 7.0)}, tmp_path / "w.pt")
    whole = path.read_bytes()
    for length in (0, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert_refused(open_torch, path, "expected a ")
    numbers = whole.index(np.full(6, 7, np.float32).tobytes())
    path.write_bytes(whole[:numbers] + b"x" + whole[numbers + 1 :])
    assert_refused(open_torch, path, "expected a file of torch.save .*/data/0' is damaged")
    old = io.BytesIO()
    torch.save({"0.weight": torch.zeros(2, 3)}, old, _use_new_zipfile_serialization=False)
    path.write_bytes(old.getvalue())
    assert_refused(open_torch, path, "expected a file of torch.save")


def test_tensors_may_share_memory_but_not_reach_beyond_it(torch, tmp_path):
    base = torch.arange(12.0)
    path = saved(torch, {"0.weight": base[3:9].view(2, 3)}, tmp_path / "w.pt")
    with open_torch(path) as file:
        assert np.array_equal(file.read("0.weight", SHAPE), [[3, 4, 5], [6, 7, 8]])
    held = members(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            if name.endswith("data.pkl"):
                assert data.count(b"K\x03K\x02K\x03") == 1  # the offset, then the shape
                data = data.replace(b"K\x03K\x02K\x03", b"K\xf0K\x02K\x03")
            archive.writestr(name, data)
    assert_refused(open_torch, path, "expected a PyTorch file of states")
