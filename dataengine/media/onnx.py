"""ONNX Runtime sessions with a fixed number of threads; imported only beside a model."""

from __future__ import annotations

from typing import Any


def session(data: bytes, device: str, threads: int, *, many_shapes: bool = False) -> Any:
    """An inference session over a model's bytes; CUDA where it is asked for (or ``auto``) and available. ``many_shapes``: give
    memory back after each run, which would else grow with every new shape of input."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = not many_shapes
    cuda = device.startswith(("cuda", "auto")) and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    number = int(device.partition(":")[2] or 0)
    providers: list[Any] = [("CUDAExecutionProvider", {"device_id": number})] if cuda else []
    return onnxruntime.InferenceSession(data, options, providers=[*providers, "CPUExecutionProvider"])
