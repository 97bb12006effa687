"""benchmarks.own_images: its marks, and the plain DCGAN. No test depends on the time."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.harness.contenders.colour import VARIANTS, Ours
from benchmarks.own_images import paces, samples_path, train, without_contenders
from gan.data import from_array
from gan.data.images.split import Split
from gan.errors import RunError
from gan.runs.starting.own_images import fitted


class Counting:
    """A training whose only state is the number of its steps."""

    batch_size = 4

    def __init__(self, stop_at=None):
        self.step_count, self.stop_at = 0, stop_at

    def step(self):
        if self.step_count == self.stop_at:
            raise KeyboardInterrupt
        self.step_count += 1

    def samples(self, n, seed):
        return np.full((n, 3, 8, 8), self.step_count, np.uint8), np.arange(n)

    def save(self, path):
        path.write_text(str(self.step_count))

    def load(self, path):
        self.step_count = int(path.read_text())


def test_samples_are_written_at_marks_and_a_stopped_call_is_continued(tmp_path):
    folder = tmp_path / "some"
    with pytest.raises(KeyboardInterrupt):
        train(Counting(stop_at=5), folder, [2.0, 1.0], 3, 4)
    again = Counting()
    train(again, folder, [1.0, 2.0], 3, 4)
    assert again.step_count == 6  # from the state at the first mark
    for mark, steps in ((1, 3), (2, 6)):
        with np.load(samples_path(folder, mark)) as file:
            assert file["images"].shape == (4, 3, 8, 8) and (file["images"] == steps).all()
            assert (file["steps"], file["images_seen"]) == (steps, 4 * steps)
            assert list(file["labels"]) == [0, 1, 2, 3]
        assert (folder / f"grid-{mark}.png").exists()
    train(again, folder, [1.0, 2.0], 3, 4)
    assert again.step_count == 6  # nothing is left to do
    train(again, folder, [3.0], 3, 4)
    assert again.step_count == 9  # a later mark goes on
    assert [path.name for path in folder.glob("state-*")] == ["state-9"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains(name):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), np.uint8)
    split = Split.of(from_array(images, np.arange(40) % 2))
    recipe = replace(VARIANTS[name], clusters=min(VARIANTS[name].clusters, 3))
    Ours(fitted(recipe, split.whole), split, 0).step()


def test_options_of_contenders():
    assert paces(["a=5000", "b=2.5"]) == {"a": 5000, "b": 2.5}
    with pytest.raises(RunError, match="expected CONTENDER=STEPS"):
        paces(["a"])
    words = ["--contender", "a", "--out", "b", "--contender=c", "--marks", "1"]
    assert without_contenders(words) == ["--out", "b", "--marks", "1"]


def test_the_dcgan_is_the_tutorials(tmp_path):
    torch = pytest.importorskip("torch")
    from benchmarks.harness.pytorch.dcgan import DCGAN, discriminator, generator

    counts = [
        sum(p.numel() for p in make(3, 4).parameters()) for make in (generator, discriminator)
    ]
    assert counts == [3_576_704, 2_765_568]  # of the tutorial's networks, for 64 x 64
    images = np.random.default_rng(0).integers(0, 256, (130, 3, 32, 32), np.uint8)
    whole, first, second = (DCGAN(images, seed=0) for _ in range(3))
    assert second.G(torch.zeros(2, 100, 1, 1)).shape == (2, 3, 32, 32)
    torch.manual_seed(1)
    whole.step()
    torch.manual_seed(1)
    first.step()
    first.save(tmp_path / "state")
    whole.step()
    second.load(tmp_path / "state")
    second.step()
    assert second.step_count == 2
    made, labels = whole.samples(3, 0)
    assert made.shape == (3, 3, 32, 32) and labels is None
    np.testing.assert_array_equal(made, second.samples(3, 0)[0])
    with pytest.raises(RunError, match="dcgan: expected images of 32 x 32 or 64 x 64"):
        DCGAN(images[:, :, :28, :28], seed=0)
