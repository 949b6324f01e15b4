"""The context in which tests lower programs."""

from concurrent.futures import ThreadPoolExecutor

from jax._src.interpreters import mlir


def test_programs_of_a_thread_share_a_context_and_threads_do_not():
    here = mlir.make_ir_context()
    assert mlir.make_ir_context() is here
    with ThreadPoolExecutor(1) as other:
        there = other.submit(mlir.make_ir_context).result()
    assert there is not here
