import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from sslax import losses

RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(size=(2, 2, 3, 4, 5))
CENTRE = RNG.normal(size=5)
MASK = RNG.integers(0, 2, size=(2, 3, 4))
MASK[0, 0] = 0


def slow_patches(student_temperature, teacher_temperature):
    total = 0.0
    for crop in range(2):
        for image in range(3):
            terms = []
            for patch in np.flatnonzero(MASK[crop, image]):
                teacher = TEACHER[crop, image, patch] - CENTRE
                q = special.softmax(teacher / teacher_temperature)
                student = STUDENT[crop, image, patch] / student_temperature
                terms.append(-np.sum(q * special.log_softmax(student)))
            total += np.mean(terms) if terms else 0.0
    return total / 6


def test_no_logits_move_between_devices():
    """They are the largest arrays of a step; images lie split over the second axis."""
    mesh = jax.make_mesh((4,), ("data",), devices=jax.devices()[:4])
    lies = jax.sharding.NamedSharding(mesh, jax.P(None, "data"))

    def gradient(student, teacher, mask, centre):
        return jax.grad(losses.ibot_patches)(student, teacher, mask, centre)

    whole = jax.sharding.NamedSharding(mesh, jax.P())
    over = jax.jit(gradient, in_shardings=(lies, lies, lies, whole))
    shapes = [jax.ShapeDtypeStruct(x, jnp.float32) for x in [(2, 8, 6, 5)] * 2]
    shapes += [jax.ShapeDtypeStruct((2, 8, 6), jnp.float32), jnp.zeros(5)]
    program = over.lower(*shapes).compile().as_text()
    for moves in ("all-gather", "all-to-all", "collective-permute"):
        assert f" {moves}(" not in program


def arrays(*names):
    return [jnp.asarray(x) for x in names]


@pytest.mark.parametrize("block_size", [None, 7])
def test_patches_are_averaged_image_by_image(block_size):
    got = losses.ibot_patches(
        *arrays(STUDENT, TEACHER, MASK, CENTRE),
        student_temperature=0.2,
        teacher_temperature=0.5,
        block_size=block_size,
    )
    np.testing.assert_allclose(got, slow_patches(0.2, 0.5), rtol=1e-5)


def test_ibot_adds_the_class_tokens_of_other_crops(rng):
    student, teacher = rng.normal(size=(3, 3, 6)), rng.normal(size=(2, 3, 6))
    centre = rng.normal(size=6)
    pairs = []
    for g in range(2):
        for v in range(3):
            if g != v:
                q = special.softmax((teacher[g] - centre) / 0.3, axis=-1)
                log_p = special.log_softmax(student[v] / 0.2, axis=-1)
                pairs.append(-np.mean(np.sum(q * log_p, axis=-1)))
    want = 2 * np.mean(pairs) + 3 * slow_patches(0.2, 0.5)
    got = losses.ibot(
        *arrays(student, teacher, STUDENT, TEACHER, MASK, centre, CENTRE),
        student_temperature=0.2,
        teacher_temperature=0.3,
        patch_temperature=0.5,
        class_weight=2.0,
        patch_weight=3.0,
    )
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_no_masked_patch_at_all_gives_zero():
    x, centre = jnp.asarray(STUDENT), jnp.asarray(CENTRE)
    assert losses.ibot_patches(x, x, jnp.zeros((2, 3, 4)), centre) == 0


def test_bad_input_is_named():
    x, mask, centre = jnp.asarray(STUDENT), jnp.asarray(MASK), jnp.asarray(CENTRE)
    with pytest.raises(ValueError, match="mask"):
        losses.ibot_patches(x, x, mask[:, :2], centre)
    with pytest.raises(ValueError, match="centre"):
        losses.ibot_patches(x, x, mask, centre[:4])
    with pytest.raises(ValueError, match="teacher_temperature"):
        losses.ibot_patches(x, x, mask, centre, teacher_temperature=0.0)
    one = jnp.ones((1, 3, 5))
    with pytest.raises(ValueError, match="student_patches"):
        losses.ibot(jnp.ones((2, 3, 5)), one, x, x, mask, centre, centre)
