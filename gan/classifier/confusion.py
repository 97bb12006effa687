"""A picture of a confusion matrix."""

import io

import numpy as np

from nn.serialization.files import atomic_write


def save_confusion(path, counts, classes):
    """Write counts[true class, named class] as a PNG: the number of images in each cell, and a shade for the mistakes.

    The diagonal has no shade: beside thousands of right answers the few wrong ones, which one looks for, would all be pale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # here, since it takes half a second that importing shall not

    n, right = int(counts.sum()), int(np.trace(counts))
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(wrong, cmap="Reds", vmin=0, vmax=max(1, 1.5 * int(wrong.max())))
    for (true, named), count in np.ndenumerate(counts):
        if count:
            weight = "bold" if true == named else "normal"
            axes.text(named, true, f"{count:,}", ha="center", va="center", fontsize=9, fontweight=weight)
    ticks = range(len(classes))
    axes.set(xlabel="named", ylabel="is", xticks=ticks, yticks=ticks, xticklabels=classes, yticklabels=classes)
    axes.set_title(f"{right:,} of {n:,} right ({100 * right / max(n, 1):.2f}%), {n - right:,} wrong")
    drawn = io.BytesIO()
    FigureCanvasAgg(figure).print_png(drawn)
    with atomic_write(path) as file:
        file.write(drawn.getvalue())
