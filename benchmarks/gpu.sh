#!/bin/sh
# Runs everything that needs a GPU and writes the results into one folder. Installs nothing.
#
#     benchmarks/gpu.sh [FOLDER]        (default: runs/gpu-TIME)
#
# The tests marked gpu; the tables of step times in float32 and in TF32, and of their floors; full
# runs of mlp-dropout and of the default recipe on MNIST, with evaluation. PYTHON is the
# interpreter, BYHAND_DATA_DIR a folder with the data.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH

"$python" - <<'END' || exit 1
import sys
from nn import DeviceError, get_ops
try:
    print(get_ops("cuda"))
except DeviceError as problem:
    sys.exit(f"error: {problem}")
END

out=${1:-runs/gpu-$(date +%Y%m%d-%H%M%S)}
if [ -e "$out" ]; then
    echo "error: $out: it exists already; name another folder" >&2
    exit 2
fi
mkdir -p "$out"

echo "tests: $out/tests.txt"
"$python" -m pytest -n0 -q -rs -m gpu > "$out/tests.txt" 2>&1 || { tail -n 20 "$out/tests.txt" >&2; exit 1; }

for precision in float32 tf32; do
    table=$out/step-$precision
    echo "step times: $table.md"
    option=$([ $precision = float32 ] || echo --tf32)
    "$python" -m benchmarks.step --device cuda --steps 200 --rounds 20 --markdown $option > "$table.md" 2> "$table.txt" ||
        { cat "$table.txt" >&2; exit 1; }
done

echo "floors: $out/floors.md"
"$python" -m benchmarks.gpu_floors --markdown > "$out/floors.md" 2> "$out/floors.txt" || { cat "$out/floors.txt" >&2; exit 1; }

for recipe in mlp-dropout "$("$python" -c 'from gan.recipes import DEFAULT; print(DEFAULT)')"; do
    echo "training: $out/$recipe"
    "$python" examples/train_mnist_gan.py --device cuda --recipe "$recipe" --dataset mnist --seed 0 --quiet --out "$out/$recipe"
    "$python" examples/evaluate.py --device cuda --weights "$out/$recipe/weights.npz" --out "$out/$recipe/metrics.json"
done
echo "done: $out"
