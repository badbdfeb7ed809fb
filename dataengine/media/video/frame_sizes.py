"""Frame sizes that a video's packets state, read without decoding: a stream may grow at any key frame.

FFmpeg's parsers know the size from the parameter sets or the header of a packet, at some 20 µs each (MPEG-1, -2 and -4, H.264,
HEVC, AV1, VP8). Motion JPEG states it in its segments; key frames of VP9 are decoded. Other codecs state none here.
"""

from __future__ import annotations

import av
from av.codec import Codec, CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dataengine.media.containers import segments

_NO_SIZE = (0, 0)
_NO_SOF = (0xC4, 0xC8, 0xCC)


def stated(packet: Packet[VideoStream], stream: VideoStream) -> tuple[int, int]:
    """``(width, height)`` of the key frame in a packet, ``(0, 0)`` where it is not known."""
    name = stream.codec_context.codec.canonical_name
    if name == "mjpeg":
        return _in_jpeg(bytes(packet))
    context = CodecContext.create(Codec(stream.codec_context.name, "r"))
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    changed = packet.get_sidedata("new_extradata") if packet.has_sidedata("new_extradata") else None
    context.extradata = bytes(changed) if changed is not None else stream.codec_context.extradata
    try:
        if name == "vp9":
            return _decoded(packet, context)
        context.parse(bytes(packet))
        context.parse(None)
    except (av.error.FFmpegError, ValueError):  # damaged, or a codec without a parser
        return _NO_SIZE
    return context.width, context.height


def _decoded(packet: Packet[VideoStream], context: VideoCodecContext) -> tuple[int, int]:
    frames = [frame for part in (packet, None) for frame in context.decode(part) if isinstance(frame, VideoFrame)]
    return max(((frame.width, frame.height) for frame in frames), default=_NO_SIZE)


def _in_jpeg(data: bytes) -> tuple[int, int]:
    for marker, _, payload, _ in segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SOF:
            return int.from_bytes(data[payload + 3 : payload + 5]), int.from_bytes(data[payload + 1 : payload + 3])
    return _NO_SIZE
