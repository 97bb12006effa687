"""Weights files that each version wrote, in tests/oracles/weights_files/, are read as then."""

import json

import numpy as np
import pytest

from nn import load_weights
from nn.serialization.weights import FORMAT
from tests.oracles.make_weights_files import INFO, OUT
from tests.support.tools import assert_close

VERSIONS = {"0.1.0": 1, "0.2.0": 1}  # version: the format that it wrote


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_networks_of_a_past_version_return_what_they_did(version, device):
    networks, info = load_weights(OUT / f"{version}.npz", device=device)
    assert info == INFO
    with np.load(OUT / f"{version}.passes.npz") as stored:
        assert {name.partition("/")[0] for name in stored.files} == networks.keys()
        for name, network in networks.items():
            assert_close(network(stored[f"{name}/x"]), stored[f"{name}/y"], 1e-5)


def test_there_is_a_file_of_each_version_and_each_format():
    files = {path.name.removesuffix(".npz"): path for path in OUT.glob("*.npz")}
    assert files.keys() == {name + end for name in VERSIONS for end in ("", ".passes")}
    for version, number in VERSIONS.items():
        with np.load(files[version]) as arrays:
            assert json.loads(arrays["header"].tobytes())["format"] == number
    assert set(VERSIONS.values()) == set(range(1, FORMAT + 1))


def test_the_file_of_the_first_version_has_all_its_layers():
    with np.load(OUT / "0.1.0.npz") as arrays:
        text = arrays["header"].tobytes().decode()
    names = (
        "Dense Conv2d ConvTranspose2d SpectralNorm AvgPool2d MaxPool2d Upsample RandomShift Cutout "
        "ReLU LeakyReLU Sigmoid Tanh Dropout BatchNorm Flatten Reshape Sequential"
    )
    assert all(f'"type": "{name}"' in text for name in names.split())
