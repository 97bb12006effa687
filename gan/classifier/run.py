"""What the training of a classifier leaves behind: a folder with its weights, its history and a confusion matrix."""

from gan.classifier.network import CLASSES, accuracy, confusion_matrix, save_classifier
from gan.classifier.confusion import save_confusion
from gan.folders import new_folder, unwritable, write_history


class ClassifierRun:
    """Judges the averaged network on test images after each epoch, and writes, each file whole or not at all,

    classifier.npz (the newest), history.csv (a line an epoch) and, by `finish`, confusion.png (rows: what a digit is).
    Errors: `RunError` for a folder that holds files already, or a file that cannot be written.
    """

    def __init__(self, path, test_images, test_labels, config):
        self.path = new_folder(path)
        self.history, self.counts = [], None
        self._test, self._config = (test_images, test_labels), config

    def add(self, trainer, record):
        """Judge the network, save it, and return the record with its accuracy."""
        self.counts = confusion_matrix(trainer.average, *self._test)
        record = {**record, "accuracy": accuracy(self.counts), "mistakes": int(self.counts.sum() - self.counts.trace())}
        self.history.append(record)
        about = {"accuracy": record["accuracy"], "training": {**self._config, "steps_done": trainer.step_count}}
        try:
            save_classifier(self.path / "classifier.npz", trainer.average, about)
            write_history(self.path, self.history)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        return record

    def finish(self):
        try:
            if self.counts is not None:
                save_confusion(self.path / "confusion.png", self.counts, CLASSES)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
