"""The written-out example runs, and learns where the points are."""

import re
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "gan_in_40_lines.py"


def test_the_generated_points_come_near_the_circle(capsys):
    source = EXAMPLE.read_text()
    assert "range(4001)" in source
    exec(compile(source.replace("range(4001)", "range(501)"), EXAMPLE.name, "exec"), {})
    radius = [float(r) for r in re.findall(r"radius ([\d.]+)", capsys.readouterr().out)]
    assert radius[0] < 0.5 and 0.8 < radius[-1] < 1.2
