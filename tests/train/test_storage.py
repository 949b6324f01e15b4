"""A storage that fails is told from a file that is damaged, in one sentence."""

import errno

import pytest

from sslax.train.storage import faults, is_outside

FULL = (
    'RESOURCE_EXHAUSTED: Error writing local file "/run/checkpoints/60/_sharding": '
    'Failed writing: "/run/checkpoints/60/_sharding.__lock": Failed to write 4597 '
    "bytes to file 12: No space left on device [os_error_code='28']"
)


def test_a_full_disk_is_an_error_of_the_system_with_its_path():
    message = r"^\[Errno 28\] No space left.*60/_sharding'$"
    with pytest.raises(OSError, match=message), faults():
        raise ValueError(FULL)
    with pytest.raises(OSError, match=r"^UNAVAILABLE: gs://bucket$"), faults():
        raise ValueError("UNAVAILABLE: gs://bucket\nand more")


def test_mistakes_stay_mistakes():
    with pytest.raises(ValueError, match="batch_size"), faults():
        raise ValueError("batch_size=12 does not divide")


@pytest.mark.parametrize(
    ("error", "outside"),
    [
        (OSError(errno.EIO, "disk"), True),
        (PermissionError(errno.EACCES, "rights"), True),
        (TimeoutError("late"), True),
        (MemoryError(), True),
        (ValueError(FULL), True),
        (FileNotFoundError(errno.ENOENT, "gone"), False),
        (ValueError("DATA_LOSS: checksum"), False),
        (KeyError("params"), False),
    ],
)
def test_what_is_no_damage(error, outside):
    assert is_outside(error) == outside
