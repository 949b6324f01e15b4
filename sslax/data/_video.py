"""Video files by PyAV: frames at an even rate, their flow, and their sound."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sslax.data._moving import SOUNDS

SILENCE = -15.0
"""No sound is below: the log of the spectra has a floor at -15.9."""
_NEEDED = ("av", "skimage", "kaldi_native_fbank")
_HERTZ, _WINDOW, _PIECE = 16_000, 0.025, 2**16


class BadVideo(ValueError):
    """A file that is no whole video; the message says why, and not which."""


class Frame(NamedTuple):
    """What is seen at one time.

    Attributes:
      number: of the frame of the file; two times may show the same one.
      pixels: uint8 [h w 3].
    """

    number: int
    pixels: np.ndarray


class Video:
    """An open file. Made by `opened`.

    Attributes:
      start: seconds, the time of the first frame.
      end: seconds, when the last frame that was read is over.
      count: how many frames were read.
    """

    def __init__(self, container: Any, again: Callable[[], Any]) -> None:
        if not container.streams.video:
            raise BadVideo("it has no pictures")
        self._container, self._again = container, again
        self._wide = float(container.streams.video[0].sample_aspect_ratio or 1)
        self.start = self.end = 0.0
        self.count = 0

    def frames(self, *, size: int, rate: int) -> Iterator[Frame]:
        """What is seen at every time k / rate, as long as the video lasts.

        The times of the frames count, not their number: files whose rate varies are
        shown as a player would. The shorter side becomes `size`; of the longer one, the
        middle is kept.
        """
        given = 0
        for number, frame, until in self._shown():
            # A file whose times are this grid may be off by its rounding.
            count = math.ceil((until - self.start) * rate - 0.1)
            if given < count:
                pixels = _pixels(frame, self._wide, size)
                yield from [Frame(number, pixels)] * (count - given)
                given = count

    def _shown(self) -> Iterator[tuple[int, Any, float]]:
        """The number of a frame, the frame, and until when it is seen."""
        last = None
        for frame in self._decoded():
            if last is not None:
                yield self.count - 2, last, frame.time
            last = frame
        yield self.count - 1, last, self.end

    def _decoded(self) -> Iterator[Any]:
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in self._container.decode(stream):
            if frame.time is None:
                raise BadVideo("its frames have no times")
            self.start = self.start if self.count else frame.time
            lasts = float((frame.duration or 0) * (frame.time_base or 0))
            lasts = lasts or (1 / float(stream.average_rate or 25))
            self.end = max(self.end, frame.time + lasts)
            self.count += 1
            yield frame
        if not self.count:
            raise BadVideo("it has no frames")
        stated = float((stream.duration or 0) * (stream.time_base or 0))
        stated = stated or (self._container.duration or 0) / 1e6
        if self.end - self.start < stated - max(1.0, 0.1 * stated):
            raise BadVideo(f"it ends after {self.end:.1f} of {stated:.1f} seconds")

    def sound(self, *, rate: int, mels: int, frames: int) -> np.ndarray | None:
        """The log-mel spectrogram of as many frames, float32 [4 * frames mels].

        To be called after `frames`, of which it takes the times. Where there is no
        sound, rows are NaN; None if there is none at all.
        """
        if not self._container.streams.audio or not frames:
            return None
        hop = max(1, _HERTZ // (SOUNDS * rate))
        hertz, length = hop * SOUNDS * rate, hop * SOUNDS * frames
        wave, known = np.zeros(length, np.float32), np.zeros(length, bool)
        for time, chunk in self._heard(hertz):
            at = round((time - self.start) * hertz)
            chunk = chunk[max(0, -at) : max(0, length - at)]
            wave[max(0, at) : max(0, at) + len(chunk)] = chunk
            known[max(0, at) : max(0, at) + len(chunk)] = True
        if not known.any():
            return None
        spectra = _log_mel(wave, hertz, hop, mels)
        heard = known.reshape(-1, hop).mean(axis=1) > 0.5
        return np.where(heard[:, None], spectra, np.nan).astype(np.float32)

    def _heard(self, hertz: int) -> Iterator[tuple[float, np.ndarray]]:
        """Pieces of the sound of all channels together, and when they begin."""
        import av

        resampler = av.AudioResampler(format="fltp", layout="mono", rate=hertz)
        # Not by seeking back: a decoder that was sought may lose its first frame.
        with self._again() as container:
            for frame in (*container.decode(container.streams.audio[0]), None):
                for made in resampler.resample(frame):
                    yield made.time or 0.0, made.to_ndarray()[0]


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[Video]:
    """Opens a video file.

    Raises:
      BadVideo: if what is in it is no whole video, also later while it is read.
      OSError: if the file cannot be read.
    """
    import av

    def open_it():
        return av.open(os.fspath(path), **_lenient(av.__version__))

    try:
        with open_it() as container:
            yield Video(container, open_it)
    except OSError:
        raise
    except av.error.FFmpegError as error:
        raise BadVideo(f"it cannot be decoded: {error.strerror}") from error


def _lenient(version: str) -> dict[str, str]:
    """Titles in no known letters do no harm, which PyAV 19 need not be told."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By how many pixels what is seen moves right and down, float16 [h w 2]; TV-L1."""
    from skimage.registration import optical_flow_tvl1

    grey = [np.asarray(x, np.float32).mean(axis=-1) / 255 for x in (before, after)]
    down, right = optical_flow_tvl1(*grey)
    return np.stack([right, down], axis=-1).astype(np.float16)


def check_packages() -> None:
    """Raises if what reads videos is not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"preparing videos needs {', '.join(missing)}, which is not installed: pip"
            " install 'sslax[video]'. Only preparing needs it, once"
        )


def _pixels(frame: Any, wide: float, size: int) -> np.ndarray:
    """The frame upright, its shorter side `size`, the middle of the other.

    Args:
      frame: of PyAV.
      wide: how often as wide as high a pixel of it is.
      size: the side of the result.
    """
    height, width = frame.height, frame.width * wide
    scale = size / min(height, width)
    made = frame.reformat(
        width=max(size, round(scale * width)),
        height=max(size, round(scale * height)),
        format="rgb24",
        interpolation="AREA",
    ).to_ndarray()
    made = np.rot90(made, round(frame.rotation / 90) % 4)
    top, left = ((side - size) // 2 for side in made.shape[:2])
    return np.ascontiguousarray(made[top : top + size, left : left + size])


def _log_mel(wave: np.ndarray, hertz: int, hop: int, mels: int) -> np.ndarray:
    """A row for every `hop` samples, around their middle."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = hertz
    # Both are cut to whole samples.
    options.frame_opts.frame_shift_ms = 1000 * (hop + 0.5) / hertz
    options.frame_opts.frame_length_ms = 1000 * max(_WINDOW, hop / hertz)
    options.frame_opts.dither = 0
    options.frame_opts.window_type = "hann"
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = mels
    made = kaldi_native_fbank.OnlineFbank(options)
    for start in range(0, len(wave), _PIECE):
        made.accept_waveform(hertz, wave[start : start + _PIECE].tolist())
    made.input_finished()
    rows = [made.get_frame(i) for i in range(made.num_frames_ready)]
    return _of_length(np.stack(rows), len(wave) // hop)


def _of_length(rows: np.ndarray, count: int) -> np.ndarray:
    if len(rows) < count:
        rows = np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])
    return rows[:count]
