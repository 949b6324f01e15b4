"""Where a number first stops being finite: layer, primitive, pass, line, cause."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax.train.origin import told
from sslax.train.stepwise import origins

X = jnp.array([1.0, -1.0, 0.0])


def scoped(name, function):
    def called(*args):
        with jax.named_scope(name):
            return function(*args)

    return called


def origin_of(function, *given):
    (found,) = origins(lambda *x: {"loss": function(*x)}, *given).values()
    return found


def test_what_is_finite_has_no_origin_and_a_where_is_not_blamed():
    assert origins(lambda x: x + 1, X) == {}
    masked = scoped("mask", lambda x: jnp.where(x > 0, jnp.log(x), 0.0).sum())
    assert origins(masked, X) == {}
    # Minus infinity that softmax turns into 0 neither.
    hidden = lambda x: jax.nn.softmax(jnp.where(x > 0, x, -jnp.inf)).sum()  # noqa: E731
    assert origins(hidden, X) == {}


def test_a_compiled_function_with_options_of_its_own_is_taken():
    """No other program may call one, and a step may be one."""
    options = {"xla_cpu_enable_fast_min_max": False}
    compiled = jax.jit(lambda x: {"loss": jnp.log(x)}, compiler_options=options)
    assert origins(compiled, X)["loss"].by == "log"


def test_the_first_of_a_chain_is_named_with_its_layer_line_and_range():
    def loss(x):
        y = scoped("encoder", scoped("log", jnp.log))(jnp.abs(x) - 0.5)
        return scoped("head", lambda y: (2 * y).mean())(y)

    origin = origin_of(loss, X)
    assert (origin.kind, origin.by, origin.place) == ("nan", "log", "encoder/log")
    assert not origin.backward
    assert "test_stepwise.py:" in origin.line
    assert origin.gave == "float32[3] from -0.6931 to -0.6931, 1 of 3 not finite"
    assert origin.took == ("float32[3] from -0.5 to 0.5",)
    assert told(origin)[0] == "nan from log in encoder/log"


def test_a_gradient_is_named_by_its_backward_pass_and_its_cause():
    """The root of 0 is finite, and its slope is not: 0 times inf."""
    norm = scoped("norm", lambda x: jnp.sqrt((x**2).sum(axis=-1)).sum())
    found = origins(jax.value_and_grad(norm), X[:, None])
    assert list(found) == ["1"]
    origin = found["1"]
    assert (origin.kind, origin.by, origin.place) == ("nan", "mul", "norm")
    assert origin.backward
    assert (origin.cause.kind, origin.cause.by) == ("inf", "div")
    lines = told(origin)
    assert lines[0] == "nan from mul in the backward pass of norm"
    assert "  because of inf from div in norm" in lines


def test_what_was_given_and_constants_are_named():
    state = {"params": {"kernel": X.at[1].set(jnp.inf)}, "bias": X}
    origin = origin_of(lambda s: s["params"]["kernel"].sum() + s["bias"].sum(), state)
    assert (origin.kind, origin.by) == ("inf", "what was given")
    assert origin.place == "params/kernel"
    hidden = scoped("mask", lambda x: jnp.where(x > 5, x, -jnp.inf))
    origin = origin_of(lambda x: jax.nn.softmax(hidden(x)).sum(), X)
    assert (origin.kind, origin.by) == ("nan", "sub")
    assert (origin.cause.by, origin.cause.place) == ("a constant", "mask")


def looped(x):
    def turn(carry, row):
        with jax.named_scope("cell"):
            return carry - 1.0, jnp.log(carry + row)

    return jax.lax.scan(turn, 2.0, 0 * x, reverse=True)[1].sum()


def while_looped(x):
    body = scoped("cell", lambda c: (c[0] + 1, jnp.sqrt(c[1] - 1.0)))
    return jax.lax.while_loop(lambda c: c[0] < 4, body, (0, x.max() + 0.5))[1]


def chosen(x):
    branches = (scoped("a", jnp.sin), scoped("b", jnp.log))
    return jax.lax.cond(x[0] > 0, *reversed(branches), x).sum()


@jax.custom_vjp
def own(x):
    return scoped("own", jnp.log)(x)


own.defvjp(lambda x: (own(x), x), lambda x, g: (g / x,))


@pytest.mark.parametrize(
    ("function", "by", "place", "kind"),
    [
        (looped, "log", "turn 3/cell", "inf"),  # 2, 1, 0
        (while_looped, "sqrt", "turn 2/cell", "nan"),  # sqrt(0.5) - 1 is below 0
        (chosen, "log", "b", "nan"),
        (lambda x: own(x).sum(), "log", "own", "nan"),
        (scoped("a", jax.jit(scoped("b", jnp.log))), "log", "a/b", "nan"),
        (scoped("a", jax.checkpoint(scoped("b", jnp.log))), "log", "a/b", "nan"),
        (jax.vmap(scoped("a", jnp.log)), "log", "a", "nan"),
    ],
)
def test_what_is_inside_other_operations_is_found(function, by, place, kind):
    origin = origin_of(function, X)
    assert (origin.by, origin.place, origin.kind) == (by, place, kind)


def test_half_precision_keys_and_donated_arguments():
    def step(x, key):
        noise = jax.random.uniform(key, x.shape, x.dtype)
        return scoped("exp", jnp.exp)(1e4 * x) + noise, x

    given = jnp.ones(3, jnp.bfloat16)
    found = origins(jax.jit(step, donate_argnums=0), given, jax.random.key(0))
    assert {k: (o.kind, o.by, o.place) for k, o in found.items()} == {
        "0": ("inf", "exp", "exp")
    }
    np.testing.assert_array_equal(np.asarray(given, np.float32), 1.0)  # still there
