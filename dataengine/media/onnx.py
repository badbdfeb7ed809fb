"""ONNX Runtime sessions with a fixed number of threads."""

from __future__ import annotations

from typing import Any


def session(data: bytes, device: str, threads: int, *, many_shapes: bool = False) -> Any:
    """An inference session for a model's bytes, on CUDA if ``device`` is cuda or auto and a GPU is available. ``many_shapes``:
    free memory after each run, which would otherwise grow with every new input shape."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = not many_shapes
    cuda = device.startswith(("cuda", "auto")) and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    number = int(device.partition(":")[2] or 0)
    providers: list[Any] = [("CUDAExecutionProvider", {"device_id": number})] if cuda else []
    return onnxruntime.InferenceSession(data, options, providers=[*providers, "CPUExecutionProvider"])
