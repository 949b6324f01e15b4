"""What suits this machine."""

import ctypes
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from sslax import platforms

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library.mallinfo2.restype = Info

def mapped_and_kept():
    before = library.mallinfo2()
    place = library.malloc(2**26)
    during = library.mallinfo2()
    library.free(place)
    after = library.mallinfo2()
    return during.hblks - before.hblks, after.arena - before.arena >= 2**25

print(mapped_and_kept(), platforms.keep_memory(), mapped_and_kept())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="needs glibc 2.33",
)
def test_large_memory_is_kept_once_it_is_freed():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, False) True (0, True)"
