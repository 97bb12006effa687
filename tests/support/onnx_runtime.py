"""Run ONNX models in onnxruntime."""

import onnxruntime


def run_onnx(model, **inputs):
    """The only output of a model for these inputs, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, inputs)
    return y
