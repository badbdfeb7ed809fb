"""ONNX Runtime sessions with a fixed number of threads; imported only beside a model."""

from __future__ import annotations

from typing import Any


def session(data: bytes, device: str, threads: int) -> Any:
    """An inference session over a model's bytes; CUDA where it is asked for (or ``auto``) and available."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    cuda = device.startswith(("cuda", "auto")) and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    number = int(device.partition(":")[2] or 0)
    providers: list[Any] = [("CUDAExecutionProvider", {"device_id": number})] if cuda else []
    return onnxruntime.InferenceSession(data, options, providers=[*providers, "CPUExecutionProvider"])
